import { parseAddress } from '../core/address.ts';
import { type Problem } from './draft.ts';
import { lvsWarnings } from './lvs-warnings.ts';
import { type Config, type PerNode } from './schema.ts';
import { addressLifetimeSeconds } from './settings.ts';
import { timersFrom } from './timers.ts';
import { parseListen } from './values.ts';

/** What a correct configuration allows and its author may not have meant. */
export function warningsOf(config: Config): Problem[] {
  return [
    ...linkWarnings(config),
    ...gateWarnings(config),
    ...failbackWarnings(config),
    ...pathWarnings(config),
    ...lvsWarnings(config),
    ...apiWarnings(config),
  ];
}

function linkWarnings({ heartbeat }: Config): Problem[] {
  const path = ['heartbeat', 'links'];
  if (heartbeat.links.length === 1) {
    return [{ path, message: 'is only one way: cut it, and each director believes the other dead' }];
  }
  const interfaces = new Set(heartbeat.links.map((link) => JSON.stringify(link.interface)));
  return interfaces.size === 1
    ? [{ path, message: 'all leave by one interface: one cut silences them all' }]
    : [];
}

function gateWarnings(config: Config): Problem[] {
  const { deadMs } = timersFrom(config.heartbeat);
  const lifetimeSeconds = addressLifetimeSeconds(config);
  switch (config.gate) {
    case 'nftables':
      return [];
    case 'address':
      return lifetimeSeconds * 1000 <= deadMs
        ? []
        : [
            {
              path: ['gate'],
              message: `lets a dead director keep the addresses for up to ${lifetimeSeconds} s, and the other claims after ${deadMs} ms`,
            },
          ];
    case 'off':
      return [
        { path: ['gate'], message: 'lets a dead director keep the addresses until somebody removes them' },
      ];
  }
}

function failbackWarnings({ failback, nodes }: Config): Problem[] {
  const priorities = new Set(Object.values(nodes).map(({ priority }) => priority));
  return failback !== 'manual' && priorities.size === 1
    ? [{ path: ['failback'], message: 'never happens: both nodes have the same priority' }]
    : [];
}

function pathWarnings({ paths, floating, heartbeat }: Config): Problem[] {
  const known = [...floating, ...heartbeat.links].flatMap((entry) => valuesOf(entry.interface));
  return paths.flatMap((path, index) =>
    valuesOf(path.interface)
      .filter((name) => !known.includes(name))
      .map(() => ({
        path: ['paths', index, 'interface'],
        message: 'carries neither a link nor a floating address',
      })),
  );
}

function apiWarnings({ api, floating }: Config): Problem[] {
  const path = ['api', 'listen'];
  const hosts = valuesOf(api.listen).map((text) => parseListen(text)?.host ?? '');
  return [
    ...(hosts.some((host) => floating.some(({ address }) => address.address === host))
      ? [{ path, message: 'is a floating address: the backup cannot serve there' }]
      : []),
    ...(api.token_file === undefined && hosts.some((host) => !isLoopback(host))
      ? [
          {
            path,
            message:
              'can be read by everyone who reaches it; commands are refused there without a token_file',
          },
        ]
      : []),
  ];
}

function isLoopback(host: string): boolean {
  const address = parseAddress(host);
  return address?.family === 4 ? address.bytes[0] === 127 : host === '::1';
}

function valuesOf(value: PerNode): readonly string[] {
  return typeof value === 'string' ? [value] : Object.values(value);
}
