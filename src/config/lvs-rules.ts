import { parseAddress } from '../core/address.ts';
import { endpoint, serviceKey } from '../core/table.ts';
import { type Draft, type Entry, type Problem } from './draft.ts';
import { isOwnKey, type ServerConfig, type ServiceConfig, type SorryConfig } from './lvs-schema.ts';
import { addressOf, forwardingOf, isTrack, portOf } from './lvs-settings.ts';
import { duplicates, perNodeProblems } from './per-node-rules.ts';
import { suggest } from './suggest.ts';
import { weightProblems } from './track-rules.ts';

/** As many as one director checks every second. */
const MOST_SERVERS = 10_000;

export function lvsProblems(draft: Draft): Problem[] {
  const { lvs, nodeNames } = draft;
  const { services } = lvs;
  return [
    ...perNodeProblems(lvs.syncInterface, ['lvs', 'sync', 'interface'], nodeNames),
    ...tableProblems(draft),
    ...duplicates(
      services,
      ({ value }) => value.name,
      (entry, first) => ({
        path: [...at(entry), 'name'],
        message: `is already the name of service ${first.index + 1}`,
      }),
    ),
    ...duplicates(
      services.filter(({ value }) => hasOneAddress(value)),
      ({ value }) => serviceKey(addressOf(value)),
      (entry, first) => ({ path: at(entry), message: `is the same as service ${first.index + 1}` }),
    ),
    ...services.flatMap((entry) => [
      ...addressProblems(entry),
      ...ownKeyProblems(entry, draft),
      ...quorumProblems(entry),
      ...trackProblems(entry),
      ...perNodeProblems(checkSource(entry.value), [...at(entry), 'check', 'source'], nodeNames),
      ...persistenceProblems(entry, draft),
      ...schedulingProblems(entry),
      ...serverProblems(entry),
      ...sorryProblems(entry),
    ]),
    ...perNodeProblems(lvs.checkSource, ['lvs', 'check', 'source'], nodeNames),
  ];
}

/** What the table as a whole must be. */
function tableProblems({ lvs: { mode, isEmpty, serverCount } }: Draft): Problem[] {
  return [
    ...(mode === 'own' && isEmpty
      ? [
          {
            path: ['lvs'],
            key: { name: 'services', state: 'missing' as const },
            message: 'is missing, and mode own would empty the table',
          },
        ]
      : []),
    ...(serverCount > MOST_SERVERS
      ? [
          {
            path: ['lvs', 'services'],
            message: `must have at most ${MOST_SERVERS} real servers in all, and there are ${serverCount}`,
          },
        ]
      : []),
  ];
}

function addressProblems(entry: Entry<ServiceConfig>): Problem[] {
  const { address, fwmark, protocol, family } = entry.value;
  const path = at(entry);
  if (!hasOneAddress(entry.value)) {
    return [
      {
        path,
        message:
          address === undefined
            ? 'must have an address or a fwmark'
            : 'must have an address or a fwmark, not both',
      },
    ];
  }
  return [
    ...(fwmark !== undefined && protocol !== undefined
      ? [wrongKey(path, 'protocol', 'belongs to an address: a fwmark does not say it')]
      : []),
    ...(address !== undefined && family !== undefined
      ? [wrongKey(path, 'family', 'belongs to a fwmark: the address says it')]
      : []),
  ];
}

function ownKeyProblems(entry: Entry<ServiceConfig>, { lvs: { mode } }: Draft): Problem[] {
  if (mode === 'own' && entry.value.servers === undefined) {
    return [
      {
        path: at(entry),
        key: { name: 'servers', state: 'missing' },
        message: 'is missing, and mode own needs one at least',
      },
    ];
  }
  return mode === 'own' || mode === undefined
    ? []
    : Object.keys(entry.value)
        .filter(isOwnKey)
        .map((key) => wrongKey(at(entry), key, `belongs to mode own, and this is mode ${mode}`));
}

