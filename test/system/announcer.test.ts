import assert from 'node:assert/strict';
import { type FloatingAddress } from '../../src/adapters/addresses.ts';
import {
  command,
  connect,
  eventually,
  ip,
  namespaceProblem,
  skipWithout,
  startWorker,
  withNamespaces,
  type Worker,
} from './namespace.ts';

const floating: readonly FloatingAddress[] = [
  { address: '192.0.2.10', prefixLength: 32, interfaceName: 'eth0', label: 'eth0:1' },
  { address: '2001:db8::10', prefixLength: 128, interfaceName: 'eth0', label: undefined },
  { address: '10.99.0.1', prefixLength: 32, interfaceName: 'eth1', label: undefined },
];
const [publicMac, privateMac, oldMac] = [
  '02:00:00:00:00:01',
  '02:00:00:00:00:02',
  '02:00:00:00:00:99',
] as const;

interface Scene {
  readonly router: Worker;
  readonly routerSpace: string;
  readonly neighbour: Worker;
  readonly neighbourSpace: string;
}

/** A router that holds the floating addresses, and a neighbour on both sides that listens. */
async function withScene(
  environment: Readonly<Record<string, string>>,
  use: (scene: Scene) => Promise<void>,
): Promise<void> {
  await withNamespaces(2, async (routerSpace = '', neighbourSpace = '') => {
    connect([routerSpace, 'eth0'], [neighbourSpace, 'eth0']);
    connect([routerSpace, 'eth1'], [neighbourSpace, 'eth1']);
    ip(['-n', routerSpace, 'link', 'set', 'eth0', 'address', publicMac]);
    ip(['-n', routerSpace, 'link', 'set', 'eth1', 'address', privateMac]);
    // Until its link is settled a host has joined no group, and hears no advertisement to all nodes.
    await eventually('the neighbour speaks IPv6', () =>
      ['eth0', 'eth1'].every((name) =>
        ip([
          '-n',
          neighbourSpace,
          '-6',
          'address',
          'show',
          'dev',
          name,
          'scope',
          'link',
          '-tentative',
        ]).includes('fe80'),
      ),
    );
    await using router = startWorker(routerSpace, environment);
    await using neighbour = startWorker(neighbourSpace);
    await router.call('open', floating, 60);
    await router.call('claim');
    await neighbour.call('listen');
    await use({ router, routerSpace, neighbour, neighbourSpace });
  });
}

/** What the neighbour hears of floating addresses; its own kernel chatters besides. */
async function heard(neighbour: Worker, count: number): Promise<readonly string[]> {
  return (await neighbour.call('frames', count, 1000)) as string[];
}

const garp = (kind: 'request' | 'reply', address: string, mac: string): string =>
  `arp ${kind} ${address} is-at ${mac} to ${address} ${kind === 'reply' ? mac : '00:00:00:00:00:00'}`;

function neighbourEntry(space: string, address: string, interfaceName: string): string | undefined {
  const [entry] = JSON.parse(ip(['-n', space, '-j', 'neigh', 'show', address, 'dev', interfaceName])) as {
    lladdr?: string;
  }[];
  return entry?.lladdr;
}

