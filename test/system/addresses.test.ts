import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type FloatingAddress } from '../../src/adapters/addresses.ts';
import {
  connect,
  eventually,
  ip,
  namespaceProblem,
  skipWithout,
  startWorker,
  withNamespaces,
  type Worker,
} from './namespace.ts';

interface ShownAddress {
  readonly local: string;
  readonly prefixlen: number;
  readonly label?: string;
  readonly noprefixroute?: boolean;
  readonly nodad?: boolean;
  readonly valid_life_time: number;
  readonly preferred_life_time: number;
}

const floating: readonly FloatingAddress[] = [
  { address: '192.0.2.10', prefixLength: 32, interfaceName: 'eth0', label: 'eth0:1' },
  { address: '2001:db8::10', prefixLength: 128, interfaceName: 'eth0', label: undefined },
  { address: '10.99.0.1', prefixLength: 24, interfaceName: 'eth1', label: undefined },
];
const all = [true, true, true];
const none = [false, false, false];

function shown(space: string, interfaceName: string): readonly ShownAddress[] {
  const [link] = JSON.parse(ip(['-n', space, '-j', 'address', 'show', 'dev', interfaceName])) as {
    addr_info: ShownAddress[];
  }[];
  return (link?.addr_info ?? []).filter(({ local }) => !local.startsWith('fe80'));
}

/** A router with eth0 and eth1, connected to a neighbour, and the adapters running in it. */
async function withRouter(
  environment: Readonly<Record<string, string>>,
  use: (worker: Worker, space: string) => Promise<void>,
): Promise<void> {
  await withNamespaces(2, async (router = '', neighbour = '') => {
    connect([router, 'eth0'], [neighbour, 'eth0']);
    connect([router, 'eth1'], [neighbour, 'eth1']);
    await using worker = startWorker(router, environment);
    await use(worker, router);
  });
}

for (const path of ['syscalls', 'commands'] as const) {
  const environment = { VIPAIR_KERNEL: path };
  const ready = { ok: true, path };

  describe(`floating addresses by ${path}`, function () {
    this.timeout(20_000);
    before(function () {
      skipWithout(this, namespaceProblem());
    });

    it('are claimed together, with label and lifetime, and released together', async () => {
      await withRouter(environment, async (worker, space) => {
        assert.deepEqual(await worker.call('open', floating, 60), ready);
        assert.deepEqual(await worker.call('held'), none);
        assert.deepEqual(await worker.call('claim'), { ok: true });
        assert.deepEqual(await worker.call('held'), all);

        const [ipv4, ipv6] = shown(space, 'eth0');
        assert.equal(ipv4?.local, '192.0.2.10');
        assert.equal(ipv4.prefixlen, 32);
        assert.equal(ipv4.label, 'eth0:1');
        assert.equal(ipv4.preferred_life_time, 0);
        assert.ok(ipv4.valid_life_time > 55 && ipv4.valid_life_time <= 60);
        assert.equal(ipv6?.local, '2001:db8::10');
        assert.equal(ipv6.prefixlen, 128);
        assert.equal(ipv6.nodad, true);
        assert.equal(ipv6.preferred_life_time, 0);
        assert.ok(ipv6.valid_life_time > 55 && ipv6.valid_life_time <= 60);
        const [wide] = shown(space, 'eth1');
        assert.equal(wide?.local, '10.99.0.1');
        assert.equal(wide.prefixlen, 24);

        assert.deepEqual(await worker.call('release'), { ok: true });
        assert.deepEqual(await worker.call('held'), none);
        assert.deepEqual([...shown(space, 'eth0'), ...shown(space, 'eth1')], []);
        assert.deepEqual(await worker.call('release'), { ok: true });
      });
    });

    it('are all taken back when the interface of one is missing, which is named', async () => {
      await withRouter(environment, async (worker, space) => {
        await worker.call('open', floating, 60);
        ip(['-n', space, 'link', 'del', 'eth1']);
        const refused = (await worker.call('claim')) as { reason: string; detail: string };
        assert.equal(refused.reason, 'interface-missing');
        assert.match(refused.detail, /^cannot add 10\.99\.0\.1\/24 to eth1: /);
        assert.deepEqual(shown(space, 'eth0'), []);
        assert.deepEqual(await worker.call('held'), none);
        assert.deepEqual(await worker.call('release'), { ok: true });
      });
    });

    it('are all taken back when the kernel refuses one', async () => {
      await withRouter(environment, async (worker, space) => {
        await worker.call('open', floating, 60);
        ip(['netns', 'exec', space, 'sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=1']);
        const refused = (await worker.call('claim')) as { reason: string; detail: string };
        assert.equal(refused.reason, 'refused');
        assert.match(refused.detail, /2001:db8::10\/128 to eth0: /);
        assert.deepEqual([...shown(space, 'eth0'), ...shown(space, 'eth1')], []);
      });
    });

    it('are taken over from an earlier life', async () => {
      await withRouter(environment, async (worker, space) => {
        ip([
          '-n',
          space,
          'address',
          'add',
          '192.0.2.10/32',
          'dev',
          'eth0',
          'valid_lft',
          '9',
          'preferred_lft',
          '9',
        ]);
        await worker.call('open', floating, 60);
        assert.deepEqual(await worker.call('held'), [true, false, false]);
        assert.deepEqual(await worker.call('claim'), { ok: true });
        assert.ok((shown(space, 'eth0')[0]?.valid_life_time ?? 0) > 55);
        assert.deepEqual(await worker.call('lost'), []);
      });
    });

    it('live longer by a renewal, but none is made by one that comes without a claim', async () => {
      await withRouter(environment, async (worker, space) => {
        await worker.call('open', floating, 60);
        assert.deepEqual(await worker.call('renew'), { ok: true });
        assert.deepEqual(await worker.call('held'), none);
        await worker.call('claim');
        ip([
          '-n',
          space,
          'address',
          'change',
          '192.0.2.10/32',
          'dev',
          'eth0',
          'valid_lft',
          '9',
          'preferred_lft',
          '0',
        ]);
        assert.ok((shown(space, 'eth0')[0]?.valid_life_time ?? 99) <= 9);
        assert.deepEqual(await worker.call('renew'), { ok: true });
        assert.ok((shown(space, 'eth0')[0]?.valid_life_time ?? 0) > 55);
        assert.deepEqual(await worker.call('lost'), []);
      });
    });

    it('are reported once when somebody else removes them, and never for an own release', async () => {
      await withRouter(environment, async (worker, space) => {
        await worker.call('open', floating, 60);
        await worker.call('claim');
        assert.deepEqual(await worker.call('lost'), []);
        ip(['-n', space, 'address', 'del', '192.0.2.10/32', 'dev', 'eth0']);
        const lost: unknown[] = [];
        await eventually('the loss is reported', async () => {
          lost.push(...((await worker.call('lost')) as string[]));
          return lost.length > 0;
        });
        assert.deepEqual(lost, ['192.0.2.10']);
        assert.deepEqual(await worker.call('held'), [false, true, true]);
        assert.deepEqual(await worker.call('lost'), []);

        assert.deepEqual(await worker.call('claim'), { ok: true });
        assert.deepEqual(await worker.call('held'), all);
        await worker.call('release');
        await worker.call('claim');
        assert.deepEqual(await worker.call('lost'), []);
        await worker.call('release');
        assert.deepEqual(await worker.call('lost'), []);
      });
    });

    it('are reported when their interface is deleted, and claimed again when it is back', async () => {
      await withRouter(environment, async (worker, space) => {
        await worker.call('open', floating, 60);
        await worker.call('claim');
        ip(['-n', space, 'link', 'del', 'eth1']);
        ip(['-n', space, 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'eth9']);
        const lost: unknown[] = [];
        await eventually('the loss is reported', async () => {
          lost.push(...((await worker.call('lost')) as string[]));
          return lost.length > 0;
        });
        assert.deepEqual(lost, ['10.99.0.1']);
        assert.deepEqual(await worker.call('claim'), { ok: true });
        assert.deepEqual(await worker.call('held'), all);
      });
    });

    it('are reported when their lifetime ends', async () => {
      await withRouter(environment, async (worker) => {
        await worker.call('open', floating, 1);
        await worker.call('claim');
        const lost = new Set<unknown>();
        await eventually('all are lost', async () => {
          for (const address of (await worker.call('lost')) as string[]) {
            lost.add(address);
          }
          return lost.size === floating.length;
        });
        assert.deepEqual(await worker.call('held'), none);
      });
    });
  });
}

