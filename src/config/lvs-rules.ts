import { parseAddress } from '../core/address.ts';
import { endpoint, serviceKey, type VirtualAddress } from '../core/table.ts';
import { type Draft, type Entry, type Problem } from './draft.ts';
import { duplicates, perNodeProblems } from './per-node-rules.ts';
import { type ServerConfig, type ServiceConfig } from './lvs-schema.ts';

const MOST_SERVERS = 10_000;

/** What belongs to a table that is written, and means nothing of one that is there. */
const ownKeys = [
  'scheduler',
  'scheduler_flags',
  'persistence',
  'one_packet',
  'forwarding',
  'tunnel',
  'servers',
] as const;

/** The virtual services: what each must be in itself, and what they must be to each other. */
export function lvsProblems({ lvs, nodeNames }: Draft): Problem[] {
  const { services, mode } = lvs;
  return [
    ...perNodeProblems(lvs.syncInterface, ['lvs', 'sync', 'interface'], nodeNames),
    ...duplicates(
      services,
      ({ value }) => keyOf(value),
      ({ index }, first) => ({ path: at(index), message: `is the same service as ${first.index + 1}` }),
    ),
    ...duplicates(
      services,
      ({ value }) => value.name,
      ({ index }, first) => ({
        path: [...at(index), 'name'],
        message: `is already the name of service ${first.index + 1}`,
      }),
    ),
    ...services.flatMap((entry) => [
      ...placeProblems(entry),
      ...modeProblems(entry, mode),
      ...trackProblems(entry),
      ...quorumProblems(entry, mode),
      ...persistenceProblems(entry),
      ...serverProblems(entry),
    ]),
    ...sizeProblems(services),
  ];
}

export function virtualAddressOf(service: ServiceConfig): VirtualAddress | undefined {
  if (service.fwmark !== undefined) {
    return { kind: 'fwmark', mark: service.fwmark, family: service.family === 'ipv6' ? 6 : 4 };
  }
  return service.address === undefined
    ? undefined
    : { kind: 'address', protocol: service.protocol, ...service.address };
}

function at(index: number): readonly PropertyKey[] {
  return ['lvs', 'services', index];
}

function keyOf(service: ServiceConfig): string | undefined {
  const address = virtualAddressOf(service);
  return address === undefined ? undefined : serviceKey(address);
}

function placeProblems({ index, value }: Entry<ServiceConfig>): Problem[] {
  const { address, fwmark } = value;
  return [
    ...((address === undefined) === (fwmark === undefined)
      ? [{ path: at(index), message: 'must have either an address or a fwmark' }]
      : []),
    ...(address?.port === 0 && value.servers !== undefined && value.persistence === undefined
      ? [
          {
            path: [...at(index), 'address'],
            message: 'takes every port, which the kernel allows with persistence only',
          },
        ]
      : []),
    ...(value.one_packet === true && (value.protocol !== 'udp' || fwmark !== undefined)
      ? [{ path: [...at(index), 'one_packet'], message: 'is for UDP only' }]
      : []),
  ];
}

function modeProblems({ index, value }: Entry<ServiceConfig>, mode: string | undefined): Problem[] {
  if (mode === 'own') {
    return value.servers === undefined || value.servers.length === 0
      ? [{ path: at(index), message: 'must have servers in mode own' }]
      : [];
  }
  return ownKeys
    .filter((key) => value[key] !== undefined)
    .map((key) => ({
      path: at(index),
      key: { name: key, state: 'wrong' },
      message: `belongs to mode own: in mode ${mode ?? 'adopt'} the table says it`,
    }));
}

function trackProblems({ index, value }: Entry<ServiceConfig>): Problem[] {
  const { required, score, name } = value;
  const isTrack = required === true || score !== undefined;
  return [
    ...(required === true && score !== undefined
      ? [{ path: at(index), message: 'is either required or has a score, not both' }]
      : []),
    ...(isTrack && name === undefined
      ? [{ path: at(index), message: 'needs a name to move the office: it is shown by that' }]
      : []),
  ];
}

function quorumProblems({ index, value }: Entry<ServiceConfig>, mode: string | undefined): Problem[] {
  const { quorum, hysteresis, servers = [] } = value;
  const most = quorum + hysteresis;
  return [
    ...(quorum - hysteresis < 1
      ? [
          {
            path: [...at(index), 'hysteresis'],
            message: `must be less than the quorum of ${quorum}, or the service is never down`,
          },
        ]
      : []),
    ...(mode === 'own' && servers.length > 0 && most > servers.length
      ? [
          {
            path: [...at(index), 'quorum'],
            message: `needs ${most} real servers to be up again, and there are ${servers.length}`,
          },
        ]
      : []),
  ];
}

