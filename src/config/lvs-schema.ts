import { z } from 'zod';
import { formatAddress, parseAddress } from '../core/address.ts';
import { checkSchema } from './check-schema.ts';
import { duration, perNode } from './values.ts';

/** The virtual services, as the file writes them. What one field alone cannot say stands in `lvs-rules.ts`. */

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

const MOST_SERVICES = 256;
const MOST_SERVERS = 10_000;

/** An address with a port, or alone. */
export interface Place {
  readonly address: string;
  /** Undefined where it is not written. */
  readonly port: number | undefined;
}

export function parsePlace(text: string): Place | undefined {
  const [, v6, v4, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? [];
  const parsed = parseAddress(v6 ?? v4 ?? text);
  if (parsed === undefined || Number(port ?? 0) > 65_535 || (v6 !== undefined && parsed.family === 4)) {
    return undefined;
  }
  return { address: formatAddress(parsed), port: port === undefined ? undefined : Number(port) };
}

const servicePlace = z.string().transform((text, context) => {
  const place = parsePlace(text);
  if (place?.port === undefined) {
    context.addIssue('is not an address and a port, such as 192.0.2.10:80 or [2001:db8::10]:80');
    return z.NEVER;
  }
  return { address: place.address, port: place.port };
});

const serverPlace = z.string().transform((text, context) => {
  const place = parsePlace(text);
  if (place === undefined) {
    context.addIssue('is not an address, with or without a port, such as 10.99.0.11:8080');
    return z.NEVER;
  }
  return place;
});

const forwarding = z.enum(['masquerading', 'direct', 'tunnelling']);
const weight = z.int().min(0).max(65_535);
const threshold = z.int().min(0).max(4_294_967_295);

const tunnelSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ipip') }),
  z.strictObject({
    type: z.literal('gue'),
    port: z.int().min(1).max(65_535).meta({ description: 'UDP port of the real server’s tunnel.' }),
    checksum: z.enum(['nocsum', 'csum', 'remcsum']).default('nocsum'),
  }),
  z.strictObject({ type: z.literal('gre'), checksum: z.enum(['nocsum', 'csum']).default('nocsum') }),
]);

export const serverSchema = z.strictObject({
  address: serverPlace.meta({
    description: 'Of the real server; the port is that of the service unless written.',
    example: '10.99.0.11:8080',
  }),
  weight: weight
    .default(1)
    .meta({ description: 'Its share of the connections; 0 lets it have no new ones.' }),
  forwarding: forwarding.optional().meta({ description: 'Instead of that of the service.' }),
  tunnel: tunnelSchema
    .optional()
    .meta({ description: 'Of tunnelling: how packets are wrapped; ipip unless written.' }),
  upper_threshold: threshold
    .default(0)
    .meta({ description: 'No new connections above so many; 0 is no limit.' }),
  lower_threshold: threshold.default(0).meta({ description: 'New ones again below so many.' }),
});

