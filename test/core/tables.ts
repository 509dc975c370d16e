import fc from 'fast-check';
import { formatAddress, parseAddress } from '../../src/core/address.ts';
import {
  endpoint,
  serviceKey,
  type Forwarding,
  type Persistence,
  type RealServer,
  type Table,
  type VirtualAddress,
  type VirtualService,
} from '../../src/core/table.ts';

/** A record as an object literal makes it, which is what programs make, too. */
function plain<Value>(model: { [Key in keyof Value]: fc.Arbitrary<Value[Key]> }): fc.Arbitrary<Value> {
  return fc.record<Value>(model, { noNullPrototype: true });
}

const port = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const name = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,14}$/);

const address = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => {
  const parsed = parseAddress(text);
  return parsed === undefined ? '2001:db8::1' : formatAddress(parsed);
});

const forwarding: fc.Arbitrary<Forwarding> = fc.oneof(
  fc.constantFrom<Forwarding>(
    { method: 'masquerading' },
    { method: 'direct' },
    { method: 'tunnelling', tunnel: { type: 'ipip' } },
    { method: 'tunnelling', tunnel: { type: 'gre', checksum: 'nocsum' } },
    { method: 'tunnelling', tunnel: { type: 'gre', checksum: 'csum' } },
  ),
  plain({
    port: fc.integer({ min: 1, max: 0xffff }),
    checksum: fc.constantFrom('nocsum' as const, 'csum' as const, 'remcsum' as const),
  }).map((tunnel): Forwarding => ({ method: 'tunnelling', tunnel: { type: 'gue', ...tunnel } })),
);

const at: fc.Arbitrary<VirtualAddress> = fc.oneof(
  plain({
    kind: fc.constant('address' as const),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
    address,
    port,
  }),
  plain({
    kind: fc.constant('fwmark' as const),
    mark: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    family: fc.constantFrom(4 as const, 6 as const),
  }),
);

const server: fc.Arbitrary<RealServer> = plain({
  address,
  port,
  forwarding,
  weight: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  upperThreshold: u32,
  lowerThreshold: u32,
});

/** Scheduler flags in the order in which they are printed. */
const scheduling = fc.oneof(
  plain({ scheduler: fc.constant('sh'), schedulerFlags: fc.subarray(['sh-fallback', 'sh-port']) }),
  plain({ scheduler: fc.constant('mh'), schedulerFlags: fc.subarray(['mh-fallback', 'mh-port']) }),
  plain({
    scheduler: name.filter((scheduler) => scheduler !== 'sh' && scheduler !== 'mh'),
    schedulerFlags: fc.subarray(['flag-1', 'flag-2', 'flag-3']),
  }),
);

function persistence(isIpv6: boolean): fc.Arbitrary<Persistence> {
  const netmask = isIpv6
    ? fc.integer({ min: 1, max: 127 }).map(String)
    : fc.constantFrom('255.255.255.0', '0.0.0.0');
  return plain({
    timeoutSeconds: u32,
    netmask: fc.option(netmask, { nil: undefined }),
    engine: fc.option(name, { nil: undefined }),
  });
}

/** Everything that a table can hold. */
export const anyTable: fc.Arbitrary<Table> = fc.uniqueArray(
  at.chain((virtual) =>
    plain({
      settings: scheduling,
      persistence: fc.option(
        persistence(virtual.kind === 'address' ? virtual.address.includes(':') : virtual.family === 6),
        { nil: undefined },
      ),
      isOnePacket: fc.boolean(),
      servers: fc.uniqueArray(server, { selector: endpoint, maxLength: 5 }),
    }).map(({ settings, ...service }): VirtualService => ({ at: virtual, ...settings, ...service })),
  ),
  { selector: (service) => serviceKey(service.at), maxLength: 5 },
);

/** Of so few names and values that any two tables have much in common. */
export const smallTable: fc.Arbitrary<Table> = fc.uniqueArray(
  plain({
    mark: fc.integer({ min: 1, max: 3 }),
    scheduler: fc.constantFrom('wlc', 'wrr'),
    servers: fc.uniqueArray(
      plain({
        address: fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'),
        port: fc.constant(0),
        forwarding: fc.constantFrom<Forwarding>({ method: 'direct' }, { method: 'masquerading' }),
        weight: fc.integer({ min: 0, max: 2 }),
        upperThreshold: fc.constantFrom(0, 0, 0, 9),
        lowerThreshold: fc.constant(0),
      }),
      { selector: endpoint, maxLength: 4 },
    ),
  }).map(({ mark, ...service }): VirtualService => ({
    at: { kind: 'fwmark', mark, family: 4 },
    schedulerFlags: [],
    persistence: undefined,
    isOnePacket: false,
    ...service,
  })),
  { selector: (service) => serviceKey(service.at), maxLength: 3 },
);
