import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkCommand } from '../../src/cli/check.ts';
import { type HostView, viewHost } from '../../src/cli/host.ts';
import { type CheckOptions } from '../../src/cli/run-options.ts';
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
};

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

  async function check(options: Partial<CheckOptions> = {}, host: HostView = fitting) {
    const io = createTerminal();
    const common = {
      config: file,
      runtimeDir: '/run/vipair',
      stateDir: '/var/lib/vipair',
      json: false,
      schema: false,
    };
    const code = await checkCommand({ ...common, ...options }, io, () => Promise.resolve(host));
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
});
