import { type CheckFailure, type CheckResult, type CheckTarget, type ScriptCheck } from '../core/check.ts';
import { printable } from './check-attempt.ts';
import { runScript, type ScriptReason } from './script.ts';

/** A program is run that ends with 0. */
export async function checkScript(
  check: ScriptCheck,
  target: CheckTarget,
  signal: AbortSignal,
): Promise<CheckResult> {
  const { command, timeoutMs } = check;
  const startedMs = performance.now();
  const environment = {
    PATH: process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    VIPAIR_ADDRESS: target.address,
    VIPAIR_PORT: String(target.port),
    VIPAIR_TIMEOUT_MS: String(timeoutMs),
  };
  const run = await runScript({ command, timeoutMs, environment }, signal);
  const durationMs = performance.now() - startedMs;
  return run.ok
    ? { ok: true, durationMs }
    : { ok: false, durationMs, reason: reasons[run.reason], detail: printable(run.detail ?? run.reason) };
}

const reasons: Readonly<Record<ScriptReason, CheckFailure>> = {
  'exit-code': 'exit-code',
  signal: 'exit-code',
  timeout: 'timeout',
  aborted: 'cannot-check',
  'not-found': 'cannot-check',
  'not-executable': 'cannot-check',
  'cannot-start': 'cannot-check',
};
