import { z } from 'zod';
import { checkSchema } from './check-schema.ts';
import { duration, endpointAddress, endpointOrAddress, interfaceName, name, perNode } from './values.ts';

/**
 * The `lvs:` section: what is done for virtual services, and in mode own the services themselves. What belongs to
 * mode own has no default here, so that it can be told whether it was written; `lvs-settings.ts` fills it in.
 */

export const schedulers = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'lblc',
  'lblcr',
  'dh',
  'sh',
  'mh',
  'sed',
  'nq',
  'fo',
  'ovf',
  'twos',
] as const;

export const MOST_SERVICES = 256;

/** `ipvsadm` of before 2024 takes no greater weight; thresholds are its `int`. */
const HIGHEST_WEIGHT = 65_535;
const HIGHEST_THRESHOLD = 2 ** 31 - 1;
/** `ipvsadm` takes 31 days at most. */
const LONGEST_PERSISTENCE_MS = 31 * 24 * 3_600_000;

const forwarding = z.enum(['masquerading', 'direct', 'tunnelling']);
const checksum = z.enum(['nocsum', 'csum', 'remcsum']);

const tunnel = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ipip') }),
  z.strictObject({
    type: z.literal('gue'),
    port: z.int().min(1).max(65_535),
    checksum: checksum.default('nocsum'),
  }),
  z.strictObject({ type: z.literal('gre'), checksum: checksum.exclude(['remcsum']).default('nocsum') }),
]);

const onFailure = z.enum(['quiesce', 'remove']);

const forwardingOfOne = {
  forwarding: forwarding.optional().meta({ description: 'Instead of that of the service.' }),
  tunnel: tunnel.optional().meta({ description: 'Of tunnelling, instead of that of the service.' }),
};

const serverSchema = z.strictObject({
  address: endpointOrAddress.meta({
    description: 'The real server; its port may be left out, and is then that of the service.',
    example: '10.99.0.11:8080',
  }),
  weight: z
    .int()
    .min(0)
    .max(HIGHEST_WEIGHT)
    .default(1)
    .meta({ description: 'Its share of the new connections; 0 takes none.' }),
  ...forwardingOfOne,
  upper_threshold: z
    .int()
    .min(0)
    .max(HIGHEST_THRESHOLD)
    .default(0)
    .meta({ description: 'Above so many connections it gets no new ones; 0 is no limit.' }),
  lower_threshold: z
    .int()
    .min(0)
    .max(HIGHEST_THRESHOLD)
    .default(0)
    .meta({ description: 'And again only below so many.' }),
});

const sorrySchema = z.strictObject({
  address: endpointOrAddress.meta({
    description: 'The server that takes over; its port may be left out, and is then that of the service.',
    example: '10.99.0.9:80',
  }),
  ...forwardingOfOne,
});

const persistenceSchema = z.strictObject({
  timeout: duration(1000, LONGEST_PERSISTENCE_MS)
    .refine((timeoutMs) => timeoutMs % 1000 === 0, 'must be whole seconds')
    .prefault('300s')
    .meta({ description: 'For how long after its last connection a client is remembered.' }),
  netmask: z.union([z.string(), z.int()]).transform(String).optional().meta({
    description:
      'Which clients count as one: a netmask for IPv4, a prefix length such as `64` for IPv6. Unless set, each its own.',
    example: '255.255.255.0',
  }),
  engine: z
    .enum(['sip'])
    .optional()
    .meta({ description: 'The persistence engine: clients are told apart by SIP call. UDP only.' }),
});

/** What a service of an adopted table cannot have, for there the operator's `ipvsadm` says it. */
const ownKeys = {
  scheduler: z
    .enum(schedulers)
    .optional()
    .meta({ description: 'Mode own: how a real server is chosen; `wlc` unless set.' }),
  scheduler_flags: z
    .array(z.enum(['sh-fallback', 'sh-port', 'mh-fallback', 'mh-port']))
    .max(2)
    .optional()
    .meta({ description: 'Mode own: flags of the schedulers sh and mh.', example: '[sh-port]' }),
  persistence: persistenceSchema.optional().meta({
    description: 'Mode own: a client stays with its real server.',
  }),
  one_packet: z
    .boolean()
    .optional()
    .meta({ description: 'Mode own: each datagram is scheduled by itself. UDP only.' }),
  forwarding: forwarding.optional().meta({
    description: 'Mode own: how packets get to the real servers; masquerading (NAT) unless set.',
  }),
  tunnel: tunnel.optional().meta({
    description:
      'Mode own, of tunnelling: `type` is ipip, gue (with `port` and `checksum`) or gre (with `checksum`: nocsum, csum, of gue also remcsum). ipip unless set.',
    example: '{ type: gue, port: 6080 }',
  }),
  servers: z.array(serverSchema).min(1).optional().meta({
    description: 'Mode own: the real servers.',
  }),
};

