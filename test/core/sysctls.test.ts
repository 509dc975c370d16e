import assert from 'node:assert/strict';
import { neededSysctls } from '../../src/core/sysctls.ts';
import { type Forwarding, type Table } from '../../src/core/table.ts';

function table(
  method: Forwarding['method'],
  over: Partial<Table[number]> = {},
  address = '10.99.0.11',
): Table {
  const forwarding: Forwarding = method === 'tunnelling' ? { method, tunnel: { type: 'ipip' } } : { method };
  return [
    {
      at: { kind: 'address', protocol: 'tcp', address: '192.0.2.10', port: 80 },
      scheduler: 'wlc',
      schedulerFlags: [],
      persistence: undefined,
      isOnePacket: false,
      servers: [{ address, port: 80, forwarding, weight: 1, upperThreshold: 0, lowerThreshold: 0 }],
      ...over,
    },
  ];
}

const names = (of: Table, isSynced = false) =>
  neededSysctls(of, { interfaces: ['eth0', 'eth1.7'], isSynced }).map(
    ({ name, value }) => `${name}=${value}`,
  );

describe('settings of the kernel that a table needs', () => {
  it('are none for direct routing', () => {
    assert.deepEqual(names(table('direct')), []);
  });

  it('are forwarding without redirects for masquerading', () => {
    assert.deepEqual(names(table('masquerading')), [
      'net.ipv4.ip_forward=1',
      'net.ipv4.conf.all.send_redirects=0',
      'net.ipv4.conf.eth0.send_redirects=0',
      'net.ipv4.conf.eth1/7.send_redirects=0',
    ]);
  });

  it('concern only the family that is masqueraded', () => {
    assert.deepEqual(names(table('masquerading', {}, '2001:db8::11')), ['net.ipv6.conf.all.forwarding=1']);
    const mixed = [...table('masquerading'), ...table('direct', {}, '2001:db8::11')];
    assert.ok(!names(mixed).includes('net.ipv6.conf.all.forwarding=1'));
  });

  it('let a quiesced real server go in spite of persistence', () => {
    const persistence = { timeoutSeconds: 300, netmask: undefined, engine: undefined };
    assert.deepEqual(names(table('direct', { persistence })), ['net.ipv4.vs.expire_quiescent_template=1']);
  });

  it('tell of connections that say nothing, where they are synchronised', () => {
    assert.deepEqual(names(table('direct'), true), ['net.ipv4.vs.sync_threshold=2 50']);
  });
});
