import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkCommand } from '../../src/cli/check.ts';
import { type HostView, type TryGate, viewHost } from '../../src/cli/host.ts';
import { type CheckOptions } from '../../src/cli/run-options.ts';
import { fail, ok } from '../../src/core/result.ts';
import { rightText } from '../config/text.ts';
import { createTerminal } from './terminal.ts';

const fitting: HostView = {
  hostName: 'lvs1.example.net',
  interfaceNames: ['lo', 'eth0', 'eth1', 'eth2'],
  addresses: [
    { interfaceName: 'eth0', address: '192.0.2.2' },
    { interfaceName: 'eth1', address: '10.99.0.2' },
    { interfaceName: 'eth2', address: '10.98.0.2' },
    { interfaceName: 'eth0', address: '192.0.2.10' },
  ],
  readText: () => Promise.resolve(undefined),
  isExecutable: () => Promise.resolve(true),
  hasProgram: () => Promise.resolve(true),
};
const gateIsGood: TryGate = () => Promise.resolve(ok('egress'));

describe('vipair check', () => {
  let directory = '';
  let file = '';
  let keyFile = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vipair-check-'));
    file = join(directory, 'vipair.yaml');
    keyFile = join(directory, 'heartbeat.key');
    await writeFile(keyFile, `1 ${'ab'.repeat(32)}\n`, { mode: 0o600 });
    await writeFile(file, rightText.replace('/etc/vipair/heartbeat.key', keyFile));
  });
  after(() => rm(directory, { recursive: true }));

  async function check(
    options: Partial<CheckOptions> = {},
    host: HostView = fitting,
    tryGate: TryGate = gateIsGood,
  ) {
    const io = createTerminal();
    const common = {
      config: file,
      runtimeDir: '/run/vipair',
      stateDir: '/var/lib/vipair',
      json: false,
      schema: false,
    };
    const code = await checkCommand({ ...common, ...options }, io, tryGate, () => Promise.resolve(host));
    return { code, ...io.written };
  }

  it('says what it understood, with the arithmetic of the times', async () => {
    const { code, out, err } = await check();
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /edge: lvs1 \(priority 150\) and lvs2 \(priority 100\); this is lvs1/);
    assert.match(out, /300 >= 200 \+ 50 \+ 30 = 280 ms/);
    assert.match(out, /private +eth1 +239\.192\.112\.2 port 3694/);
    assert.match(out, /192\.0\.2\.10\/32 +eth0 +label eth0:1/);
  });

  it('prints every problem of the file with its line, and 78', async () => {
    const wrong = join(directory, 'wrong.yaml');
    await writeFile(
      wrong,
      rightText.replace('priority: 150', 'priority: 0').replace('failback: manual', 'failback: auto'),
    );
    const { code, out, err } = await check({ config: wrong });
    assert.deepEqual([code, out], [78, '']);
    assert.match(
      err,
      /^wrong\.yaml:3:21: .*\nwrong\.yaml:17:11: .*\nvipair: .*wrong\.yaml has 2 problems\n$/,
    );
  });

  it('says that the file does not exist, with the remedy, and 78', async () => {
    const { code, err } = await check({ config: join(directory, 'absent.yaml') });
    assert.equal(code, 78);
    assert.match(err, /^vipair: cannot read the configuration .*absent\.yaml: it does not exist\. Remedy: /);
  });

  it('finds interfaces that this host does not have', async () => {
    const { code, err } = await check({}, { ...fitting, interfaceNames: ['lo', 'eth0', 'ens3'] });
    assert.equal(code, 78);
    assert.match(err, /no interface eth1 for link private, floating address 10\.99\.0\.1; it has eth0, ens3/);
    assert.match(err, /no interface eth2 for link direct/);
  });

  it('finds that there is no interface to tell connections by', async () => {
    const synced = join(directory, 'synced.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(synced, text.replace('mode: adopt', 'sync: { interface: eth9, id: 1 }'));
    const { code, err } = await check({ config: synced });
    assert.equal(code, 78);
    assert.match(err, /no interface eth9 for connection sync/);
  });

  it('finds a floating address on another interface than its own', async () => {
    const { code, err } = await check(
      {},
      { ...fitting, addresses: [{ interfaceName: 'eth1', address: '192.0.2.10' }] },
    );
    assert.equal(code, 78);
    assert.match(
      err,
      /192\.0\.2\.10 is on eth1 of this host\. Remedy: ip address del 192\.0\.2\.10 dev eth1/,
    );
  });

  it('finds a key file that others may read', async () => {
    await chmod(keyFile, 0o644);
    const { code, err } = await check();
    await chmod(keyFile, 0o600);
    assert.equal(code, 78);
    assert.ok(
      err.includes(
        `vipair: cannot read the key file ${keyFile}: it is readable by everyone (mode 0644). Remedy: chmod 0600 ${keyFile}\n`,
      ),
      err,
    );
  });

  it('finds a runtime directory that is too long for a socket', async () => {
    const { code, err } = await check({ runtimeDir: `/${'d'.repeat(100)}` });
    assert.equal(code, 78);
    assert.match(err, /longer name than the 107 bytes/);
  });

  it('warns of addresses that are not there yet, and passes', async () => {
    const { code, err } = await check({}, { ...fitting, addresses: [] });
    assert.equal(code, 0);
    assert.match(err, /warning: link public: eth0 has no IPv4 address of its own yet/);
    assert.match(err, /warning: link direct: eth2 does not have the address 10\.98\.0\.2 yet/);
  });

  it('does not take a floating address for the own one', async () => {
    const { err } = await check({}, { ...fitting, addresses: fitting.addresses.slice(1) });
    assert.match(err, /link public: eth0 has no IPv4 address of its own yet/);
  });

  it('checks only the file on a host that is no node, says so, and insists when it was told to look', async () => {
    const stranger = { ...fitting, hostName: 'laptop', interfaceNames: ['lo'] };
    const only = await check({}, stranger);
    assert.equal(only.code, 0);
    assert.match(only.err, /^warning: only the file was checked: this host is called laptop/);
    assert.equal((await check({ here: true }, stranger)).code, 78);
    assert.equal((await check({ here: false }, stranger)).err, '');
    assert.equal((await check({ node: 'lvs9' }, stranger)).code, 78);
    assert.match((await check({ node: 'lvs2' }, stranger)).err, /no interface eth0/);
  });

  it('shows which single failures move the addresses, within what time and why', async () => {
    const { out } = await check();
    const rows = out.split('\n\n')[1]?.split('\n') ?? [];
    assert.match(rows[0] ?? '', /^if the active has this +moves\? +within +why$/);
    for (const row of [
      /^host dies +yes +\d+ ms +silent, and nobody answers for the addresses$/,
      /^daemon frozen +yes +2\d\d ms /,
      /^eth1 without carrier +yes /,
      /^eth1 silent, with carrier +no +nobody notices: no path that counts leads over it$/,
      /^link direct cut +no +heartbeats take the other links$/,
      /^path upstream lost +yes +\d+ ms +it hands over to the other, which has lost nothing$/,
    ]) {
      assert.ok(
        rows.some((line) => row.test(line)),
        `${row.source}\n${out}`,
      );
    }
    const given = JSON.parse((await check({ json: true })).out) as { failures: { failure: string }[] };
    assert.equal(given.failures.filter(({ failure }) => failure === 'host dies').length, 2);
  });

  it('warns of a track that can never move the addresses', async () => {
    const text = (await readFile(file, 'utf8')).replace(
      'failback: manual',
      'scripts:\n  - { name: disk, command: [/bin/true], score: 20 }\n  - { name: load, command: [/bin/true], required: false }\n',
    );
    const scripted = join(directory, 'scripted.yaml');
    await writeFile(scripted, text);
    const { code, out, err } = await check({ config: scripted });
    assert.equal(code, 0);
    assert.equal(
      err,
      'warning: script disk fails never moves the addresses away from lvs1: lvs1 keeps 150 - 20 = 130, which is not below the 100 of lvs2; a score of 51 is enough\n',
    );
    assert.match(out, /scripts +disk +\/bin\/true +every 2s, 1s at most, rise 2, fall 2 +score 20\n/);
    assert.match(out, /script disk fails \(lvs2\) +yes +5\.\d s/);
    assert.match(out, /script load fails +no +it is only watched/);
  });

  it('warns of scripts that cannot run and of a ping that is not there', async () => {
    const text = (await readFile(file, 'utf8'))
      .replace('required: true', 'probe: icmp')
      .replace('failback: manual', 'scripts:\n  - { name: disk, command: [/opt/check] }\n');
    const scripted = join(directory, 'unfit.yaml');
    await writeFile(scripted, text);
    const unfit = {
      ...fitting,
      isExecutable: () => Promise.resolve(false),
      hasProgram: () => Promise.resolve(false),
    };
    const { err } = await check({ config: scripted }, unfit);
    assert.match(err, /warning: script disk: \/opt\/check does not exist or may not be executed/);
    assert.match(err, /warning: paths by icmp need the program ping\. Remedy: apt-get install iputils-ping/);
  });

  it('warns of a gate that this kernel does not take, and of one that could not be tried', async () => {
    const refused = await check({}, fitting, () =>
      Promise.resolve(fail('no-egress-hook', 'interface lo: not supported')),
    );
    assert.equal(refused.code, 0);
    assert.match(refused.err, /gate: nftables is not to be had here \(no-egress-hook: interface lo/);
    const untried = await check({}, fitting, () => Promise.resolve(fail('cannot-try', 'not permitted')));
    assert.match(untried.err, /could not be tried: not permitted\. Remedy: run this as root/);
    const weak = await check({}, fitting, () => Promise.resolve(fail('weak', 'this kernel has no fib')));
    assert.match(weak.err, /warning: gate: this kernel has no fib\n/);
  });

  it('says where the gate stops what goes out, as this kernel can', async () => {
    assert.match((await check()).out, /gate +nftables, at the egress hooks; addresses live/);
    const older: TryGate = () => Promise.resolve(ok('output'));
    assert.match(
      (await check({}, fitting, older)).out,
      /gate +nftables, at the output hooks; addresses live/,
    );
    const { out } = await check({ json: true }, fitting, older);
    assert.equal((JSON.parse(out) as { hooks: string }).hooks, 'output');
    const unseen = await check({ here: false, json: true });
    assert.equal((JSON.parse(unseen.out) as { hooks: null }).hooks, null);
  });

  it('does not try the gate where none is wanted, nor on a host that is no node', async () => {
    const never: TryGate = () => Promise.reject(new Error('tried'));
    const off = join(directory, 'off.yaml');
    await writeFile(off, `${await readFile(file, 'utf8')}gate: off\n`);
    assert.equal((await check({ config: off }, fitting, never)).code, 0);
    assert.equal((await check({ here: false }, fitting, never)).code, 0);
  });

  it('warns of a director that is a real server, too', async () => {
    const both = {
      ...fitting,
      addresses: [...fitting.addresses, { interfaceName: 'lo', address: '192.0.2.10' }],
    };
    const { code, err } = await check({}, both);
    assert.equal(code, 0);
    assert.match(err, /192\.0\.2\.10 is on lo: this director is a real server, too, .*Remedy: gate: address/);
  });

  it('warns of the fast profile without real-time permission', async () => {
    const fast = join(directory, 'fast.yaml');
    await writeFile(fast, (await readFile(file, 'utf8')).replace('balanced', 'fast'));
    const warned = async (files: Readonly<Record<string, string>>) => {
      const { err } = await check(
        { config: fast },
        { ...fitting, readText: (path) => Promise.resolve(files[path]) },
      );
      return err.includes('profile fast needs real-time scheduling');
    };
    const status = '/proc/self/status';
    const limits = '/proc/self/limits';
    assert.equal(await warned({}), true);
    assert.equal(await warned({ [status]: 'CapEff:\t0000000000003000\n' }), true);
    assert.equal(await warned({ [status]: 'CapEff:\t0000000000800000\n' }), false);
    assert.equal(await warned({ [limits]: 'Max realtime priority     50                   50\n' }), false);
    assert.equal(await warned({ [limits]: 'Max realtime priority     0                    0\n' }), true);
  });

  it('warns of a wide floating prefix where secondaries are not promoted', async () => {
    const wide = join(directory, 'wide.yaml');
    await writeFile(wide, (await readFile(file, 'utf8')).replace('192.0.2.10,', '192.0.2.10/24,'));
    const conf = (name: string) => `/proc/sys/net/ipv4/conf/${name}/promote_secondaries`;
    const warnings = async (files: Readonly<Record<string, string>>) =>
      (await check({ config: wide }, { ...fitting, readText: (path) => Promise.resolve(files[path]) })).err;
    assert.match(
      await warnings({ [conf('all')]: '0\n', [conf('eth0')]: '0\n' }),
      /192\.0\.2\.10\/24 is wider than a host, and eth0 does not promote secondaries/,
    );
    assert.equal(await warnings({ [conf('all')]: '0\n', [conf('eth0')]: '1\n' }), '');
    assert.equal(await warnings({ [conf('all')]: '1\n' }), '');
  });

  it('prints data with --json, right or wrong', async () => {
    const right: unknown = JSON.parse((await check({ json: true })).out);
    assert.ok(typeof right === 'object' && right !== null && 'ok' in right && 'node' in right);
    assert.deepEqual([right.ok, right.node], [true, 'lvs1']);
    const wrong = await check({ json: true, config: join(directory, 'absent.yaml') });
    assert.equal(wrong.code, 78);
    assert.match(wrong.out, /"ok": false/);
    assert.equal(wrong.err, '');
  });

  it('prints the JSON Schema of the file with --schema', async () => {
    const { code, out } = await check({ schema: true, config: '/nonexistent' });
    assert.equal(code, 0);
    const schema: unknown = JSON.parse(out);
    assert.ok(typeof schema === 'object' && schema !== null && 'properties' in schema);
    assert.match(out, /"description": "How the two directors hear each other\."/);
  });

  it('sees the interfaces of this host, also those without an address', async () => {
    const { interfaceNames, hostName } = await viewHost();
    assert.ok(interfaceNames.includes('lo'), interfaceNames.join(' '));
    assert.notEqual(hostName, '');
  });

  it('sees what programs and settings this host has', async () => {
    const host = await viewHost();
    assert.deepEqual([await host.hasProgram('sh'), await host.hasProgram('no-such-program')], [true, false]);
    assert.deepEqual(
      [await host.isExecutable('/bin/sh'), await host.isExecutable('/etc/passwd')],
      [true, false],
    );
    assert.match((await host.readText('/proc/self/status')) ?? '', /^CapEff:/m);
    assert.equal(await host.readText('/proc/absent'), undefined);
  });
});
