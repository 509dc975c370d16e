import { z } from 'zod';
import { lvsSchema } from './lvs-schema.ts';
import {
  absoluteFile as file,
  count,
  duration,
  floatingAddress,
  groupAddress,
  hostAddress,
  interfaceName,
  interval,
  listenAddress,
  name,
  nodeName,
  perNode,
  programAndArguments,
  timeout,
} from './values.ts';

/**
 * The configuration file: the only truth for its type, its validation, its defaults, the JSON Schema of
 * `vipair check --schema` and the table in the README. What one field alone cannot say stands in `rules.ts`.
 * Both routers read the same file; a value that differs between them may be a map of node names.
 */

const PAIR_NAME = /^[a-z0-9_-]{1,32}$/;
const LABEL = /^[^\s/]{1,15}$/;

const nodeSchema = z.strictObject({
  priority: z
    .int()
    .min(1)
    .max(254)
    .default(100)
    .meta({ description: 'The higher priority wins the election.', example: 150 }),
  host: z
    .string()
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})$/, 'is not a host name')
    .optional()
    .meta({
      description: "The node's host name, if it is not the node's name.",
      example: 'lvs1.example.net',
    }),
});

const nodesSchema = z.record(nodeName, nodeSchema).meta({
  description: 'The two directors, by name. A node is found by its host name or by `--node`.',
});

export const linkSchema = z.strictObject({
  name: name.meta({
    description: 'Names the link in status, log and metrics.',
    example: 'public',
  }),
  interface: perNode(interfaceName).meta({
    description: 'The interface that heartbeats leave by; may be a map of node names.',
    example: 'eth0',
  }),
  group: groupAddress
    .optional()
    .meta({ description: "Multicast group of this link, instead of the base plus the link's position." }),
  peers: z.record(nodeName, hostAddress).optional().meta({
    description: 'Unicast instead of multicast: the own address of each node on this link.',
    example: '{ lvs1: 10.98.0.2, lvs2: 10.98.0.3 }',
  }),
  gtsm: z
    .boolean()
    .default(false)
    .meta({ description: 'Send with TTL 255 and refuse what came through a router (RFC 5082).' }),
});

export const heartbeatSchema = z.strictObject({
  profile: z.enum(['balanced', 'fast', 'relaxed']).default('balanced').meta({
    description:
      'A set of times that fit each other: interval/lease/dead are 50/200/300 ms, 20/110/160 ms or 200/1000/1500 ms.',
  }),
  interval: duration(5, 10_000).optional().meta({
    description: 'Time between heartbeats, instead of that of the profile.',
    example: '50ms',
  }),
  lease: duration(15, 60_000).optional().meta({
    description:
      'How long the kernel lets a director use the addresses after its last heartbeat. At least 3 intervals.',
    example: '200ms',
  }),
  dead: duration(50, 60_000).optional().meta({
    description: 'Silence after which the backup claims the addresses. At least lease + interval + 30 ms.',
    example: '300ms',
  }),
  group: groupAddress.prefault('239.192.112.1').meta({
    description: 'Multicast group of the first link; each further link adds one.',
  }),
  port: z.int().min(1).max(65_535).default(3694).meta({ description: 'UDP port of the heartbeats.' }),
  key_file: file.meta({
    description:
      'Authenticates heartbeats: one or two lines `<id 1..255> <32 bytes or more in hex>`, the first to send with; mode 0600 or 0640.',
    example: '/etc/vipair/heartbeat.key',
  }),
  links: z.array(linkSchema).min(1).max(8).meta({
    description: 'The ways that heartbeats take. The peer is silent when it is silent on all of them.',
  }),
});

export const floatingSchema = z.strictObject({
  address: floatingAddress.meta({
    description:
      'An address that the active director holds; alone on its interface (/32, /128) unless a prefix is given.',
    example: '192.0.2.10',
  }),
  interface: perNode(interfaceName).meta({
    description: 'Where the address lives; may be a map of node names.',
    example: 'eth0',
  }),
  label: perNode(z.string().regex(LABEL, 'is not a label: 1 to 15 characters without space or slash'))
    .optional()
    .meta({
      description: 'What `ifconfig` shows for an IPv4 address; begins with the interface and a colon.',
      example: '"eth0:1"',
    }),
});

export const pathSchema = z.strictObject({
  name: name.meta({ description: 'Names the path in status, log and metrics.', example: 'upstream' }),
  interface: perNode(interfaceName).meta({
    description: 'The interface that the target is reached by; may be a map of node names.',
    example: 'eth0',
  }),
  target: perNode(hostAddress).meta({
    description:
      'What must answer: a neighbour such as the upstream router, or with `icmp` any host; may be a map of node names.',
    example: '192.0.2.1',
  }),
  probe: z.enum(['arp', 'icmp']).default('arp').meta({
    description:
      'How the target is asked: by ARP or ND with every heartbeat, or by ping, which also passes routers.',
  }),
  interval: interval.optional().meta({ description: 'Of `icmp`: time between two pings; 2s unless set.' }),
  timeout: timeout
    .optional()
    .meta({ description: 'Of `icmp`: how long an answer is waited for; 1s unless set.' }),
  rise: count
    .optional()
    .meta({ description: 'Of `icmp`: answers in a row until the path is up; 2 unless set.' }),
  fall: count
    .optional()
    .meta({ description: 'Of `icmp`: pings without answer in a row until it is down; 2 unless set.' }),
  required: z.boolean().optional().meta({
    description:
      'The office goes to the peer if this path is down here and up there. True unless there is a score.',
  }),
  score: z
    .int()
    .min(1)
    .max(253)
    .optional()
    .meta({ description: 'Instead: what losing the path takes from the priority.', example: 60 }),
});