export const serviceSchema = z.strictObject({
  name: name.optional().meta({
    description: 'Names the service in status, metrics and `vipair services`.',
    example: 'web',
  }),
  address: endpointAddress.optional().meta({
    description:
      'Address and port that clients use. Port 0 is all ports, and needs persistence in mode own. In quotes for IPv6.',
    example: '192.0.2.10:80',
  }),
  protocol: z
    .enum(['tcp', 'udp', 'sctp'])
    .optional()
    .meta({ description: 'Of the address; tcp unless set.' }),
  fwmark: z
    .int()
    .min(1)
    .max(2 ** 32 - 1)
    .optional()
    .meta({
      description: 'Instead of an address: packets that a packet filter has marked so.',
      example: 1,
    }),
  family: z.enum(['ipv4', 'ipv6']).optional().meta({ description: 'Of the fwmark; ipv4 unless set.' }),
  check: checkSchema.optional().meta({
    description: 'How its real servers are checked, instead of `lvs.check`; see [Checks](#checks).',
    example: '{ kind: http, path: /health }',
  }),
  on_failure: onFailure.optional().meta({
    description: 'What becomes of a failed real server, instead of `lvs.on_failure`.',
  }),
  quorum: z
    .int()
    .min(1)
    .max(10_000)
    .default(1)
    .meta({ description: 'So many usable real servers make the service up.' }),
  hysteresis: z.int().min(0).max(9999).default(0).meta({
    description:
      'So many more bring it back up, and so many fewer are borne before it is down. Less than the quorum.',
  }),
  required: z.boolean().optional().meta({
    description:
      'The office goes to the peer if this service is down here and up there. False unless set: it moves nothing.',
  }),
  score: z
    .int()
    .min(1)
    .max(253)
    .optional()
    .meta({ description: 'Instead: what its being down takes from the priority.', example: 60 }),
  sorry: sorrySchema.optional().meta({ description: 'What takes over while the service is down.' }),
  ...ownKeys,
});

const OWN_KEYS = Object.keys(ownKeys);

/** Is this key of a service for mode own alone? */
export function isOwnKey(key: string): boolean {
  return OWN_KEYS.includes(key);
}

export const lvsSchema = z.strictObject({
  mode: z.enum(['observe', 'adopt', 'own', 'off']).default('adopt').meta({
    description:
      'What is done with the IPVS table: look at it, check its real servers, write it, or nothing.',
  }),
  check: checkSchema.optional().meta({
    description:
      'How real servers are checked: a kind, or a mapping with its `kind`; see [Checks](#checks). Unless set, `tcp` for TCP and SCTP, `icmp` for UDP and fwmarks.',
    example: 'tcp',
  }),
  on_failure: onFailure.default('quiesce').meta({
    description: 'A failed real server gets weight 0 and keeps its connections, or leaves the table.',
  }),
  sysctls: z.enum(['check', 'set', 'ignore']).default('check').meta({
    description:
      'Of the kernel settings that IPVS needs: say which are wrong, or set them while running and put them back at the end, or do not look.',
  }),
  sync: z
    .strictObject({
      interface: perNode(interfaceName).meta({
        description: 'The interface that connections are told by; may be a map of node names.',
        example: 'eth1',
      }),
      id: z.int().min(1).max(254).meta({
        description:
          'The first node by name sends with it, the second with the next. No other pair on the same wire may have either.',
        example: 10,
      }),
    })
    .optional()
    .meta({
      description: 'Connection synchronization, in both directions: connections outlive a failover.',
    }),
  services: z.array(serviceSchema).max(MOST_SERVICES).prefault([]).meta({
    description: 'What is special about some services of the table (observe, adopt), or the table (own).',
  }),
});

export type LvsConfig = z.infer<typeof lvsSchema>;
export type ServiceConfig = z.infer<typeof serviceSchema>;
export type ServerConfig = z.infer<typeof serverSchema>;
export type SorryConfig = z.infer<typeof sorrySchema>;
