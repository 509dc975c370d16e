import { fail, ok, type Result } from '../core/result.ts';
import { runScript } from './script.ts';

/** The kernel's connection sync: a daemon that sends, and one that listens to the peer's. */
export interface SyncSettings {
  readonly interfaceName: string;
  readonly ownId: number;
  readonly peerId: number;
}

export type SyncReason = 'not-installed' | 'refused' | 'aborted';

/** Both roles on both directors, each with the id of its sender, so that nothing is switched when the office moves. */
export async function startSync(
  { interfaceName, ownId, peerId }: SyncSettings,
  signal: AbortSignal,
  program = 'ipvsadm',
): Promise<Result<undefined, SyncReason>> {
  // What an earlier life left behind may have other settings.
  await stopSync(signal, program);
  for (const [role, id] of [
    ['master', ownId],
    ['backup', peerId],
  ] as const) {
    const words = ['--start-daemon', role, '--mcast-interface', interfaceName, '--syncid', String(id)];
    const started = await ipvsadm(program, words, signal);
    if (!started.ok) {
      return started;
    }
  }
  return ok(undefined);
}

/** That none runs is no failure. */
export async function stopSync(signal: AbortSignal, program = 'ipvsadm'): Promise<void> {
  await ipvsadm(program, ['--stop-daemon', 'master'], signal);
  await ipvsadm(program, ['--stop-daemon', 'backup'], signal);
}

const timeoutMs = 5000;
const environment = { PATH: '/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

async function ipvsadm(
  program: string,
  words: readonly string[],
  signal: AbortSignal,
): Promise<Result<undefined, SyncReason>> {
  const run = await runScript({ command: [program, ...words], timeoutMs, environment }, signal);
  if (run.ok) {
    return ok(undefined);
  }
  switch (run.reason) {
    case 'not-found':
      return fail('not-installed', `${program} is not there. Remedy: apt-get install ipvsadm`);
    case 'aborted':
      return fail('aborted');
    case 'exit-code':
    case 'signal':
    case 'timeout':
    case 'not-executable':
    case 'cannot-start':
      return fail('refused', `${program} ${words.join(' ')}: ${run.detail ?? run.reason}`);
  }
}
