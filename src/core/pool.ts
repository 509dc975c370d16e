import { type Check } from './check.ts';
import { type Drain, drainOf } from './drains.ts';
import {
  endpoint,
  type RealServer,
  serverId,
  serviceKey,
  type Table,
  type VirtualAddress,
  type VirtualService,
} from './table.ts';

/** What is done for a virtual service and its real servers. */
export interface Policy {
  /** For people and metrics; the service's key unless the configuration names it. */
  readonly name: string | undefined;
  readonly check: Check;
  /** A failed real server stays with weight 0 and keeps its connections, or leaves the table. */
  readonly onFailure: 'quiesce' | 'remove';
  /** So many usable real servers make the service up … */
  readonly quorum: number;
  /** … this many more bring it back, and this many fewer are borne before it is down. */
  readonly hysteresis: number;
  /** Takes over while the service is down. */
  readonly sorry: RealServer | undefined;
}

export interface ServicePolicy extends Policy {
  readonly key: string;
}

export interface Policies {
  readonly services: readonly ServicePolicy[];
  /** Of services that are not named: of TCP and SCTP, of UDP, and of marks, which do not say what they carry. */
  readonly stream: Policy;
  readonly datagram: Policy;
  readonly mark: Policy;
}

export function policyOf(policies: Policies, at: VirtualAddress): Policy {
  const key = serviceKey(at);
  const named = policies.services.find((policy) => policy.key === key);
  if (named !== undefined) {
    return named;
  }
  if (at.kind === 'fwmark') {
    return policies.mark;
  }
  return at.protocol === 'udp' ? policies.datagram : policies.stream;
}

/** How a real server is checked. One that stands for every port has none to connect to: it is pinged. */
export function checkOf(policies: Policies, at: VirtualAddress, server: Pick<RealServer, 'port'>): Check {
  const { check } = policyOf(policies, at);
  if (server.port !== 0 || !('port' in check) || check.port !== undefined || check.kind === 'script') {
    return check;
  }
  const { intervalMs, timeoutMs, rise, fall, sourceAddress } = check;
  return { kind: 'icmp', intervalMs, timeoutMs, rise, fall, sourceAddress };
}

/** What is known about the real servers. */
export interface Knowledge {
  readonly base: Table;
  readonly drains: readonly Drain[];
  /** By `serverId`: found failed. */
  readonly failed: ReadonlySet<string>;
  /** By `serverId`: the weight of the base stands, whatever is known. */
  readonly overridden: ReadonlySet<string>;
  /** By `serviceKey`; a service that is not there is up. */
  readonly quorate: ReadonlyMap<string, boolean>;
}

/** May it take new connections? */
export function isUsable(known: Knowledge, at: VirtualAddress, server: RealServer): boolean {
  const id = serverId(at, server);
  return (
    server.weight > 0 &&
    (known.overridden.has(id) || (!known.failed.has(id) && drainOf(known.drains, at, server) === undefined))
  );
}

/** Which services have enough usable real servers; one that nobody has asked about had. */
export function quorumsOf(known: Knowledge, policies: Policies): ReadonlyMap<string, boolean> {
  return new Map(
    known.base.map((service) => {
      const { quorum, hysteresis, sorry } = policyOf(policies, service.at);
      const key = serviceKey(service.at);
      const usableCount = service.servers.filter(
        (server) => isUsable(known, service.at, server) && !isSame(server, sorry),
      ).length;
      const wasUp = known.quorate.get(key) ?? usableCount >= quorum;
      return [key, usableCount >= Math.max(1, quorum + (wasUp ? -hysteresis : hysteresis))];
    }),
  );
}

/** The base as it is to be now. */
export function wantedTable(known: Knowledge, policies: Policies): Table {
  return known.base.map((service) => wantedService(service, known, policyOf(policies, service.at)));
}

function wantedService(service: VirtualService, known: Knowledge, policy: Policy): VirtualService {
  const { at } = service;
  const { sorry } = policy;
  const isSorry = sorry !== undefined && known.quorate.get(serviceKey(at)) === false;
  const servers = service.servers.flatMap((server) => {
    const id = serverId(at, server);
    // An operator may keep it in the table, as a spare without weight.
    if (isSorry && isSame(server, sorry)) {
      return [sorry];
    }
    const isGone = known.failed.has(id) && policy.onFailure === 'remove' && !known.overridden.has(id);
    return isGone ? [] : [isUsable(known, at, server) && !isSorry ? server : { ...server, weight: 0 }];
  });
  const isThere = servers.some((server) => isSame(server, sorry));
  return { ...service, servers: isSorry && !isThere ? [...servers, sorry] : servers };
}

function isSame(server: RealServer, other: RealServer | undefined): boolean {
  return other !== undefined && endpoint(server) === endpoint(other);
}

/** A real server that is other in the table than in the base, by this director's doing. */
export interface Kept {
  readonly service: string;
  readonly server: string;
  /** As the base has it; undefined for one that it has not. */
  readonly base: RealServer | undefined;
  /** As it may be found: the weight it had, and the one it was given. */
  readonly left: readonly (number | 'removed')[];
}

/** What must be remembered to know the base again from either table, the one that is and the one that is made of it. */
export function keptOf(base: Table, ...tables: readonly Table[]): readonly Kept[] {
  const byKeys = tables.map((table) => new Map(table.map((service) => [serviceKey(service.at), service])));
  return base.flatMap(({ at, servers }) => {
    const service = serviceKey(at);
    const lefts = byKeys.map((byKey) => serversByName(byKey.get(service)?.servers ?? []));
    const own = serversByName(servers);
    const names = new Set([...own.keys(), ...lefts.flatMap((left) => [...left.keys()])]);
    return [...names].flatMap((server): readonly Kept[] => {
      const inBase = own.get(server);
      const left = new Set(lefts.map((table) => table.get(server)?.weight ?? 'removed'));
      const isAsBase = left.size === 1 && left.has(inBase?.weight ?? 'removed');
      return isAsBase ? [] : [{ service, server, base: inBase, left: [...left] }];
    });
  });
}

export function serversByName(servers: readonly RealServer[]): ReadonlyMap<string, RealServer> {
  return new Map(servers.map((server) => [endpoint(server), server]));
}
