import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { runCheck } from '../../src/adapters/checks.ts';
import { type TcpCheck } from '../../src/core/check.ts';
import { eventually, pause } from '../lab/eventually.ts';
import { never, nobody, outcome, outcomeOf, serve, talker, usual } from './real-server.ts';

const tcp: TcpCheck = { ...usual, kind: 'tcp' };

describe('a check by tcp', () => {
  it('is well when a connection is accepted, in both families, and leaves none open', async () => {
    for (const address of ['127.0.0.1', '::1']) {
      await using server = await serve(createServer(), address);
      const result = await runCheck(tcp, server, never);
      assert.deepEqual(outcomeOf(result), 'ok');
      assert.ok(result.durationMs > 0 && result.durationMs < 1000, `${result.durationMs}`);
      await server.alone();
    }
  });

  it('parts by a reset, so that no TIME_WAIT is left here', async () => {
    const codes: unknown[] = [];
    const server = createServer((socket) => {
      socket.on('error', (error) => codes.push('code' in error ? error.code : error));
    });
    await using target = await serve(server);
    assert.equal(await outcome(tcp, target), 'ok');
    await eventually('the server is told', () => codes.length > 0 || undefined);
    assert.deepEqual(codes, ['ECONNRESET']);
  });

  it('goes to another port where the check names one', async () => {
    await using server = await serve(createServer());
    assert.equal(await outcome({ ...tcp, port: server.port }, await nobody()), 'ok');
    assert.notEqual(await outcome({ ...tcp, port: (await nobody()).port }, server), 'ok');
  });

  it('comes from the source address that it is told', async () => {
    const seen: unknown[] = [];
    await using server = await serve(
      createServer((socket) => {
        seen.push(socket.remoteAddress);
      }),
    );
    assert.equal(await outcome({ ...tcp, sourceAddress: '127.0.0.9' }, server), 'ok');
    await eventually('somebody comes', () => seen.length > 0 || undefined);
    assert.deepEqual(seen, ['127.0.0.9']);
  });

  it('fails as refused where nobody listens', async () => {
    const { address, port } = await nobody();
    assert.deepEqual(await outcome(tcp, { address, port }), [
      'refused',
      `connect ECONNREFUSED ${address}:${port}`,
    ]);
  });

  it('cannot be made from an address that this host has not', async () => {
    await using server = await serve(createServer());
    const [reason] = await outcome({ ...tcp, sourceAddress: '192.0.2.1' }, server);
    assert.equal(reason, 'cannot-check');
  });

  it('is unreachable where no way leads', async () => {
    // The kernel refuses broadcast and multicast by TCP as unreachable, without a packet.
    assert.deepEqual((await outcome(tcp, { address: '224.0.0.1', port: 80 }))[0], 'unreachable');
  });

  it('ends in time, and when it is called off, where connections are not answered', async () => {
    // Nobody takes from the queue of a listener that is asleep: a full one answers no more.
    const end = new AbortController();
    await using full = await fullListener();
    const timeout = await runCheck({ ...tcp, timeoutMs: 100 }, full, never);
    assert.deepEqual(outcomeOf(timeout), ['timeout', 'no answer within 100 ms']);
    assert.ok(timeout.durationMs >= 95 && timeout.durationMs < 400, `${timeout.durationMs} ms`);
    const running = runCheck({ ...tcp, timeoutMs: 60_000 }, full, end.signal);
    end.abort();
    assert.deepEqual(outcomeOf(await running), ['cannot-check', 'was called off']);
    assert.deepEqual(await outcome(tcp, full, AbortSignal.abort()), ['cannot-check', 'was called off']);
  });

  it('is not moved by a server that talks without end', async () => {
    await using server = await serve(talker('x'.repeat(1 << 20)));
    assert.equal(await outcome(tcp, server), 'ok');
    await server.alone();
  });
});

describe('no check', () => {
  it('is always well', async () => {
    const { intervalMs, timeoutMs, rise, fall } = usual;
    assert.deepEqual(
      await runCheck({ kind: 'none', intervalMs, timeoutMs, rise, fall }, await nobody(), never),
      { ok: true, durationMs: 0 },
    );
  });
});

/** A process that listens, sleeps, and whose queue of connections is full: the kernel drops what comes. */
async function fullListener() {
  const program =
    "const server = require('net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }," +
    ' () => process.stdout.write(String(server.address().port)))';
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [told] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(told.toString());
  child.kill('SIGSTOP');
  const fillers: Socket[] = [];
  for (let isFull = false; !isFull;) {
    const filler = connect({ host: '127.0.0.1', port });
    filler.on('error', () => undefined);
    fillers.push(filler);
    isFull = await Promise.race([once(filler, 'connect').then(() => false), pause(100).then(() => true)]);
  }
  return {
    address: '127.0.0.1',
    port,
    async [Symbol.asyncDispose]() {
      for (const filler of fillers) {
        filler.destroy();
      }
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}
