import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { runCheck } from '../../src/adapters/checks.ts';
import { type UdpCheck } from '../../src/core/check.ts';
import { eventually } from '../lab/eventually.ts';
import { never, outcome, outcomeOf, usual } from './real-server.ts';

const udp: UdpCheck = {
  ...usual,
  timeoutMs: 200,
  kind: 'udp',
  payload: Uint8Array.of(1, 2, 3),
  requiresReply: false,
  expect: undefined,
};
const anything = { text: undefined, regex: undefined, not: undefined };

async function datagramServer(reply?: string, address = '127.0.0.1') {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const heard: [string, string][] = [];
  socket.on('message', (bytes, from) => {
    heard.push([from.address, bytes.toString('hex')]);
    if (reply !== undefined) {
      socket.send(reply, from.port, from.address);
    }
  });
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  return {
    address,
    port: socket.address().port,
    heard,
    [Symbol.dispose]() {
      socket.close();
    },
  };
}

describe('a check by udp', () => {
  for (const address of ['127.0.0.1', '::1']) {
    it(`to ${address} sends its datagram and is well at any reply`, async () => {
      using server = await datagramServer('', address);
      const result = await runCheck({ ...udp, timeoutMs: 2000 }, server, never);
      assert.equal(outcomeOf(result), 'ok');
      assert.ok(result.durationMs < 1000);
      assert.deepEqual(server.heard, [[address, '010203']]);
    });

    it(`to ${address} fails by the ICMP error where nobody listens`, async () => {
      const server = await datagramServer(undefined, address);
      server[Symbol.dispose]();
      assert.equal((await outcome(udp, server))[0], 'refused');
    });
  }

  it('takes silence for well, unless a reply is required', async () => {
    using server = await datagramServer();
    const quiet = await runCheck(udp, server, never);
    assert.equal(outcomeOf(quiet), 'ok');
    assert.ok(quiet.durationMs >= 195, `${quiet.durationMs} ms`);
    assert.deepEqual(await outcome({ ...udp, requiresReply: true }, server), [
      'timeout',
      'no answer within 200 ms',
    ]);
  });

  it('judges the reply', async () => {
    using server = await datagramServer('pong\x1b[31m');
    const check = { ...udp, requiresReply: true };
    assert.equal(await outcome({ ...check, expect: { ...anything, text: 'pong' } }, server), 'ok');
    assert.deepEqual(await outcome({ ...check, expect: { ...anything, text: 'ping' } }, server), [
      'wrong-answer',
      '"ping" is not in "pong [31m"',
    ]);
  });

  it('comes from the source address that it is told', async () => {
    using server = await datagramServer('');
    assert.equal(await outcome({ ...udp, sourceAddress: '127.0.0.9' }, server), 'ok');
    assert.equal(server.heard[0]?.[0], '127.0.0.9');
    assert.equal((await outcome({ ...udp, sourceAddress: '192.0.2.1' }, server))[0], 'cannot-check');
  });

  it('ends at once when it is called off, at any moment', async () => {
    using server = await datagramServer();
    const check = { ...udp, timeoutMs: 60_000 };
    assert.equal((await outcome(check, server, AbortSignal.abort()))[0], 'cannot-check');
    const early = new AbortController();
    const unbound = outcome(check, server, early.signal);
    early.abort();
    assert.deepEqual(await unbound, ['cannot-check', 'was called off']);
    const late = new AbortController();
    const waiting = outcome(check, server, late.signal);
    await eventually('it has asked', () => server.heard.length > 0 || undefined);
    late.abort();
    assert.deepEqual(await waiting, ['cannot-check', 'was called off']);
  });

  it('leaves no socket behind', async () => {
    using server = await datagramServer('');
    const count = () => process.getActiveResourcesInfo().filter((kind) => kind === 'UDPWRAP').length;
    const before = count();
    await Promise.all(Array.from({ length: 50 }, () => outcome(udp, server)));
    await eventually('all are closed', () => count() <= before || undefined);
  });
});
