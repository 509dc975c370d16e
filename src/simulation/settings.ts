import { type Settings } from '../core/state.ts';
import { type NodeName } from './network.ts';

/** The usual pair: two links, two floating addresses, the balanced profile, `a` preferred. */
export function pairSettings(overrides: Partial<Settings> = {}): Record<NodeName, Settings> {
  const shared = {
    pair: 'edge',
    intervalMs: 50,
    leaseMs: 200,
    deadMs: 300,
    listenMs: 1000,
    failback: { kind: 'manual' },
    gate: 'nftables',
    links: [
      { name: 'public', interfaceName: 'eth0' },
      { name: 'private', interfaceName: 'eth1' },
    ],
    paths: [],
    canProbe: true,
    contested: { kind: 'wait' },
    floating: [
      { address: '192.0.2.10', interfaceName: 'eth0' },
      { address: '10.99.0.1', interfaceName: 'eth1' },
    ],
    configDigest: 7,
    addressLifetimeSeconds: 3,
    ...overrides,
  } as const;
  return {
    a: { ...shared, nodeName: 'a', peerName: 'b', nodeId: 1, priority: 150 },
    b: { ...shared, nodeName: 'b', peerName: 'a', nodeId: 2, priority: 100 },
  };
}