function quorumProblems(entry: Entry<ServiceConfig>): Problem[] {
  const { quorum, hysteresis, servers } = entry.value;
  return [
    ...(quorum - hysteresis < 1
      ? [
          {
            path: at(entry),
            message: `must have a hysteresis (${hysteresis}) less than its quorum (${quorum})`,
          },
        ]
      : []),
    ...(servers !== undefined && quorum + hysteresis > servers.length
      ? [
          {
            path: at(entry),
            message:
              hysteresis === 0
                ? `must have a quorum of at most the number of its servers: ${quorum} > ${servers.length}`
                : `must have a quorum and hysteresis of at most the number of its servers, or it never comes back: ${quorum} + ${hysteresis} > ${servers.length}`,
          },
        ]
      : []),
  ];
}

function trackProblems(entry: Entry<ServiceConfig>): Problem[] {
  const { value } = entry;
  return [
    ...weightProblems(value, at(entry)),
    ...(isTrack(value) && value.name === undefined
      ? [
          {
            path: at(entry),
            key: { name: 'name', state: 'missing' as const },
            message: 'is missing, and a service that can move the office needs one',
          },
        ]
      : []),
  ];
}

function persistenceProblems(entry: Entry<ServiceConfig>, { lvs: { mode } }: Draft): Problem[] {
  const { address, protocol, persistence } = entry.value;
  const path = [...at(entry), 'persistence'];
  if (persistence === undefined) {
    return mode === 'own' && address?.port === 0
      ? [{ path: [...at(entry), 'address'], message: 'is of all ports (port 0), which needs persistence' }]
      : [];
  }
  const { netmask, engine } = persistence;
  const family = familyOf(entry.value);
  return [
    ...(netmask === undefined || isNetmask(netmask, family)
      ? []
      : [
          {
            path: [...path, 'netmask'],
            message:
              family === 4
                ? 'is not a netmask of an IPv4 service, such as 255.255.255.0'
                : 'is not a prefix length of an IPv6 service: 1 to 128',
          },
        ]),
    ...(engine === 'sip' && address !== undefined && protocol !== 'udp'
      ? [{ path: [...path, 'engine'], message: 'is for protocol: udp only' }]
      : []),
  ];
}

function schedulingProblems(entry: Entry<ServiceConfig>): Problem[] {
  const { address, protocol, one_packet, scheduler = 'wlc', scheduler_flags = [] } = entry.value;
  const fitting = ['fallback', 'port'].map((flag) => `${scheduler}-${flag}`);
  const isHash = scheduler === 'sh' || scheduler === 'mh';
  return [
    ...(one_packet === true && address !== undefined && protocol !== 'udp'
      ? [{ path: [...at(entry), 'one_packet'], message: 'is for protocol: udp only' }]
      : []),
    ...scheduler_flags.flatMap((flag, index): Problem[] =>
      fitting.includes(flag)
        ? []
        : [
            {
              path: [...at(entry), 'scheduler_flags', index],
              message: isHash
                ? `is not a flag of ${scheduler}`
                : `is not a flag of ${scheduler}: only sh and mh have flags`,
              suggestion: isHash ? suggest(flag, fitting) : undefined,
            },
          ],
    ),
  ];
}

function serverProblems(entry: Entry<ServiceConfig>): Problem[] {
  const { servers = [], tunnel } = entry.value;
  const indexed = servers.map((value, index) => ({ value, index }));
  return [
    ...(tunnel !== undefined && servers.every((server) => !isTunnelled(server, entry.value))
      ? [wrongKey(at(entry), 'tunnel', 'belongs to forwarding: tunnelling')]
      : []),
    ...duplicates(
      indexed,
      ({ value }) => placeOf(value, entry.value),
      ({ index }, first) => ({
        path: [...at(entry), 'servers', index, 'address'],
        message: `is already real server ${first.index + 1} of this service`,
      }),
    ),
    ...indexed.flatMap(({ value, index }) => {
      const path = [...at(entry), 'servers', index];
      return [...destinationProblems(value, entry.value, path), ...thresholdProblems(value, path)];
    }),
  ];
}

