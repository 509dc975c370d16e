import { parseAddress } from '../core/address.ts';
import { type Problem } from './draft.ts';
import { type ServiceConfig } from './lvs-schema.ts';
import { forwardingOf, isTrack } from './lvs-settings.ts';
import { type Config } from './schema.ts';
import { valueFor } from './values.ts';

/** What a correct `lvs:` section allows and its author may not have meant. */
export function lvsWarnings(config: Config): Problem[] {
  const { mode, services } = config.lvs;
  if (mode === 'off') {
    return services.length === 0
      ? []
      : [{ path: ['lvs', 'services'], message: 'are not looked at in mode off, and move nothing' }];
  }
  return [
    ...(mode === 'own'
      ? [
          {
            path: ['lvs', 'mode'],
            message: 'removes every virtual service from the IPVS table that is not in this file',
          },
        ]
      : []),
    ...services.flatMap((service, index) => {
      const path = ['lvs', 'services', index];
      return [
        ...floatingWarnings(service, config, path),
        ...gatewayWarnings(service, config, path),
        ...idleWarnings(service, config, path),
      ];
    }),
  ];
}

function floatingWarnings(
  { address }: ServiceConfig,
  { floating }: Config,
  path: readonly PropertyKey[],
): Problem[] {
  return address === undefined || floating.some((entry) => entry.address.address === address.address)
    ? []
    : [
        {
          path: [...path, 'address'],
          message: 'is not at a floating address of this pair: it does not move with the office',
        },
      ];
}

/** Masqueraded answers must come back through the active director: real servers need a way to whoever that is. */
function gatewayWarnings(
  service: ServiceConfig,
  { floating, nodes }: Config,
  path: readonly PropertyKey[],
): Problem[] {
  const { address: at, servers = [] } = service;
  const own = floating.find(({ address }) => address.address === at?.address);
  if (
    own === undefined ||
    !servers.some((server) => forwardingOf(server, service).method === 'masquerading')
  ) {
    return [];
  }
  const family = parseAddress(own.address.address)?.family;
  const hasGateway = floating.some(
    (other) =>
      parseAddress(other.address.address)?.family === family &&
      Object.keys(nodes).every((node) => valueFor(other.interface, node) !== valueFor(own.interface, node)),
  );
  return hasGateway
    ? []
    : [
        {
          path,
          message: `is masqueraded, and there is no floating IPv${family ?? 4} address on another interface that its real servers could have as their gateway`,
        },
      ];
}

/** It counts, and nothing can make it fail. */
function idleWarnings(service: ServiceConfig, { lvs }: Config, path: readonly PropertyKey[]): Problem[] {
  const { kind } = service.check ?? lvs.check ?? {};
  return isTrack(service) && kind === 'none'
    ? [{ path, message: 'counts for the office, and its real servers are not checked' }]
    : [];
}
