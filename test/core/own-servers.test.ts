import assert from 'node:assert/strict';
import { ownServerProblems } from '../../src/core/own-servers.ts';
import { type Forwarding, type Table } from '../../src/core/table.ts';

describe('a director that is a real server, too', () => {
  const own = { addresses: ['10.99.0.3', 'fd99::3'], gate: 'nftables', nodeName: 'lvs2' } as const;

  function table(...servers: readonly (readonly [string, Forwarding])[]): Table {
    return [
      {
        at: { kind: 'address', protocol: 'tcp', address: '192.0.2.10', port: 80 },
        scheduler: 'rr',
        schedulerFlags: [],
        persistence: undefined,
        isOnePacket: false,
        servers: servers.map(([address, forwarding]) => ({
          address,
          port: 80,
          forwarding,
          weight: 1,
          upperThreshold: 0,
          lowerThreshold: 0,
        })),
      },
    ];
  }

  it('is told for each entry that reaches it under the virtual address', () => {
    const both = table(
      ['10.99.0.3', { method: 'direct' }],
      ['fd99::3', { method: 'tunnelling', tunnel: { type: 'ipip' } }],
      ['10.99.0.50', { method: 'direct' }],
    );
    assert.deepEqual(ownServerProblems(both, own), [
      'Real server 10.99.0.3:80 of tcp 192.0.2.10:80 is lvs2 itself: while lvs2 is not active, its gate drops what is forwarded to it. Remedy: take it out of the service.',
      'Real server [fd99::3]:80 of tcp 192.0.2.10:80 is lvs2 itself: while lvs2 is not active, its gate drops what is forwarded to it. Remedy: take it out of the service.',
    ]);
  });

  it('may send packets round and round where nothing is gated', () => {
    for (const gate of ['address', 'off'] as const) {
      const [problem = ''] = ownServerProblems(table(['10.99.0.3', { method: 'direct' }]), { ...own, gate });
      assert.match(problem, /its own table may forward again .*, round and round/);
    }
  });

  it('is no trouble where packets come under its own address', () => {
    assert.deepEqual(ownServerProblems(table(['10.99.0.3', { method: 'masquerading' }]), own), []);
  });
});