export const serviceSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,32}$/, 'must be 1 to 32 of A-Z a-z 0-9 _ -')
    .optional()
    .meta({ description: 'Names the service in status, log and drains.', example: 'web' }),
  address: servicePlace.optional().meta({
    description: 'Where clients ask; port 0 takes every port and needs persistence.',
    example: '192.0.2.10:80',
  }),
  protocol: z.enum(['tcp', 'udp', 'sctp']).default('tcp').meta({ description: 'What is balanced there.' }),
  fwmark: z.int().min(1).max(4_294_967_295).optional().meta({
    description: 'Instead of an address: what a packet filter has marked.',
    example: 1,
  }),
  family: z.enum(['ipv4', 'ipv6']).default('ipv4').meta({ description: 'Of a mark.' }),
  check: checkSchema.optional().meta({ description: 'Instead of `lvs.check`: see Checks.' }),
  on_failure: z.enum(['quiesce', 'remove']).optional().meta({ description: 'Instead of `lvs.on_failure`.' }),
  quorum: z
    .int()
    .min(1)
    .max(MOST_SERVERS)
    .default(1)
    .meta({ description: 'So many usable real servers make the service up.' }),
  hysteresis: z.int().min(0).max(MOST_SERVERS).default(0).meta({
    description: 'So many more than the quorum bring it back, and so many fewer are borne before it is down.',
  }),
  required: z.boolean().optional().meta({
    description: 'The office goes to the peer if the service is down here and up there.',
  }),
  score: z
    .int()
    .min(1)
    .max(253)
    .optional()
    .meta({ description: 'Instead: what its being down takes from the priority.', example: 60 }),
  sorry: z
    .strictObject({
      address: serverPlace.meta({ description: 'Who answers while the service is down.' }),
      forwarding: forwarding.optional().meta({ description: 'Instead of that of the service.' }),
    })
    .optional()
    .meta({ description: 'A real server for the time that the service is down.' }),
  scheduler: z
    .enum(schedulers)
    .optional()
    .meta({ description: 'Of mode `own`: who gets a connection; wlc unless written.' }),
  scheduler_flags: z
    .array(z.string().regex(/^[a-z0-9-]{1,32}$/, 'is not a flag, such as sh-port'))
    .max(4)
    .optional()
    .meta({ description: 'Of mode `own`: flags of the scheduler.', example: '[sh-port]' }),
  persistence: z
    .strictObject({
      timeout: duration(1000, 24 * 3_600_000)
        .prefault('300s')
        .meta({
          description: 'How long a client is sent to the same real server after its last connection.',
        }),
      netmask: z.string().optional().meta({
        description: 'Which clients count as one: a netmask, or for IPv6 a prefix length.',
        example: '255.255.255.0',
      }),
      engine: z
        .string()
        .regex(/^[a-z0-9_]{1,15}$/, 'is not a persistence engine, such as sip')
        .optional()
        .meta({ description: 'What tells clients apart instead of their addresses.', example: 'sip' }),
    })
    .optional()
    .meta({ description: 'Of mode `own`: keeps a client at its real server.' }),
  one_packet: z
    .boolean()
    .optional()
    .meta({ description: 'Of mode `own`, UDP: each datagram is scheduled by itself.' }),
  forwarding: forwarding.optional().meta({
    description: 'Of mode `own`: how packets get to the real servers; masquerading unless written.',
  }),
  tunnel: tunnelSchema.optional().meta({ description: 'Of mode `own`: as of a real server.' }),
  servers: z
    .array(serverSchema)
    .max(MOST_SERVERS)
    .optional()
    .meta({ description: 'Of mode `own`: the real servers.' }),
});

export const lvsModes = ['observe', 'adopt', 'own', 'off'] as const;

export const lvsSchema = z.strictObject({
  mode: z.enum(lvsModes).default('adopt').meta({
    description:
      'What is done with the IPVS table: look at it, check its real servers and change their weights, write all of it, or nothing.',
  }),
  check: checkSchema.optional().meta({
    description:
      'How real servers are checked, a word or a mapping: see Checks. TCP and SCTP by tcp, all else by icmp unless written.',
    example: 'tcp',
  }),
  on_failure: z.enum(['quiesce', 'remove']).default('quiesce').meta({
    description: 'A failed real server gets weight 0 and keeps its connections, or leaves the table.',
  }),
  sysctls: z.enum(['check', 'set', 'ignore']).default('check').meta({
    description:
      'Settings of the kernel that the services need: say what is wrong, set them while running, or let them be.',
  }),
  sync: z
    .strictObject({
      interface: perNode(
        z
          .string()
          .regex(
            /^(?!\.{1,2}$)[^\s/:]{1,15}$/,
            'is not an interface name: 1 to 15 characters without space, slash or colon',
          ),
      ).meta({ description: 'The private wire; may be a map of node names.', example: 'eth1' }),
      id: z.int().min(0).max(254).default(1).meta({
        description: 'Syncid of the first node by name; the other one sends with the next.',
      }),
    })
    .optional()
    .meta({
      description: 'Connection sync, so that established connections survive a failover: both ways, always.',
    }),
  services: z.array(serviceSchema).max(MOST_SERVICES).prefault([]).meta({
    description: 'Of mode `own`: the table. Otherwise: what is special about some services of it.',
  }),
});

export type LvsConfig = z.infer<typeof lvsSchema>;
export type ServiceConfig = z.infer<typeof serviceSchema>;
export type ServerConfig = z.infer<typeof serverSchema>;