describe('floating addresses by syscalls, further', function () {
  this.timeout(20_000);
  before(function () {
    skipWithout(this, namespaceProblem());
  });

  it('are reported although a renewal made them again meanwhile', async () => {
    await withRouter({}, async (worker, space) => {
      await worker.call('open', floating, 60);
      await worker.call('claim');
      ip(['-n', space, 'address', 'del', '2001:db8::10/128', 'dev', 'eth0']);
      await worker.call('renew');
      assert.deepEqual(await worker.call('held'), all);
      assert.deepEqual(await worker.call('lost'), ['2001:db8::10']);
    });
  });

  it('are untouched by a rehearsal', async () => {
    await withRouter({}, async (worker, space) => {
      await worker.call('open', floating, 60);
      await worker.call('rehearse');
      assert.deepEqual(await worker.call('held'), none);
      assert.deepEqual([...shown(space, 'eth0'), ...shown(space, 'eth1')], []);
      await worker.call('claim');
      await worker.call('rehearse');
      assert.deepEqual(await worker.call('held'), all);
      assert.deepEqual(await worker.call('lost'), []);
    });
  });

  it('are refused in words without the permission', async () => {
    await withNamespaces(1, async (space = '') => {
      ip(['-n', space, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth9']);
      const drop = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'];
      await using worker = startWorker(space, {}, drop);
      await worker.call('open', floating.slice(0, 1), 60);
      assert.deepEqual(await worker.call('claim'), {
        ok: false,
        reason: 'not-permitted',
        detail: 'cannot add 192.0.2.10/32 to eth0: EPERM: operation not permitted',
      });
    });
  });

  it('lose nothing among more notifications than the socket holds', async () => {
    await withRouter({}, async (worker, space) => {
      await worker.call('open', floating, 60);
      await worker.call('claim');
      const flood = Array.from({ length: 4000 }, (_, index) => [
        `address add 10.1.${index >> 8}.${index & 255}/32 dev eth1`,
        `address del 10.1.${index >> 8}.${index & 255}/32 dev eth1`,
      ]).flat();
      const removal = 'address del 192.0.2.10/32 dev eth0';
      const run = spawnSync('ip', ['-n', space, '-batch', '-'], {
        input: [...flood, removal, ''].join('\n'),
      });
      assert.equal(run.status, 0);
      const lost = new Set<unknown>();
      await eventually('the loss is reported', async () => {
        for (const address of (await worker.call('lost')) as string[]) {
          lost.add(address);
        }
        return lost.size > 0;
      });
      assert.deepEqual([...lost], ['192.0.2.10']);
    });
  });
});