export const scriptSchema = z.strictObject({
  name: name.meta({
    description: 'Names the script in status, log and metrics, as a path is named.',
    example: 'conntrack',
  }),
  command: programAndArguments.meta({
    description:
      'Program and arguments, run without a shell; all is well when it ends with 0. It is given `VIPAIR_PAIR`, `VIPAIR_NODE` and `VIPAIR_ROLE`.',
    example: '[/usr/local/bin/check-conntrack, "90"]',
  }),
  interval: interval.prefault('2s').meta({ description: 'Time from one run to the next.' }),
  timeout: timeout.prefault('1s').meta({
    description: 'A run that takes longer is killed with all it started, and has failed.',
  }),
  rise: count.default(2).meta({ description: 'Runs in a row that succeed until it counts as well.' }),
  fall: count.default(2).meta({ description: 'Runs in a row that fail until it counts as failed.' }),
  required: z.boolean().optional().meta({
    description:
      'The office goes to the peer if this fails here and succeeds there. True unless there is a score.',
  }),
  score: z
    .int()
    .min(1)
    .max(253)
    .optional()
    .meta({ description: 'Instead: what its failing takes from the priority.', example: 60 }),
});

const failbackSchema = z
  .union([z.literal('manual'), z.strictObject({ auto: duration(0, 24 * 3_600_000) })], {
    error: 'must be manual or, for instance, { auto: 60s }',
  })
  .prefault('manual')
  .meta({
    description:
      'Whether a returning node of higher priority takes the addresses back: on your word, or when it was fit for so long.',
    example: '{ auto: 60s }',
  });

const contestedSchema = z
  .union([z.literal('wait'), z.strictObject({ claim_after: duration(100, 3_600_000) })], {
    error: 'must be wait or, for instance, { claim_after: 10s }',
  })
  .prefault('wait')
  .meta({
    description: 'What a backup does that hears no heartbeat while the peer still answers for the addresses.',
    example: '{ claim_after: 10s }',
  });

const apiSchema = z.strictObject({
  listen: perNode(listenAddress).prefault('127.0.0.1:10112').meta({
    description:
      'Where metrics, page and API are served: `host:port` or `[v6]:port`; may be a map of node names.',
  }),
  token_file: file.optional().meta({
    description: 'Holds the token that commands over the API must show; without it they are refused.',
    example: '/etc/vipair/api.token',
  }),
});

export const configSchema = z.strictObject({
  pair: z.string().regex(PAIR_NAME, 'must be 1 to 32 of a-z 0-9 _ -').meta({
    description: 'Names the pair; both routers and no other pair on the same wire use it.',
    example: 'edge',
  }),
  nodes: nodesSchema,
  heartbeat: heartbeatSchema.meta({ description: 'How the two directors hear each other.' }),
  floating: z.array(floatingSchema).min(1).max(32).meta({
    description: 'The floating addresses: the active director holds all of them, the backup none.',
  }),
  paths: z
    .array(pathSchema)
    .max(16)
    .prefault([])
    .meta({ description: 'Ways to the world that are watched.' }),
  scripts: z
    .array(scriptSchema)
    .max(8)
    .prefault([])
    .meta({ description: 'Programs of yours that find out whether this director is fit for office.' }),
  failback: failbackSchema,
  contested: contestedSchema,
  gate: z.enum(['nftables', 'address', 'off']).default('nftables').meta({
    description:
      'How the kernel takes the addresses from a director that died or froze: at once at the end of the lease, by the lifetime of the addresses, or not at all.',
  }),
  address_lifetime: duration(1000, 3_600_000)
    .refine((lifetimeMs) => lifetimeMs % 1000 === 0, 'must be whole seconds')
    .optional()
    .meta({
      description:
        'valid_lft of the floating addresses, renewed while in office; 2 s more than the lease unless set.',
      example: '5s',
    }),
  lvs: lvsSchema.prefault({}).meta({ description: 'The virtual services.' }),
  api: apiSchema.prefault({}).meta({ description: 'Metrics, page and API.' }),
});

export type Config = z.infer<typeof configSchema>;
export type LinkConfig = z.infer<typeof linkSchema>;
export type FloatingConfig = z.infer<typeof floatingSchema>;
export type PathConfig = z.infer<typeof pathSchema>;
export type ScriptConfig = z.infer<typeof scriptSchema>;
export type HeartbeatConfig = z.infer<typeof heartbeatSchema>;
export { nodeName } from './values.ts';
export type { Ms, PerNode } from './values.ts';
