import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { runCheck } from '../../src/adapters/checks.ts';
import { type IcmpCheck } from '../../src/core/check.ts';
import { attempt as command, run } from '../lab/command.ts';
import { eventually } from '../lab/eventually.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';
import { never, outcome, outcomeOf, usual } from './real-server.ts';

const { intervalMs, timeoutMs, rise, fall } = usual;
const icmp: IcmpCheck = { kind: 'icmp', intervalMs, timeoutMs, rise, fall, sourceAddress: undefined };
const host = (address: string) => ({ address, port: 0 });

/** Of this process, all descriptors: the sockets of ICMP are not among Node's resources. */
const descriptors = () => readdirSync('/proc/self/fd').length;

describe('a check by icmp', function () {
  this.timeout(10_000);
  before(function () {
    const reason = whyNoNamespaces(['ping']);
    if (reason !== undefined) {
      console.log(`    skipped: ${reason}`);
      this.skip();
    }
  });

  for (const address of ['127.0.0.1', '::1']) {
    it(`is well when ${address} answers`, async () => {
      const result = await runCheck(icmp, host(address), never);
      assert.equal(outcomeOf(result), 'ok');
      assert.ok(result.durationMs < 500, `${result.durationMs} ms`);
    });
  }

  it('asks a thousand by one socket, each answered for itself, and leaves none open', async () => {
    await outcome(icmp, host('127.0.0.1'));
    const before = descriptors();
    const asked = Array.from({ length: 1000 }, (_, index) =>
      outcome(icmp, host(`127.1.${index >> 8}.${index & 255}`)),
    );
    assert.ok(descriptors() <= before + 1, `${before} ${descriptors()}`);
    assert.deepEqual(new Set(await Promise.all(asked)), new Set(['ok']));
    await eventually('it is closed', () => descriptors() <= before || undefined);
  });

  it('comes from the source address that it is told, and cannot from one of another host', async () => {
    assert.equal(await outcome({ ...icmp, sourceAddress: '127.0.0.9' }, host('127.0.0.1')), 'ok');
    assert.equal(
      (await outcome({ ...icmp, sourceAddress: '192.0.2.1' }, host('127.0.0.1')))[0],
      'cannot-check',
    );
  });

  it('ends in time, and at once when it is called off, where nobody answers', async () => {
    // A wire with nobody at its other end.
    const [near, far] = [`vp${process.pid}i0`, `vp${process.pid}i1`];
    run(['ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far]);
    try {
      run(['ip', 'addr', 'add', '198.18.77.1/30', 'dev', near]);
      run(['ip', 'link', 'set', near, 'up']);
      run(['ip', 'link', 'set', far, 'up']);
      const before = descriptors();
      const target = host('198.18.77.2');
      const timeout = await runCheck({ ...icmp, timeoutMs: 100 }, target, never);
      assert.deepEqual(outcomeOf(timeout), ['timeout', 'no answer within 100 ms']);
      assert.ok(timeout.durationMs >= 95 && timeout.durationMs < 400, `${timeout.durationMs} ms`);
      const end = new AbortController();
      const running = outcome({ ...icmp, timeoutMs: 60_000 }, target, end.signal);
      end.abort();
      assert.deepEqual(await running, ['cannot-check', 'was called off']);
      assert.equal(descriptors(), before);
    } finally {
      command(['ip', 'link', 'del', near]);
    }
  });

  it('asks by the program ping where system calls are not to be had', async () => {
    process.env['VIPAIR_KERNEL'] = 'commands';
    try {
      assert.equal(await outcome(icmp, host('127.0.0.1')), 'ok');
      assert.equal(await outcome({ ...icmp, sourceAddress: '127.0.0.9' }, host('127.0.0.1')), 'ok');
    } finally {
      delete process.env['VIPAIR_KERNEL'];
    }
  });
});
