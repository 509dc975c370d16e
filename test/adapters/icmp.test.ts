import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { attempt, run } from '../lab/command.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';

const name = `vp${process.pid}icmp`;
const program = `
  import { ping } from ${JSON.stringify(new URL('../../src/adapters/icmp.js', import.meta.url).href)};
  const [address, interfaceName, timeoutMs] = process.argv.slice(1);
  const signal = new AbortController().signal;
  process.stdout.write(JSON.stringify(await ping({ address, interfaceName, timeoutMs: Number(timeoutMs) }, signal)));
`;

describe('a path by ICMP', function () {
  this.timeout(20_000);
  before(function () {
    const reason = whyNoNamespaces(['ip', 'ping']);
    if (reason !== undefined) {
      console.log(`    skipped: ${reason}`);
      this.skip();
    }
    for (const side of ['a', 'b']) {
      run(['ip', 'netns', 'add', `${name}${side}`]);
      run(['ip', '-n', `${name}${side}`, 'link', 'set', 'lo', 'up']);
    }
    for (const wire of ['0', '1']) {
      const peer = ['type', 'veth', 'peer', 'name', `eth${wire}`, 'netns', `${name}b`] as const;
      run(['ip', 'link', 'add', `eth${wire}`, 'netns', `${name}a`, ...peer]);
      for (const [side, host] of [
        ['a', '1'],
        ['b', '2'],
      ] as const) {
        const at = ['ip', '-n', `${name}${side}`] as const;
        run([...at, 'link', 'set', `eth${wire}`, 'up']);
        run([...at, 'addr', 'add', `10.9.${wire}.${host}/24`, 'dev', `eth${wire}`]);
        run([...at, 'addr', 'add', `fd09:${wire}::${host}/64`, 'dev', `eth${wire}`, 'nodad']);
      }
    }
  });
  after(() => {
    for (const side of ['a', 'b']) {
      attempt(['ip', 'netns', 'del', `${name}${side}`]);
    }
  });

  async function ping(address: string, interfaceName: string, timeoutMs = 1000) {
    const { stdout } = await promisify(execFile)('ip', [
      'netns',
      'exec',
      `${name}a`,
      process.execPath,
      '--input-type=module',
      '--eval',
      program,
      address,
      interfaceName,
      String(timeoutMs),
    ]);
    return JSON.parse(stdout) as unknown;
  }

  it('is up when the target answers, in both families', async () => {
    assert.deepEqual(await ping('10.9.0.2', 'eth0'), { ok: true });
    assert.deepEqual(await ping('fd09:0::2', 'eth0'), { ok: true });
  });

  it('asks by its interface, whatever the routes say', async () => {
    // Else the neighbour would answer for all its addresses on every wire.
    run(['ip', 'netns', 'exec', `${name}b`, 'sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1']);
    assert.deepEqual(await ping('10.9.1.2', 'eth1'), { ok: true });
    assert.deepEqual(await ping('10.9.1.2', 'eth0', 500), {
      ok: false,
      reason: 'no-answer',
      detail: '10.9.1.2 did not answer within 500 ms',
    });
  });

  it('is down without an answer, in time, and where there is no way at all', async () => {
    const startedMs = performance.now();
    assert.deepEqual(await ping('10.9.0.77', 'eth0', 300), {
      ok: false,
      reason: 'no-answer',
      detail: '10.9.0.77 did not answer within 300 ms',
    });
    assert.ok(performance.now() - startedMs < 3000);
    assert.deepEqual(await ping('10.9.0.2', 'eth7'), {
      ok: false,
      reason: 'no-answer',
      detail: 'ping: SO_BINDTODEVICE eth7: No such device',
    });
  });
});
