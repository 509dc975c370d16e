import { fail, ok, type Result } from '../core/result.ts';
import { runScript } from './script.ts';

export interface Ping {
  /** IPv4 or IPv6, without a zone. */
  readonly address: string;
  /** What the question leaves by, whatever the routes say. */
  readonly interfaceName?: string;
  /** An own address that it comes from, instead of the one that the routes choose. */
  readonly sourceAddress?: string | undefined;
  readonly timeoutMs: number;
}

/** `cannot-ask` says nothing about the target: the tool or the permission is missing. */
export type PingReason = 'no-answer' | 'cannot-ask' | 'aborted';

/**
 * Sends one echo request and waits for the answer, by the program `ping`: it knows both families, needs no
 * system calls from here, and what it says an operator can repeat by hand.
 */
export async function ping(
  { address, interfaceName, sourceAddress, timeoutMs }: Ping,
  signal: AbortSignal,
): Promise<Result<undefined, PingReason>> {
  const command = [
    'ping',
    address.includes(':') ? '-6' : '-4',
    '-n',
    '-q',
    '-c1',
    // Whole seconds everywhere; the run itself ends in time.
    `-W${Math.ceil(timeoutMs / 1000)}`,
    ...[interfaceName, sourceAddress].flatMap((from) => (from === undefined ? [] : ['-I', from])),
    address,
  ];
  const environment = { PATH: process.env['PATH'] ?? DEFAULT_PATH, LC_ALL: 'C' };
  const run = await runScript({ command, timeoutMs, environment }, signal);
  if (run.ok) {
    return ok(undefined);
  }
  const silence = `${address} did not answer within ${timeoutMs} ms`;
  switch (run.reason) {
    case 'aborted':
      return fail('aborted');
    case 'not-found':
      return fail('cannot-ask', 'ping is not installed. Remedy: apt-get install iputils-ping');
    case 'not-executable':
    case 'cannot-start':
      return fail('cannot-ask', `ping ${run.detail ?? run.reason}`);
    case 'exit-code':
      return UNABLE.test(run.detail ?? '')
        ? fail('cannot-ask', `ping ${run.detail ?? ''}`)
        : fail('no-answer', complaintIn(run.detail ?? '') ?? silence);
    case 'timeout':
    case 'signal':
      return fail('no-answer', silence);
  }
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** It has not the right to ask, or does not know what it was asked. */
const UNABLE =
  /socket: (?:Operation not permitted|Permission denied)|lacking privilege|invalid option|Usage/i;

/** `ping: connect: Network is unreachable` and the like; what it counts is no news. */
function complaintIn(detail: string): string | undefined {
  return /^(?:ended with exit code \d+: )?(ping: (?!Warning).*)$/m.exec(detail)?.[1];
}
