import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../../src/cli/program.ts';
import { type ProveSilent } from '../../src/cli/realserver-check.ts';
import { repository } from '../repository.ts';
import { createTerminal } from './terminal.ts';

const script = join(repository, 'deploy', 'real-server', 'vipair-realserver.sh');

const notAsked = () => Promise.reject(new Error('not asked'));

async function run(args: readonly string[], proveSilent: ProveSilent = notAsked) {
  const io = createTerminal();
  const rim = { version: '0', run: notAsked, lookUpMac: notAsked, tryGate: notAsked, proveSilent };
  const code = await runProgram(['realserver', ...args], io, rim);
  return { code, ...io.written };
}

function sh(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync('sh', [script, ...args], { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

describe('vipair realserver', function () {
  this.timeout(10_000);
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'vipair-realserver-'));
  });
  after(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  function configuration(...floating: readonly string[]): string {
    const path = join(directory, `${floating.length}.yaml`);
    writeFileSync(
      path,
      `pair: edge
nodes: { lvs1: {}, lvs2: {} }
heartbeat: { key_file: /etc/vipair/k, links: [{ name: public, interface: eth0 }] }
floating:
${floating.map((address) => `  - { address: ${address}, interface: eth0 }`).join('\n')}
lvs: { mode: off }
`,
    );
    return path;
  }

  it('prints the script, the way there and the very commands, with the only address of the configuration', async () => {
    const { code, out, err } = await run(['print', '--config', configuration('192.0.2.10')]);
    assert.deepEqual([code, err], [0, '']);
    assert.equal(
      out.replaceAll(script, 'SCRIPT'),
      `# For each real server; the script is all that it needs:
#   scp SCRIPT root@REAL-SERVER:
#   ssh root@REAL-SERVER sh vipair-realserver.sh apply --address 192.0.2.10
#   ssh root@REAL-SERVER sh vipair-realserver.sh persist --address 192.0.2.10
#   ssh root@REAL-SERVER sh vipair-realserver.sh verify --address 192.0.2.10
# Then on a director: vipair realserver check
#
# What apply does there, as far as it is not so yet:
echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore
echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce
ip -4 address add 192.0.2.10/32 dev lo scope host
`,
    );
  });

  it('does not guess among several floating addresses: one may be the gateway of real servers', async () => {
    const { code, out, err } = await run(['print', '--config', configuration('192.0.2.10', '10.99.0.1')]);
    assert.deepEqual([code, out], [64, '']);
    assert.match(
      err,
      /192\.0\.2\.10, 10\.99\.0\.1: which do clients use\? Remedy: vipair realserver print --address/,
    );
  });

  it('hands options on as they are, and the exit code back', async () => {
    const { code, out } = await run([
      'print',
      '--address',
      '192.0.2.10',
      '--address',
      '2001:DB8::10',
      '--method',
      'arptables',
      '--interface',
      'dummy0',
    ]);
    assert.equal(code, 0);
    assert.match(out, /^arptables -A vipair-in -d 192\.0\.2\.10 -j DROP$/m);
    assert.match(out, /^ip -6 address add 2001:db8::10\/128 dev dummy0 nodad preferred_lft 0$/m);
    assert.equal((await run(['undo', '--address', '192.0.2.10'])).code, 64);
    assert.equal((await run(['print', '--address', '$(reboot)'])).code, 64);
    assert.equal((await run(['print', '--config', '/nonexistent'])).code, 64);
  });

  it('refuses an unknown action or method itself', async () => {
    for (const args of [['start'], ['print', '--method', 'ebtables'], []]) {
      assert.equal((await run(args)).code, 64, args.join(' '));
    }
  });

  it('refuses an option that belongs to another action', async () => {
    for (const [action, ...option] of [
      ['print', '--server', '192.0.2.11'],
      ['verify', '--json'],
      ['check', '--method', 'sysctl'],
      ['check', '--tunnel'],
    ]) {
      const { code, err } = await run([action ?? '', '--address', '192.0.2.10', ...option]);
      assert.equal(code, 64);
      assert.match(err, new RegExp(`${option[0]}' does not belong to '${action}'`));
    }
  });

  describe('check', () => {
    const mac = '52:54:00:00:00:0b';
    const found = (answers: readonly { address: string; mac: string; hosts: string[] }[], heardCount = 1) =>
      (({ realServers }) =>
        Promise.resolve({
          ok: true,
          value: {
            answers,
            heardCount,
            heardServers: realServers.filter((server) => server !== '192.0.2.19'),
          },
        })) satisfies ProveSilent;
    const check = (proveSilent: ProveSilent, ...args: string[]) =>
      run(
        [
          'check',
          '--config',
          configuration('192.0.2.10'),
          '--node',
          'lvs1',
          '--runtime-dir',
          directory,
          ...args,
        ],
        proveSilent,
      );

    it('is content when others are heard and nobody answers', async () => {
      assert.deepEqual(await check(found([])), {
        code: 0,
        out: '192.0.2.10 on eth0: nobody but this director answers\n',
        err: '',
      });
    });

    it('takes silence on a silent wire for no proof', async () => {
      const { code, out } = await check(found([], 0));
      assert.equal(code, 1);
      assert.match(out, /nobody at all was heard there/);
    });

    it('takes the silence of a real server that is not heard at all for no proof', async () => {
      const { code, out } = await check(found([]), '--server', '192.0.2.11', '--server', '192.0.2.19');
      assert.equal(code, 1);
      assert.match(out, /^192\.0\.2\.19 was not heard, .*Remedy: /m);
      assert.doesNotMatch(out, /192\.0\.2\.11/);
    });

    it('names the host that answers and the line to run there', async () => {
      const answers = [{ address: '192.0.2.10', mac, hosts: ['192.0.2.11'] }];
      const { code, out } = await check(found(answers));
      assert.equal(code, 1);
      assert.match(
        out,
        /^192\.0\.2\.10 on eth0: 192\.0\.2\.11 \(52:54:00:00:00:0b\) answers for it; whether that is the peer/,
      );
      assert.match(out, /sh vipair-realserver\.sh apply --address 192\.0\.2\.10$/m);
      assert.deepEqual(JSON.parse((await check(found(answers), '--json')).out), {
        ok: false,
        node: 'lvs1',
        addresses: [
          {
            address: '192.0.2.10',
            interface: 'eth0',
            answers: [{ mac, hosts: ['192.0.2.11'], isPeer: null }],
            heard: true,
          },
        ],
        unheardServers: [],
      });
    });

    it('asks for what was named, and refuses what is not to be asked for', async () => {
      const asked: unknown[] = [];
      const note: ProveSilent = (question) => {
        asked.push(question);
        return found([])(question);
      };
      await check(note, '--server', '192.0.2.11', '--address', '192.0.2.10', '--timeout', '300ms');
      assert.deepEqual(asked, [
        { interfaceName: 'eth0', addresses: ['192.0.2.10'], realServers: ['192.0.2.11'], timeoutMs: 300 },
      ]);
      assert.equal((await check(note, '--address', '192.0.2.99')).code, 64);
      assert.equal((await check(note, '--server', 'web1')).code, 64);
      assert.equal(asked.length, 1);
    });

    it('asks the real servers that the services reach by direct routing, where none is named', async () => {
      const path = configuration('192.0.2.10');
      const asked: (readonly string[])[] = [];
      const note: ProveSilent = (question) => {
        asked.push(question.realServers);
        return found([])(question);
      };
      const server = (last: number, forwarding: string) =>
        `{ address: 192.0.2.${last}, forwarding: ${forwarding} }`;
      const services = `services: [{ address: 192.0.2.10:80, servers: [${server(21, 'direct')}, ${server(22, 'masquerading')}] }]`;
      writeFileSync(path, readFileSync(path, 'utf8').replace('mode: off', `mode: own, ${services}`));
      assert.equal(
        (await run(['check', '--config', path, '--node', 'lvs1', '--runtime-dir', directory], note)).code,
        0,
      );
      assert.deepEqual(asked, [['192.0.2.21']]);
    });

    it('says which privilege is missing', async () => {
      const { code, err } = await check(() => Promise.resolve({ ok: false, reason: 'not-permitted' }));
      assert.equal(code, 77);
      assert.match(err, /raw frames need root/);
    });
  });
});