function sorryProblems(entry: Entry<ServiceConfig>): Problem[] {
  const { sorry, servers = [] } = entry.value;
  if (sorry === undefined) {
    return [];
  }
  const path = [...at(entry), 'sorry'];
  const position = servers.findIndex(
    (server) => placeOf(server, entry.value) === placeOf(sorry, entry.value),
  );
  return [
    ...(position < 0
      ? []
      : [
          {
            path: [...path, 'address'],
            message: `is real server ${position + 1} of this service: a sorry server must be another`,
          },
        ]),
    ...destinationProblems(sorry, entry.value, path),
  ];
}

/** Where packets go: only a tunnel leads to another family, and only masquerading writes another port. */
function destinationProblems(
  destination: ServerConfig | SorryConfig,
  service: ServiceConfig,
  path: readonly PropertyKey[],
): Problem[] {
  if (!hasOneAddress(service)) {
    return [];
  }
  const { method } = forwardingOf(destination, service);
  const [own, port] = [familyOf(service), service.address?.port ?? 0];
  return [
    ...(method !== 'tunnelling' && parseAddress(destination.address.address)?.family !== own
      ? [
          {
            path: [...path, 'address'],
            message: `must be an IPv${own} address as that of the service; only tunnelling leads to the other family`,
          },
        ]
      : []),
    ...(method !== 'masquerading' && portOf(destination, service) !== port
      ? [
          {
            path: [...path, 'address'],
            message: `must have ${port === 0 ? 'no port' : `the port ${port} of the service`}: ${method} leaves the port as it is, only masquerading can map ports`,
          },
        ]
      : []),
    ...(destination.tunnel !== undefined && method !== 'tunnelling'
      ? [wrongKey(path, 'tunnel', 'belongs to forwarding: tunnelling')]
      : []),
  ];
}

function thresholdProblems(
  { upper_threshold: upper, lower_threshold: lower }: ServerConfig,
  path: readonly PropertyKey[],
): Problem[] {
  return lower > upper
    ? [
        {
          path: [...path, 'lower_threshold'],
          message:
            upper === 0
              ? 'must not be without an upper_threshold'
              : `must be at most the upper_threshold of ${upper}`,
        },
      ]
    : [];
}

/** Ones, then zeros: the kernel would take others, and nobody means them. */
function isNetmask(text: string, family: 4 | 6): boolean {
  if (family === 6) {
    return /^[1-9]\d{0,2}$/.test(text) && Number(text) <= 128;
  }
  const mask = parseAddress(text);
  const bits = Array.from(mask?.bytes ?? [], (byte) => byte.toString(2).padStart(8, '0')).join('');
  return mask?.family === 4 && /^1+0*$/.test(bits);
}

function isTunnelled(server: ServerConfig, service: ServiceConfig): boolean {
  return forwardingOf(server, service).method === 'tunnelling';
}

function placeOf(server: ServerConfig | SorryConfig, service: ServiceConfig): string {
  return endpoint({ address: server.address.address, port: portOf(server, service) });
}

function familyOf({ address, family }: ServiceConfig): 4 | 6 {
  return address === undefined ? (family === 'ipv6' ? 6 : 4) : address.address.includes(':') ? 6 : 4;
}

function hasOneAddress({ address, fwmark }: ServiceConfig): boolean {
  return (address === undefined) !== (fwmark === undefined);
}

function checkSource({ check }: ServiceConfig) {
  return check !== undefined && 'source' in check ? check.source : undefined;
}

function wrongKey(path: readonly PropertyKey[], name: string, message: string): Problem {
  return { path, key: { name, state: 'wrong' }, message };
}

function at({ index }: Entry<ServiceConfig>): readonly PropertyKey[] {
  return ['lvs', 'services', index];
}
