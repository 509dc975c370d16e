import { readFile } from 'node:fs/promises';
import { fail, ok, type Result } from '../core/result.ts';
import { type GateHooks } from '../core/state.ts';
import { type GateReason, openGate } from './gate.ts';
import { runScript } from './script.ts';

/**
 * Whether this kernel takes the gate, by putting one up: in a network namespace of its own, where there is
 * nothing to guard and nothing of this host is touched.
 */

export interface GateTrialOptions {
  readonly timeoutMs: number;
  /** The program to start as a child; it must call `answerGate()` when its first argument is `gate-child`. */
  readonly modulePath: string;
}

export type GateTrialRefusal = GateReason | 'weak' | 'cannot-try';

/** `weak` is a gate that lacks a part; `cannot-try` says nothing about the gate. */
export async function tryGate({
  timeoutMs,
  modulePath,
}: GateTrialOptions): Promise<Result<GateHooks, GateTrialRefusal>> {
  const command = ['unshare', '--net', '--', process.execPath, modulePath, 'gate-child'];
  const environment = { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin' };
  const run = await runScript({ command, timeoutMs, environment }, new AbortController().signal);
  if (!run.ok) {
    return fail('cannot-try', run.detail ?? run.reason);
  }
  const [reason = '', ...words] = run.value.split(' ');
  const detail = words.join(' ');
  const refusal = refusals.find((known) => known === reason);
  if (refusal !== undefined) {
    return fail(refusal, detail);
  }
  return reason === 'ok' && (detail === 'egress' || detail === 'output')
    ? ok(detail)
    : fail('cannot-try', run.value);
}

const refusals = [
  'koffi-unavailable',
  'not-permitted',
  'no-nftables',
  'no-egress-hook',
  'foreign-table',
  'invalid-address',
  'refused',
  'weak',
] as const satisfies readonly GateTrialRefusal[];

/** The child's part: a line with `ok` and the hooks, or with the reason and its words. */
export async function answerGate(): Promise<string> {
  const interfaces = (await readFile('/proc/net/dev', 'utf8')).match(/^\s*[^\s|]+:/gm) ?? [];
  if (interfaces.some((name) => name.trim() !== 'lo:')) {
    return 'this is not an empty network namespace';
  }
  const interfaceName = 'lo';
  const opened = openGate({
    pair: 'trial',
    leaseMs: 200,
    floating: [{ address: '192.0.2.1', interfaceName }],
    links: [{ interfaceName, destination: '239.192.112.1', port: 3694 }],
  });
  if (!opened.ok) {
    return `${opened.reason} ${opened.detail ?? ''}`;
  }
  using gate = opened.value;
  const weakness = gate.weakness();
  gate.remove();
  return weakness === undefined ? `ok ${gate.hooks}` : `weak ${weakness}`;
}
