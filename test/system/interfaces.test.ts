import assert from 'node:assert/strict';
import {
  connect,
  eventually,
  ip,
  namespaceProblem,
  skipWithout,
  startWorker,
  withNamespaces,
} from './namespace.ts';

for (const way of ['netlink', 'files'] as const) {
  describe(`interfaces by ${way}`, function () {
    this.timeout(20_000);
    before(function () {
      skipWithout(this, namespaceProblem());
    });

    it('tell index, MAC, carrier and addresses, and outlive their deletion', async () => {
      await withNamespaces(2, async (near = '', far = '') => {
        connect([near, 'eth0'], [far, 'eth0']);
        ip(['-n', near, 'link', 'set', 'eth0', 'address', '02:00:00:00:00:01']);
        ip(['-n', near, 'address', 'add', '192.0.2.2/24', 'dev', 'eth0']);
        ip(['-n', near, 'address', 'add', '192.0.2.3/24', 'dev', 'eth0', 'label', 'eth0:9']);
        await using worker = startWorker(near);
        await worker.call('openInterfaces', way);
        const { index, ...state } = (await worker.call('read', 'eth0')) as { index: number };
        assert.ok(index > 1);
        assert.deepEqual(state, {
          name: 'eth0',
          mac: '02:00:00:00:00:01',
          isUp: true,
          carrier: true,
          operationalState: 6,
        });
        const addresses = (await worker.call('addressesOf', 'eth0')) as string[];
        assert.deepEqual(
          addresses.filter((address) => !address.startsWith('fe80')),
          ['192.0.2.2/24', '192.0.2.3/24'],
        );
        assert.equal(((await worker.call('read', 'lo')) as { mac: unknown }).mac, null);

        // The other end going down is this end's cable being pulled.
        ip(['-n', far, 'link', 'set', 'eth0', 'down']);
        await eventually('carrier is lost', async () => (await worker.call('carrierOf', 'eth0')) === false);
        ip(['-n', far, 'link', 'set', 'eth0', 'up']);
        await eventually('carrier is back', async () => (await worker.call('carrierOf', 'eth0')) === true);
        ip(['-n', near, 'link', 'set', 'eth0', 'down']);
        assert.equal(await worker.call('carrierOf', 'eth0'), false);
        ip(['-n', near, 'link', 'del', 'eth0']);
        assert.equal(await worker.call('carrierOf', 'eth0'), false);
        assert.equal(await worker.call('read', 'eth0'), null);
        assert.deepEqual(await worker.call('addressesOf', 'eth0'), []);
        connect([near, 'eth0'], [far, 'eth0']);
        await eventually(
          'the new one is seen',
          async () => (await worker.call('carrierOf', 'eth0')) === true,
        );
      });
    });

    it('are undefined for a name that is none', async () => {
      await withNamespaces(1, async (space = '') => {
        await using worker = startWorker(space);
        await worker.call('openInterfaces', way);
        for (const name of ['', 'nope', '../lo', 'a'.repeat(300), '.']) {
          assert.equal(await worker.call('read', name), null, name);
          assert.equal(await worker.call('carrierOf', name), false, name);
        }
      });
    });
  });
}
