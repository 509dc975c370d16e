import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  clientAddress,
  openLab,
  publicFloating,
  realServerAddress,
  type Lab,
  type Router,
} from '../lab/lab.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';
import { configurePair, mainFile, peerOf, startVipair, untilAgreed, vipair } from '../lab/vipair.ts';
import { repository } from '../repository.ts';
import { command, connect, ip, namespaceProblem, skipWithout, withNamespaces } from './namespace.ts';

const script = join(repository, 'deploy', 'real-server', 'vipair-realserver.sh');

const floating4 = '192.0.2.10';
const floating6 = '2001:db8::10';
const server4 = '192.0.2.11';
const server6 = '2001:db8::11';
const gateway = '192.0.2.1';

const methods = ['sysctl', 'arptables', 'nftables'] as const;

/** A director that has the floating addresses, a real server and a client, on one wire. */
interface Wire {
  readonly director: string;
  readonly server: string;
  readonly client: string;
  readonly serverMac: string;
  readonly directorMac: string;
  /** Where notes and files of the script are, and the configuration of the director. */
  readonly root: string;
}

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function withWire(use: (wire: Wire) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'vipair-realserver-'));
  try {
    await withNamespaces(4, async (bridge = '', director = '', server = '', client = '') => {
      ip(['-n', bridge, 'link', 'add', 'wire', 'type', 'bridge', 'mcast_snooping', '0']);
      ip(['-n', bridge, 'link', 'set', 'wire', 'up']);
      for (const [space, port, addresses] of [
        [director, 'p1', ['192.0.2.2/24', '2001:db8::2/64', `${floating4}/32`, `${floating6}/128`]],
        [server, 'p2', [`${server4}/24`, `${server6}/64`]],
        [client, 'p3', ['192.0.2.100/24', '2001:db8::100/64']],
      ] as const) {
        connect([bridge, port], [space, 'eth0']);
        ip(['-n', bridge, 'link', 'set', port, 'master', 'wire']);
        for (const address of addresses) {
          const quick = address.includes(':') ? ['nodad'] : [];
          ip(['-n', space, 'address', 'add', address, 'dev', 'eth0', ...quick]);
        }
      }
      writeFileSync(
        join(root, 'vipair.yaml'),
        `pair: edge
nodes: { lvs1: {}, lvs2: {} }
heartbeat: { key_file: /etc/vipair/k, links: [{ name: public, interface: eth0 }] }
floating:
  - { address: ${floating4}, interface: eth0 }
  - { address: "${floating6}", interface: eth0 }
lvs: { mode: off }
`,
      );
      const [serverMac, directorMac] = [macOf(server), macOf(director)];
      await use({ director, server, client, serverMac, directorMac, root });
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function macOf(space: string): string {
  return /link\/ether (\S+)/.exec(ip(['-n', space, 'link', 'show', 'eth0']))?.[1] ?? '';
}

function runIn(space: string, words: readonly string[]): Run {
  const { status, stdout, stderr } = spawnSync('ip', ['netns', 'exec', space, ...words], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { code: status, out: stdout, err: stderr };
}

/** The script on the real server. Namespaces share /run, so its notes go elsewhere. */
function sh({ server, root }: Wire, ...words: readonly string[]): Run {
  return runIn(server, ['sh', script, ...words, '--root', root]);
}

function succeed(run: Run): string {
  assert.equal(run.code, 0, run.err + run.out);
  return run.out;
}

interface Answers {
  readonly code: number | null;
  readonly ok: boolean;
  /** MACs that answer, of each address. */
  readonly of: Readonly<
    Record<string, readonly { readonly mac: string; readonly hosts: readonly string[] }[]>
  >;
  readonly unheardServers: readonly string[];
}

/** `vipair realserver check` on the director, meanwhile something else. */
async function check(wire: Wire, meanwhile: () => void = () => undefined): Promise<Answers> {
  const child = spawn(
    'ip',
    [
      ...['netns', 'exec', wire.director, process.execPath, mainFile, 'realserver', 'check', '--json'],
      ...['--config', join(wire.root, 'vipair.yaml'), '--node', 'lvs1', '--runtime-dir', wire.root],
      ...['--server', server4, '--server', server6],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  while (child.exitCode === null && child.signalCode === null) {
    meanwhile();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const said = JSON.parse(text) as {
    ok: boolean;
    addresses: { address: string; answers: { mac: string; hosts: string[] }[] }[];
    unheardServers: string[];
  };
  return {
    code: await code,
    ok: said.ok,
    of: Object.fromEntries(
      said.addresses.map(({ address, answers }) => [
        address,
        answers.map(({ mac, hosts }) => ({ mac, hosts: hosts.toSorted() })),
      ]),
    ),
    unheardServers: said.unheardServers,
  };
}

/** Everything that apply could have changed. */
function stateOf({ server }: Wire): unknown {
  const sysctl = (name: string) => runIn(server, ['cat', `/proc/sys/net/ipv4/conf/${name}`]).out.trim();
  return {
    addresses: ip(['-n', server, '-o', 'address', 'show']),
    sysctls: ['all/arp_ignore', 'all/arp_announce', 'eth0/arp_ignore', 'eth0/arp_announce'].map(sysctl),
    tables: runIn(server, ['nft', 'list', 'tables'])
      .out.split('\n')
      // Of arptables itself, which makes it when it is first used.
      .filter((line) => line !== 'table arp filter'),
    arptables: runIn(server, ['arptables', '-n', '-L']).out,
  };
}

/** As a director does that has chosen this real server: its MAC, with the floating address as destination. */
function directTo(wire: Wire): void {
  for (const address of [floating4, floating6]) {
    ip([
      ...['-n', wire.client, 'neighbor', 'replace', address],
      ...['lladdr', wire.serverMac, 'nud', 'permanent', 'dev', 'eth0'],
    ]);
  }
}

/** The client's ping of a floating address, which the real server answers after looking for the client. */
function pingThroughServer(wire: Wire, address: string): boolean {
  ip(['-n', wire.server, 'neighbor', 'flush', 'dev', 'eth0']);
  return runIn(wire.client, ['ping', '-n', '-c1', '-W2', address]).code === 0;
}

/** By a tool that is not ours: the MACs that answer the client for an address within a second. */
function arping(wire: Wire, address: string): readonly string[] {
  const { out } = runIn(wire.client, ['arping', '-b', '-w', '1', '-I', 'eth0', address]);
  const macs = Array.from(out.matchAll(/reply from \S+ \[([0-9A-F:]+)\]/g), ([, mac = '']) =>
    mac.toLowerCase(),
  );
  return [...new Set(macs)].toSorted();
}

function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted();
}

describe("the real server's side of direct routing", function () {
  this.timeout(30_000);
  before(function () {
    skipWithout(this, namespaceProblem() ?? whyNoNamespaces(['ip', 'ping', 'arping']));
  });

  it('without it answers, as whoever has the address on lo does; check names it, and verify says so', async () => {
    await withWire(async (wire) => {
      ip(['-n', wire.server, 'address', 'add', `${floating4}/32`, 'dev', 'lo']);
      assert.deepEqual(arping(wire, floating4), [wire.directorMac, wire.serverMac].toSorted());
      const found = await check(wire);
      assert.equal(found.code, 1);
      assert.deepEqual(found.of, {
        [floating4]: [{ mac: wire.serverMac, hosts: [server4, server6] }],
        [floating6]: [],
      });
      const { code, out } = sh(wire, 'verify', '--address', floating4);
      assert.equal(code, 1);
      assert.match(out, /^ok .*192\.0\.2\.10\/32 is on lo$/m);
      assert.match(out, /^WRONG eth0 answers ARP for 192\.0\.2\.10: arp_ignore is 0.*Remedy: apply/m);
    });
  });

  it('is not enough with arp_ignore alone: looking for a client it asks in the name of the address', async () => {
    await withWire(async (wire) => {
      ip(['-n', wire.server, 'address', 'add', `${floating4}/32`, 'dev', 'lo']);
      command('ip', ['netns', 'exec', wire.server, 'sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1']);
      directTo(wire);
      const found = await check(wire, () => pingThroughServer(wire, floating4));
      assert.deepEqual(
        found.of[floating4]?.map(({ mac }) => mac),
        [wire.serverMac],
      );
      assert.match(sh(wire, 'verify', '--address', floating4).out, /^WRONG eth0 may ask ARP in the name/m);
    });
  });

  for (const method of methods) {
    describe(`by ${method}`, () => {
      before(function () {
        const tool = { sysctl: undefined, arptables: 'arptables', nftables: 'nft' }[method];
        if (tool !== undefined && spawnSync(tool, ['--version']).error !== undefined) {
          skipWithout(
            this,
            `there is no ${tool}. Remedy: apt-get install ${tool === 'nft' ? 'nftables' : tool}`,
          );
        }
      });

      it('keeps it silent, while it serves by the address and answers for its own; undo leaves nothing', async () => {
        await withWire(async (wire) => {
          const untouched = stateOf(wire);
          const files = filesBelow(wire.root);
          const words = ['--address', floating4, '--address', floating6, '--method', method];
          succeed(sh(wire, 'apply', ...words));
          const applied = stateOf(wire);
          succeed(sh(wire, 'apply', ...words));
          assert.deepEqual(stateOf(wire), applied, 'a second time changes nothing');
          succeed(sh(wire, 'verify', ...words));

          directTo(wire);
          const pinged = new Set<string>();
          const found = await check(wire, () => {
            for (const address of [floating4, floating6]) {
              assert.ok(pingThroughServer(wire, address), address);
              pinged.add(address);
            }
          });
          assert.deepEqual(found, {
            code: 0,
            ok: true,
            of: { [floating4]: [], [floating6]: [] },
            unheardServers: [],
          });
          assert.equal(pinged.size, 2);
          assert.deepEqual(arping(wire, floating4), [wire.directorMac]);
          assert.deepEqual(arping(wire, server4), [wire.serverMac]);

          succeed(sh(wire, 'undo'));
          assert.deepEqual(stateOf(wire), untouched);
          assert.deepEqual(
            filesBelow(wire.root).filter((path) => path !== 'run'),
            files,
          );
        });
      });

      it('takes back what an apply without it does not name, and what another method made', async () => {
        await withWire((wire) => {
          const untouched = stateOf(wire);
          succeed(sh(wire, 'apply', '--method', method, '--address', floating4, '--address', '192.0.2.20'));
          succeed(sh(wire, 'apply', '--method', method, '--address', '192.0.2.20'));
          assert.doesNotMatch(ip(['-n', wire.server, 'address', 'show', 'lo']), /192\.0\.2\.10/);
          assert.equal(sh(wire, 'verify', '--address', floating4).code, 1);
          succeed(sh(wire, 'verify', '--address', '192.0.2.20'));
          for (const other of methods.filter((name) => name !== method)) {
            if (other === 'arptables' && spawnSync('arptables', ['--version']).error !== undefined) {
              continue;
            }
            succeed(sh(wire, 'apply', '--method', other, '--address', '192.0.2.20'));
            succeed(sh(wire, 'verify', '--address', '192.0.2.20'));
          }
          succeed(sh(wire, 'undo'));
          assert.deepEqual(stateOf(wire), untouched);
          return Promise.resolve();
        });
      });
    });
  }

  it('leaves what somebody changed since, and a setting that was there before', async () => {
    await withWire((wire) => {
      const set = (name: string, value: number) =>
        command('ip', ['netns', 'exec', wire.server, 'sysctl', '-qw', `net.ipv4.conf.all.${name}=${value}`]);
      set('arp_ignore', 2);
      succeed(sh(wire, 'apply', '--address', floating4));
      set('arp_announce', 1);
      assert.match(succeed(sh(wire, 'undo')), /left .*arp_announce at 1: somebody has changed it since/);
      const { sysctls } = stateOf(wire) as { sysctls: string[] };
      assert.deepEqual(sysctls.slice(0, 2), ['2', '1']);
      return Promise.resolve();
    });
  });

  it('refuses before it changes anything when the address is on an interface that speaks for it', async () => {
    await withWire(async (wire) => {
      for (const [address, length] of [
        [floating4, 24],
        [floating6, 64],
      ] as const) {
        const quick = length === 64 ? ['nodad'] : [];
        ip(['-n', wire.server, 'address', 'add', `${address}/${length}`, 'dev', 'eth0', ...quick]);
        const untouched = stateOf(wire);
        const { code, err } = sh(wire, 'apply', '--address', address);
        assert.equal(code, 1);
        assert.match(err, new RegExp(`${address}/${length} on eth0 already.*Remedy: ip address del`));
        assert.deepEqual(stateOf(wire), untouched);
        assert.equal(sh(wire, 'verify', '--address', address).code, 1);
      }
      const found = await check(wire);
      assert.equal(found.code, 1);
      assert.deepEqual(
        [floating4, floating6].map((address) => found.of[address]?.map(({ mac }) => mac)),
        [[wire.serverMac], [wire.serverMac]],
      );
    });
  });

  it('does not put the address there when an interface would answer in spite of the setting', async () => {
    await withWire((wire) => {
      // Of 4 to 7 the kernel takes no notice, and the larger of all and eth0 counts.
      command('ip', ['netns', 'exec', wire.server, 'sysctl', '-qw', 'net.ipv4.conf.eth0.arp_ignore=4']);
      const { code, err } = sh(wire, 'apply', '--address', floating4);
      assert.equal(code, 1);
      assert.match(err, /would answer ARP/);
      assert.doesNotMatch(ip(['-n', wire.server, 'address', 'show', 'lo']), /192\.0\.2\.10/);
      succeed(sh(wire, 'apply', '--address', floating4, '--method', 'nftables'));
      return Promise.resolve();
    });
  });

  it('holds from the next boot on, by systemd or ifupdown, with a line that does what apply does', async () => {
    for (const [mark, path] of [
      ['usr/lib/systemd/systemd', 'etc/systemd/system/vipair-realserver.service'],
      ['etc/network/interfaces', 'etc/network/if-pre-up.d/vipair-realserver'],
    ] as const) {
      await withWire((wire) => {
        const file = join(wire.root, mark);
        mkdirSync(join(file, '..'), { recursive: true });
        writeFileSync(file, '');
        const untouched = stateOf(wire);
        const words = ['--address', floating4, '--address', floating6, '--method', 'sysctl'];
        succeed(sh(wire, 'persist', ...words));
        const files = filesBelow(wire.root);
        succeed(sh(wire, 'persist', ...words));
        assert.deepEqual(filesBelow(wire.root), files, 'again leaves the same');
        assert.deepEqual(stateOf(wire), untouched, 'the running system is not touched');

        const written = readFileSync(join(wire.root, path), 'utf8');
        const line =
          /(?:^ExecStart=|^)(\/bin\/sh .*? apply .*?)(?: >\/dev\/null.*)?$/m.exec(written)?.[1] ?? '';
        const [shell = '', installed = '', ...rest] = line.split(' ');
        assert.equal(installed, '/usr/local/lib/vipair/realserver.sh', written);
        succeed(runIn(wire.server, [shell, join(wire.root, installed), ...rest, '--root', wire.root]));
        const verified = succeed(sh(wire, 'verify', ...words));
        assert.doesNotMatch(verified, /nothing of persist is here/);

        succeed(sh(wire, 'undo'));
        assert.deepEqual(stateOf(wire), untouched);
        assert.deepEqual(
          filesBelow(wire.root).filter((name) => /vipair-realserver|usr\/local\/lib\/vipair/.test(name)),
          [],
        );
        return Promise.resolve();
      });
    }
  });

  it("does not touch a unit of somebody else's", async () => {
    await withWire((wire) => {
      const unit = join(wire.root, 'etc/systemd/system/vipair-realserver.service');
      for (const path of [join(wire.root, 'usr/lib/systemd/systemd'), unit]) {
        mkdirSync(join(path, '..'), { recursive: true });
        writeFileSync(path, '[Unit]\n');
        chmodSync(path, 0o600);
      }
      assert.match(sh(wire, 'persist', '--address', floating4).err, /not written by this script.*Remedy:/);
      assert.equal(sh(wire, 'undo').code, 1);
      assert.equal(readFileSync(unit, 'utf8'), '[Unit]\n');
      return Promise.resolve();
    });
  });

  it('verifies for NAT that replies go by the director', async () => {
    await withWire((wire) => {
      const verify = () => sh(wire, 'verify', '--gateway', gateway);
      assert.match(verify().out, /^WRONG there is no default route/m);
      ip(['-n', wire.server, 'route', 'add', 'default', 'via', '192.0.2.254', 'metric', '100']);
      assert.equal(verify().code, 1);
      ip(['-n', wire.server, 'route', 'add', 'default', 'via', gateway, 'metric', '50']);
      succeed(verify());
      assert.equal(sh(wire, 'verify', '--gateway', '2001:db8::1').code, 1);
      ip(['-n', wire.server, 'route', 'add', 'default', 'via', '2001:db8::1']);
      succeed(sh(wire, 'verify', '--gateway', '2001:db8::1'));
      return Promise.resolve();
    });
  });

  it('prepares tunl0 for tunnelling, or says what the kernel lacks', async () => {
    await withWire((wire) => {
      const words = ['--tunnel', '--address', floating4];
      if (runIn(wire.server, ['ip', 'link', 'show', 'tunl0']).code !== 0) {
        const { code, err } = sh(wire, 'apply', ...words);
        assert.equal(code, 1);
        assert.match(err, /no IP in IP.*Remedy: load its module ipip/);
        // It unpacks nothing, but is named so, takes addresses and speaks no ARP either.
        ip(['-n', wire.server, 'link', 'add', 'tunl0', 'type', 'bridge']);
        ip(['-n', wire.server, 'link', 'set', 'tunl0', 'arp', 'off']);
        succeed(sh(wire, 'undo'));
      }
      const untouched = stateOf(wire);
      assert.equal(sh(wire, 'verify', ...words).code, 1);
      succeed(sh(wire, 'apply', ...words));
      succeed(sh(wire, 'verify', ...words));
      const { code, out } = runIn(wire.server, ['cat', '/proc/sys/net/ipv4/conf/tunl0/rp_filter']);
      assert.deepEqual([code, out.trim()], [0, '2']);
      succeed(sh(wire, 'undo'));
      assert.deepEqual(stateOf(wire), untouched);
      return Promise.resolve();
    });
  });

  it('runs by vipair as by itself', async () => {
    await withWire((wire) => {
      const cli = (action: string, ...words: readonly string[]) =>
        runIn(wire.server, [process.execPath, mainFile, 'realserver', action, ...words, '--root', wire.root]);
      const untouched = stateOf(wire);
      succeed(cli('apply', '--address', floating4));
      succeed(sh(wire, 'verify', '--address', floating4));
      succeed(cli('verify', '--address', floating4));
      succeed(cli('undo'));
      assert.equal(cli('verify', '--address', floating4).code, 1);
      assert.deepEqual(stateOf(wire), untouched);
      return Promise.resolve();
    });
  });
});

describe('vipair realserver check beside a running pair', function () {
  this.timeout(40_000);
  let lab: Lab;
  before(function () {
    skipWithout(this, whyNoNamespaces());
    lab = openLab();
    configurePair(lab);
    startVipair(lab, 'lvs1');
    startVipair(lab, 'lvs2');
  });
  after(() => {
    (lab as Lab | undefined)?.remove();
  });

  it('knows the peer, and tells it from a host that has the address, too', async () => {
    const statuses = await untilAgreed(lab, 15_000);
    const active: Router = statuses.lvs1.role === 'active' ? 'lvs1' : 'lvs2';
    const onBackup = await vipair(lab, peerOf(active), ['realserver', 'check']);
    assert.deepEqual([onBackup.code, onBackup.stderr], [0, ''], onBackup.stdout);
    assert.match(onBackup.stdout, /^192\.0\.2\.10 on eth0: the peer has it, and nobody else answers$/m);
    assert.match(onBackup.stdout, /^10\.99\.0\.1 on eth1: the peer has it, and nobody else answers$/m);

    ip(['-n', lab.hosts.client, 'address', 'add', `${publicFloating}/32`, 'dev', 'lo']);
    const servers = ['--server', clientAddress, '--server', realServerAddress];
    for (const router of [active, peerOf(active)]) {
      const found = await vipair(lab, router, ['realserver', 'check', ...servers]);
      assert.equal(found.code, 1);
      const mac = macOf(lab.hosts.client);
      assert.match(
        found.stdout,
        new RegExp(
          `^192\\.0\\.2\\.10 on eth0: 192\\.0\\.2\\.100 \\(${mac}\\) answers for it, and is not of the pair`,
          'm',
        ),
      );
      assert.equal(found.stdout.match(/Remedy/g)?.length, 1, found.stdout);
    }
  });
});
