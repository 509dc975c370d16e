import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { runCheck } from '../../src/adapters/checks.ts';
import { type Check, type CheckFailure, type CheckResult } from '../../src/core/check.ts';
import { eventually } from '../lab/eventually.ts';

/** Real servers on loopback for the tests of checks, and what every check must leave behind: nothing. */

export const usual = {
  intervalMs: 2000,
  timeoutMs: 1000,
  rise: 2,
  fall: 2,
  port: undefined,
  sourceAddress: undefined,
} as const;

/** The signal of checks that nobody calls off; any number of them at once. */
export const never = new AbortController().signal;
setMaxListeners(0, never);

export interface RealServer extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** Connections that are open yet, seen from the server. */
  readonly openCount: () => number;
  /** Waits until somebody has connected. */
  readonly met: () => Promise<unknown>;
  /** Waits until all who connected are gone. */
  readonly alone: () => Promise<unknown>;
}

/** Any server that listens by TCP: of node:net, node:tls, node:http, node:http2. */
export async function serve(server: Server, address = '127.0.0.1'): Promise<RealServer> {
  const sockets = new Set<Socket>();
  let metCount = 0;
  server.on('connection', (socket: Socket) => {
    metCount += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address,
    port,
    openCount: () => sockets.size,
    met: () => eventually('somebody connects', () => metCount > 0 || undefined),
    alone: () => eventually('all have gone', () => (metCount > 0 && sockets.size === 0) || undefined),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) {
        socket.destroy();
      }
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Says `greeting`, then answers what it is told by `reply`; `end` ends the conversation. */
export function talker(
  greeting: string | undefined,
  reply: (heard: string, socket: Socket) => void = () => undefined,
): Server {
  return createServer((socket) => {
    if (greeting !== undefined) {
      socket.write(greeting);
    }
    socket.on('data', (chunk) => {
      reply(chunk.toString('latin1'), socket);
    });
  });
}

/** A port that nobody listens at: it was free a moment ago. */
export async function nobody(): Promise<{ address: string; port: number }> {
  await using server = await serve(createServer());
  return { address: server.address, port: server.port };
}

/** Reason and detail of a failure, or `ok`; durations differ from run to run. */
export function outcomeOf(result: CheckResult): 'ok' | [CheckFailure, string] {
  return result.ok ? 'ok' : [result.reason, result.detail];
}

export async function outcome(
  check: Check,
  target: { readonly address: string; readonly port: number },
  signal: AbortSignal = never,
): Promise<'ok' | [CheckFailure, string]> {
  const { address, port } = target;
  return outcomeOf(await runCheck(check, { address, port }, signal));
}

/** Sockets, processes and timers that keep this process alive, by kind. */
function resources(): readonly string[] {
  return process.getActiveResourcesInfo();
}

function moreThan(before: readonly string[]): readonly string[] {
  const known = [...before];
  return resources().filter((kind) => {
    const index = known.indexOf(kind);
    return index < 0 || known.splice(index, 1).length === 0;
  });
}

/**
 * A check of a server that takes connections and says nothing: ends in time, ends at once when it is
 * called off, and leaves nothing behind either time.
 */
export async function endsWithSilence(check: Check, target: RealServer): Promise<void> {
  await turn();
  const before = resources();
  const timeout = await runCheck({ ...check, timeoutMs: 100 }, target, never);
  assert.deepEqual(outcomeOf(timeout), ['timeout', 'no answer within 100 ms']);
  assert.ok(timeout.durationMs >= 95 && timeout.durationMs < 400, `${timeout.durationMs} ms`);
  await target.alone();

  const end = new AbortController();
  const running = runCheck({ ...check, intervalMs: 60_000, timeoutMs: 60_000 }, target, end.signal);
  await eventually('it has connected', () => target.openCount() > 0 || undefined);
  end.abort();
  assert.deepEqual(outcomeOf(await running), ['cannot-check', 'was called off']);
  await target.alone();

  assert.deepEqual(outcomeOf(await runCheck(check, target, AbortSignal.abort())), [
    'cannot-check',
    'was called off',
  ]);
  await eventually(
    'nothing is left',
    async () => {
      // Not from within the timer of this very wait.
      await turn();
      return moreThan(before).length === 0 || undefined;
    },
    2000,
    () => moreThan(before).join(' '),
  );
}
