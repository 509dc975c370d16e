import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const main = join(import.meta.dirname, '..', '..', 'src', 'main.js');
const space = `vparp${process.pid}`;

function arp(args: readonly string[], { inSpace = true, path = process.env['PATH'] } = {}) {
  const [program = '', ...rest] = [
    ...(inSpace ? ['ip', 'netns', 'exec', space] : []),
    process.execPath,
    main,
    'arp',
    ...args,
  ];
  const { status, stdout, stderr } = spawnSync(program, rest, {
    encoding: 'utf8',
    env: { ...process.env, PATH: path },
  });
  return { status, stdout, stderr };
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

describe('vipair arp', function () {
  this.timeout(20_000);

  it('refuses what is no IPv4 address before anything is started', () => {
    for (const address of ['-h', 'localhost', '10.0.0', '10.0.0.1/24', '::1', '1.2.3.4; reboot']) {
      const { status, stdout, stderr } = arp(['--', address], { inSpace: false });
      assert.deepEqual([status, stdout], [64, ''], address);
      assert.match(stderr, /is not an IPv4 address/);
    }
  });

  it('names the package when a program is missing, instead of ending with it', () => {
    const { status, stderr } = arp(['203.0.113.1'], { inSpace: false, path: '/nonexistent' });
    assert.equal(status, 1);
    assert.match(stderr, /ping is not installed\. Remedy: apt-get install iputils-ping/);
  });

  describe('on a wire', () => {
    before(function () {
      const missing = ['ip', 'ping', 'arp'].find((program) => spawnSync('which', [program]).status !== 0);
      if (process.geteuid?.() !== 0 || missing !== undefined) {
        console.log(
          `      skipped: needs root and ${missing ?? 'a network namespace'}. Remedy: sudo npm test, after test/prepare.sh`,
        );
        this.skip();
      }
      for (const name of [space, `${space}b`]) {
        ip('netns', 'add', name);
      }
      ip('-n', space, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1', 'netns', `${space}b`);
      ip('-n', `${space}b`, 'link', 'set', 'v1', 'address', '02:00:00:00:00:0b');
      ip('-n', space, 'address', 'add', '198.51.100.1/24', 'dev', 'v0');
      ip('-n', `${space}b`, 'address', 'add', '198.51.100.2/24', 'dev', 'v1');
      ip('-n', space, 'link', 'set', 'v0', 'up');
      ip('-n', `${space}b`, 'link', 'set', 'v1', 'up');
    });
    after(() => {
      for (const name of [space, `${space}b`]) {
        spawnSync('ip', ['netns', 'del', name]);
      }
    });

    it('says who answers, and on which interface', () => {
      assert.deepEqual(arp(['198.51.100.2']), {
        status: 0,
        stdout: '198.51.100.2 is at 02:00:00:00:00:0b on v0\n',
        stderr: '',
      });
      const { stdout } = arp(['--json', '198.51.100.2']);
      assert.deepEqual(JSON.parse(stdout), {
        address: '198.51.100.2',
        mac: '02:00:00:00:00:0b',
        interface: 'v0',
        own: false,
      });
    });

    it('says that an address is the own one', () => {
      assert.match(arp(['198.51.100.1']).stdout, /on v0, this host itself\n$/);
    });

    it('says that nobody answers, where node-arp says (incomplete)', () => {
      assert.deepEqual(arp(['198.51.100.99']), {
        status: 1,
        stdout: '',
        stderr: 'vipair: nobody answers for 198.51.100.99\n',
      });
    });

    it('keeps its deadline', () => {
      const startedAtMs = performance.now();
      assert.equal(arp(['--timeout', '300ms', '198.51.100.98']).status, 1);
      assert.ok(performance.now() - startedAtMs < 2900, 'ping alone takes 3 s');
    });

    it('finds a host that does not answer ping in time, from the table of the kernel', () => {
      const directory = mkdtempSync(join(tmpdir(), 'vipair-arp-'));
      try {
        // A ping that goes on and on, as it does when the host drops ICMP; told from others by its number.
        const mark = `600.${process.pid}`;
        writeFileSync(join(directory, 'ping'), `#!/bin/sh\nexec sleep ${mark}\n`, { mode: 0o755 });
        const path = `${directory}:${process.env['PATH'] ?? ''}`;
        const { status, stdout } = arp(['--timeout', '500ms', '198.51.100.2'], { path });
        assert.deepEqual([status, stdout], [0, '198.51.100.2 is at 02:00:00:00:00:0b on v0\n']);
        assert.equal(spawnSync('pgrep', ['-f', `^sleep ${mark}`]).status, 1, 'the ping was left behind');
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  });
});
