import assert from 'node:assert/strict';
import { public4, withGateLab, type GateWorker } from './gate-lab.ts';
import { type Heard } from './gate-worker.ts';
import { ip, namespaceProblem, skipWithout } from './namespace.ts';

const floating = [public4];

async function openProbe(worker: GateWorker, kind: 'arp' | 'neighbor'): Promise<void> {
  assert.deepEqual(await worker.call('openProbe', kind, { interfaceName: 'eth0', floating }), { ok: true });
}

function macOf(worker: GateWorker, interfaceName: string): string | undefined {
  return /link\/ether (\S+)/.exec(ip(['-n', worker.space, 'link', 'show', interfaceName]))?.[1];
}

describe('a probe on the wire', function () {
  this.timeout(20_000);
  before(function () {
    skipWithout(this, namespaceProblem());
  });

  it('tells the MAC address of whoever answers, and hears nothing of itself', async () => {
    await withGateLab(async ({ router, client }) => {
      const routerMac = macOf(router, 'eth0');
      for (const [kind, address] of [
        ['arp', public4],
        ['arp', '10.66.1.2'],
        ['neighbor', 'fd66:1::2'],
        ['neighbor', 'fd66:1::100'],
      ] as const) {
        await openProbe(client, kind);
        const heard = (await client.call('ask', address, 60)) as Heard[];
        const [first] = heard.filter((one) => one.address === address);
        assert.equal(first?.mac, routerMac, address);
        assert.equal(first?.interfaceName, 'eth0');
        assert.ok(heard.every(({ mac }) => mac === routerMac));
      }
    });
  });

  it('hears nobody for an address that nobody has', async () => {
    await withGateLab(async ({ client }) => {
      await openProbe(client, 'arp');
      const heard = (await client.call('ask', '10.66.1.77', 60)) as Heard[];
      assert.deepEqual(
        heard.filter(({ address }) => address === '10.66.1.77'),
        [],
      );
    });
  });

  it('leaves no trace of a floating address in any cache', async () => {
    await withGateLab(async ({ router, client }) => {
      // The client asks as a backup does: nobody may learn from the question that it has the address.
      await openProbe(client, 'arp');
      await client.call('ask', public4, 40);
      assert.doesNotMatch(ip(['-n', router.space, 'neighbor', 'show']), /10\.66\.1\.100/);
    });
  });

  it('notices hosts that only ask for something themselves', async () => {
    await withGateLab(async ({ router, client }) => {
      await openProbe(client, 'arp');
      const asking = client.call('ask', '10.66.1.77', 1500) as Promise<Heard[]>;
      router.run('ping', '-c1', '-W1', '10.66.1.88');
      const heard = await asking;
      assert.ok(heard.some(({ address }) => address === '10.66.1.2'));
    });
  });

  it('says in a storm that it has not read everything yet, and reads a bounded part', async () => {
    await withGateLab(async ({ router, client }) => {
      await openProbe(client, 'arp');
      await openProbe(router, 'arp');
      await client.call('poll');
      await router.call('flood', '10.66.1.77', 600);
      assert.deepEqual(await client.call('poll'), { count: 256, isDrained: false });
      assert.deepEqual(await client.call('poll'), { count: 256, isDrained: false });
      assert.deepEqual(await client.call('poll'), { count: 88, isDrained: true });
    });
  });

  it('is refused without an address and without an interface, and works when that is made again', async () => {
    await withGateLab(async ({ router, client }) => {
      await openProbe(client, 'arp');
      const send = (target: string): Promise<unknown> => client.call('sendProbe', target);
      assert.deepEqual(await send('nonsense'), { ok: false, reason: 'invalid-address', detail: 'nonsense' });
      assert.deepEqual(await send('fd66:1::2'), {
        ok: false,
        reason: 'invalid-address',
        detail: 'fd66:1::2',
      });

      ip(['-n', client.space, 'link', 'del', 'eth0']);
      assert.equal(((await send('10.66.1.2')) as { reason: string }).reason, 'refused');
      await client.call('refreshProbe');
      assert.equal(((await send('10.66.1.2')) as { reason: string }).reason, 'interface-missing');

      ip([
        '-n',
        router.space,
        'link',
        'add',
        'eth0',
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'netns',
        client.space,
      ]);
      for (const [space, address] of [
        [router.space, '10.66.1.2/24'],
        [client.space, '10.66.1.9/24'],
      ] as const) {
        ip(['-n', space, 'address', 'add', address, 'dev', 'eth0']);
        ip(['-n', space, 'link', 'set', 'eth0', 'up']);
      }
      await client.call('refreshProbe');
      const heard = (await client.call('ask', '10.66.1.2', 500)) as Heard[];
      assert.ok(heard.some(({ address }) => address === '10.66.1.2'));
    });
  });
});