function persistenceProblems({ index, value }: Entry<ServiceConfig>): Problem[] {
  const netmask = value.persistence?.netmask;
  return netmask === undefined || isNetmask(netmask, familyOf(value))
    ? []
    : [
        {
          path: [...at(index), 'persistence', 'netmask'],
          message:
            familyOf(value) === 6
              ? 'is not a prefix length of 1 to 128'
              : 'is not a netmask, such as 255.255.255.0',
        },
      ];
}

function familyOf(service: ServiceConfig): 4 | 6 {
  const { address } = service;
  return address === undefined ? (service.family === 'ipv6' ? 6 : 4) : address.address.includes(':') ? 6 : 4;
}

function isNetmask(text: string, family: 4 | 6): boolean {
  if (family === 6) {
    return /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 128;
  }
  const parsed = parseAddress(text);
  const bits =
    parsed?.family === 4 ? Array.from(parsed.bytes, (byte) => byte.toString(2).padStart(8, '0')) : [];
  return /^1+0*$/.test(bits.join(''));
}

/** The kernel rewrites no port of a packet that it does not masquerade, and gives it to its own family. */
function serverProblems({ index, value }: Entry<ServiceConfig>): Problem[] {
  const servers = value.servers ?? [];
  const path = (server: number) => [...at(index), 'servers', server];
  const places = servers.map((server, position) => ({ server, position }));
  const sorry: readonly Problem[] =
    value.sorry === undefined
      ? []
      : [
          ...reachProblems({ ...value.sorry, tunnel: undefined }, value, [...at(index), 'sorry', 'address']),
          ...(servers.some((server) => nameOf(server, value) === nameOf(value.sorry, value))
            ? [{ path: [...at(index), 'sorry', 'address'], message: 'is one of the servers already' }]
            : []),
        ];
  return [
    ...duplicates(
      places,
      ({ server }) => nameOf(server, value),
      ({ position }, first) => ({
        path: [...path(position), 'address'],
        message: `is the same real server as ${first.position + 1}`,
      }),
    ),
    ...servers.flatMap((server, position) => [
      ...reachProblems(server, value, [...path(position), 'address']),
      ...(server.lower_threshold > server.upper_threshold
        ? [{ path: [...path(position), 'lower_threshold'], message: 'must not be above the upper_threshold' }]
        : []),
    ]),
    ...sorry,
  ];
}

type Reached = Pick<ServerConfig, 'address' | 'forwarding' | 'tunnel'>;

function reachProblems(server: Reached, service: ServiceConfig, path: readonly PropertyKey[]): Problem[] {
  const method = server.forwarding ?? service.forwarding ?? 'masquerading';
  const { address, port } = server.address;
  const servicePort = service.address?.port;
  const isForeign = (address.includes(':') ? 6 : 4) !== familyOf(service);
  return [
    ...(method !== 'tunnelling' && isForeign
      ? [{ path, message: 'is of another family than the service, which only a tunnel can bridge' }]
      : []),
    ...(method !== 'masquerading' && port !== undefined && servicePort !== undefined && port !== servicePort
      ? [
          {
            path,
            message: `must have the port ${servicePort} of the service: only masquerading can map ports`,
          },
        ]
      : []),
    ...((server.tunnel ?? undefined) !== undefined && method !== 'tunnelling'
      ? [{ path, message: `has a tunnel, and is reached by ${method}` }]
      : []),
  ];
}

/** As the table will name it. */
function nameOf(
  server: Pick<ServerConfig, 'address'> | undefined,
  service: ServiceConfig,
): string | undefined {
  return server === undefined
    ? undefined
    : endpoint({ address: server.address.address, port: server.address.port ?? service.address?.port ?? 0 });
}

function sizeProblems(services: Draft['lvs']['services']): Problem[] {
  const count = services.reduce((sum, { value }) => sum + (value.servers?.length ?? 0), 0);
  return count > MOST_SERVERS
    ? [
        {
          path: ['lvs', 'services'],
          message: `must have at most ${MOST_SERVERS} real servers in all, and has ${count}`,
        },
      ]
    : [];
}
