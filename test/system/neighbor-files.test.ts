import assert from 'node:assert/strict';
import {
  command,
  connect,
  ip,
  namespaceProblem,
  skipWithout,
  startWorker,
  withNamespaces,
} from './namespace.ts';

describe('whom a host has spoken to', function () {
  this.timeout(20_000);
  before(function () {
    skipWithout(this, namespaceProblem());
  });

  it('is its gateway first, then the neighbours whose MAC it knows, on the interfaces that were named', async () => {
    await withNamespaces(2, async (near = '', far = '') => {
      connect([near, 'eth0'], [far, 'eth0']);
      connect([near, 'eth1'], [far, 'eth1']);
      ip(['-n', near, 'address', 'add', '192.0.2.2/24', 'dev', 'eth0']);
      ip(['-n', near, 'address', 'add', '198.51.100.2/24', 'dev', 'eth1']);
      for (const address of ['192.0.2.7', '192.0.2.1']) {
        ip(['-n', far, 'address', 'add', `${address}/24`, 'dev', 'eth0']);
      }
      ip(['-n', near, 'route', 'add', 'default', 'via', '192.0.2.1']);
      await using worker = startWorker(near);
      const onEth0 = (address: string) => ({ interfaceName: 'eth0', address });
      assert.deepEqual(await worker.call('readNeighbors', 'eth0'), [onEth0('192.0.2.1')]);
      command('ip', ['netns', 'exec', near, 'ping', '-c1', '-W2', '192.0.2.7']);
      ip(['-n', near, 'neigh', 'add', '198.51.100.9', 'lladdr', '02:00:00:00:00:09', 'dev', 'eth1']);
      // Nobody is there: an entry without a MAC.
      ip(['-n', near, 'neigh', 'add', '192.0.2.99', 'nud', 'failed', 'dev', 'eth0']);
      assert.deepEqual(await worker.call('readNeighbors', 'eth0'), [
        onEth0('192.0.2.1'),
        onEth0('192.0.2.7'),
      ]);
    });
  });
});