describe('announcements', function () {
  this.timeout(20_000);
  before(function () {
    skipWithout(this, namespaceProblem());
  });

  it('go out in both styles, the first of every interface before any second', async () => {
    await withScene({}, async ({ router, neighbour }) => {
      assert.deepEqual(await router.call('announce'), { sent: 5, failures: [] });
      assert.deepEqual(await heard(neighbour, 5), [
        garp('request', '192.0.2.10', publicMac),
        `na 2001:db8::10 is-at ${publicMac} override`,
        garp('request', '10.99.0.1', privateMac),
        garp('reply', '192.0.2.10', publicMac),
        garp('reply', '10.99.0.1', privateMac),
      ]);
    });
  });

  it('move the entries of neighbours that had the other router', async () => {
    await withScene({}, async ({ router, neighbour, neighbourSpace }) => {
      const entries = floating.map(({ address, interfaceName }) => [address, interfaceName] as const);
      for (const [address, interfaceName] of entries) {
        const entry = [address, 'lladdr', oldMac, 'dev', interfaceName, 'nud', 'reachable'];
        ip(['-n', neighbourSpace, 'neigh', 'replace', ...entry]);
        assert.equal(neighbourEntry(neighbourSpace, address, interfaceName), oldMac);
      }
      await router.call('announce');
      await heard(neighbour, 5);
      for (const [address, interfaceName] of entries) {
        const expected = interfaceName === 'eth0' ? publicMac : privateMac;
        // The listener hears a frame before the neighbour's own stack has looked at it.
        await eventually(
          `${address} is at ${expected}`,
          () => neighbourEntry(neighbourSpace, address, interfaceName) === expected,
        );
      }
    });
  });

  it('call a forwarding router a router', async () => {
    await withScene({}, async ({ router, routerSpace, neighbour }) => {
      command('ip', ['netns', 'exec', routerSpace, 'sysctl', '-qw', 'net.ipv6.conf.all.forwarding=1']);
      await router.call('refresh');
      await router.call('announce');
      const [, advertisement] = await heard(neighbour, 5);
      assert.equal(advertisement, `na 2001:db8::10 is-at ${publicMac} router override`);
    });
  });

  it('carry a changed MAC after a refresh', async () => {
    await withScene({}, async ({ router, routerSpace, neighbour }) => {
      ip(['-n', routerSpace, 'link', 'set', 'eth1', 'address', oldMac]);
      await router.call('refresh');
      assert.deepEqual(await router.call('macs'), [`eth0 ${publicMac}`, `eth1 ${oldMac}`]);
      await router.call('announce');
      assert.ok((await heard(neighbour, 5)).includes(garp('request', '10.99.0.1', oldMac)));
    });
  });

  it('reach the others when an interface is gone, which is named, and mend themselves when it is back', async () => {
    await withScene({}, async ({ router, routerSpace, neighbour, neighbourSpace }) => {
      ip(['-n', routerSpace, 'link', 'del', 'eth1']);
      const first = (await router.call('announce')) as { sent: number; failures: unknown[] };
      assert.ok(first.sent >= 3);
      assert.deepEqual(first.failures, [
        {
          address: '10.99.0.1',
          interfaceName: 'eth1',
          reason: 'interface-missing',
          detail: 'there is no such interface',
        },
      ]);
      connect([routerSpace, 'eth1'], [neighbourSpace, 'eth1']);
      ip(['-n', routerSpace, 'link', 'set', 'eth1', 'address', privateMac]);
      await neighbour.call('listen');
      const second = (await router.call('announce')) as { failures: unknown[] };
      assert.deepEqual(second.failures, []);
      const frames = await heard(neighbour, 8);
      assert.ok(frames.includes(garp('request', '10.99.0.1', privateMac)), frames.join('\n'));
    });
  });

  it('reach nobody in a rehearsal', async () => {
    await withScene({}, async ({ router, neighbour }) => {
      await router.call('rehearse');
      assert.deepEqual(await neighbour.call('frames', 1, 100), []);
    });
  });

  it('go out by arping where no system call can be made, IPv6 being named as left out', async () => {
    await withScene({ VIPAIR_KERNEL: 'commands' }, async ({ router, neighbour }) => {
      const announced = (await router.call('announce')) as { sent: number; failures: { reason: string }[] };
      assert.equal(announced.sent, 4);
      assert.deepEqual(
        announced.failures.map(({ reason }) => reason),
        ['not-supported'],
      );
      const frames = [...(await heard(neighbour, 4))].sort();
      // iputils repeats the own MAC also in the request.
      assert.deepEqual(
        frames.map((words) => words.replace(/ \S+$/, '')),
        [
          garp('reply', '10.99.0.1', privateMac),
          garp('reply', '192.0.2.10', publicMac),
          garp('request', '10.99.0.1', privateMac),
          garp('request', '192.0.2.10', publicMac),
        ].map((words) => words.replace(/ \S+$/, '')),
      );
    });
  });

  it('follow the decision within a millisecond, as a rule', async function () {
    await withScene({}, async ({ router }) => {
      await router.call('rehearse');
      const micros = ((await router.call('measure', 200)) as number[]).sort((a, b) => a - b);
      const at = (share: number): string => (micros[Math.floor(share * micros.length)] ?? 0).toFixed(0);
      console.log(`      claim and announce, µs: p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}`);
      assert.ok((micros[100] ?? Infinity) < 5000);
    });
  });
});