describe('vipair-realserver.sh', () => {
  it('refuses what is no address, before anything is done, and does not run it', () => {
    const hostile = [
      '',
      ' ',
      '*',
      '192.0.2.10/32',
      '192.0.2',
      '192.0.2.256',
      '192.0.2.010',
      '192.0.2.10 192.0.2.11',
      '192.0.2.10\n192.0.2.11',
      '192.0.2.10; reboot',
      '$(reboot)',
      '`reboot`',
      '-4',
      '0.0.0.0',
      '127.0.0.1',
      '224.0.0.18',
      '255.255.255.255',
      '::',
      '::1',
      ':1::',
      'fe80::1',
      'ff02::1',
      '2001:db8',
      '2001:db8::1::2',
      '2001:db8:::1',
      '2001:db8::12345',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4:5:6:7::8',
      '2001:db8::g',
      '2001:db8::10%eth0',
      '2001:db8::10/128',
    ];
    for (const address of hostile) {
      for (const command of ['print', 'apply', 'persist', 'verify']) {
        const { code, out, err } = sh(command, '--address', address);
        assert.deepEqual([code, out], [64, ''], `${command} ${JSON.stringify(address)}`);
        assert.match(err, /^vipair-realserver: .*Remedy: /s);
      }
    }
  });

  it('refuses what is no interface, method or place', () => {
    for (const option of [
      ['--interface', '../all'],
      ['--interface', 'all'],
      ['--interface', '..'],
      ['--interface', 'eth0;id'],
      ['--interface', 'a234567890123456'],
      ['--interface', ''],
      ['--method', 'iptables'],
      ['--root', 'relative'],
      ['--root', '/nonexistent'],
      ['--gateway', '10.99.0.1'],
      ['--tunnel', '--interface', 'lo'],
      ['--address'],
      ['--adress', '192.0.2.11'],
      ['extra'],
    ]) {
      const { code, out } = sh('print', '--address', '192.0.2.10', ...option);
      assert.deepEqual([code, out], [64, ''], option.join(' '));
    }
    assert.equal(sh('print', '--tunnel', '--address', '2001:db8::10').code, 64);
    assert.equal(sh('undo', '--address', '192.0.2.10').code, 64);
    assert.equal(sh('apply').code, 64);
    assert.equal(sh().code, 64);
    assert.equal(sh('start').code, 64);
  });

  it('takes every way to write an IPv6 address', () => {
    for (const address of [
      '2001:db8::10',
      '2001:DB8:0:0::10',
      '1:2:3:4:5:6:7:8',
      'fd00::',
      '1:2:3:4:5:6:7::',
    ]) {
      assert.equal(sh('print', '--address', address).code, 0, address);
    }
  });

  it('explains itself with its exit codes', () => {
    const { code, out } = sh('--help');
    assert.equal(code, 0);
    assert.match(out, /Exit codes:\n {2}0 .*\n {2}1 .*\n {2}64 .*\n {2}77 /);
  });

  it('says that it needs root', function () {
    const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups', 'sh', script];
    const { error, status, stderr } = spawnSync(
      'setpriv',
      [...asNobody, 'apply', '--address', '192.0.2.10'],
      {
        encoding: 'utf8',
      },
    );
    if (error !== undefined || process.getuid?.() !== 0) {
      console.log(
        '      skipped: setpriv and root are needed to run it as nobody. Remedy: run the tests as root',
      );
      this.skip();
    }
    assert.equal(status, 77, stderr);
    assert.match(stderr, /apply needs root\. Remedy: sudo sh/);
  });

  it('is clean to shellcheck, and read by dash', function () {
    this.timeout(10_000);
    const { error, status, stdout } = spawnSync('shellcheck', ['--shell=sh', script], { encoding: 'utf8' });
    if (error !== undefined) {
      console.log('      skipped: there is no shellcheck. Remedy: apt-get install shellcheck');
      this.skip();
    }
    assert.equal(status, 0, stdout);
  });
});
