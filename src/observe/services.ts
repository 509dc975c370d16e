import { type CheckFailure } from '../core/check.ts';
import { drainOf } from '../core/drains.ts';
import { type Health } from '../core/health.ts';
import { knowledgeOf, type LvsMode, type LvsSettings, type LvsState } from '../core/lvs.ts';
import { isUsable, policyOf, serversByName } from '../core/pool.ts';
import {
  endpoint,
  type RealServer,
  serverId,
  serviceKey,
  type VirtualAddress,
  type VirtualService,
} from '../core/table.ts';
import { type Histogram } from './snapshot.ts';

/**
 * The virtual services as one of the directors sees them: what `vipair services --json` prints and
 * GET /services answers. Names and meanings are a contract with whoever reads it; fields may be added.
 */
export interface Services {
  readonly mode: LvsMode | 'off';
  readonly services: readonly ServiceStatus[];
  /** Why the table could not be read or changed; null while it can. */
  readonly problem: { readonly reason: string; readonly detail: string; readonly since: string } | null;
  readonly counts: LvsState['counts'];
  readonly totals: Totals | null;
}

/** Of all of IPVS, since it was loaded. */
export interface Totals {
  readonly connections: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface ServiceStatus {
  readonly at: VirtualAddress;
  /** `tcp 192.0.2.10:80`, `fwmark 1`. */
  readonly service: string;
  readonly name: string | null;
  readonly scheduler: string;
  readonly check: string;
  /** Enough real servers are usable. */
  readonly up: boolean;
  readonly quorum: number;
  readonly usable: number;
  readonly servers: readonly ServerStatus[];
}

export interface ServerStatus {
  /** `10.99.0.11:80` */
  readonly server: string;
  readonly address: string;
  readonly port: number;
  readonly forwarding: RealServer['forwarding']['method'];
  /** In the kernel's table; null where it is not in it. */
  readonly weight: number | null;
  /** While all is well. */
  readonly fullWeight: number;
  /** `unknown` before the first verdict. */
  readonly health: 'up' | 'down' | 'unknown';
  /** Since when, ISO 8601; null before the first verdict. */
  readonly since: string | null;
  /** Of the latest check; null if it succeeded or there was none. */
  readonly failure: { readonly reason: CheckFailure; readonly detail: string } | null;
  readonly checkMs: number | null;
  readonly certificateDays: number | null;
  readonly drained: { readonly by: string; readonly at: string } | null;
  /** Somebody gave it the weight it has by hand, whatever the checks say. */
  readonly byHand: boolean;
  /** Only while the service is down. */
  readonly sorry: boolean;
  /** What the peer finds; null while that is not known. */
  readonly peerUp: boolean | null;
  readonly activeConnections: number | null;
  readonly inactiveConnections: number | null;
}

/** What the process that runs the checks knows. */
export interface ServicesSnapshot {
  readonly state: LvsState;
  /** By `serverId`. */
  readonly health: ReadonlyMap<string, Health>;
  /** By `serverId`. */
  readonly connections: ReadonlyMap<string, { readonly active: number; readonly inactive: number }>;
  readonly totals: Totals | undefined;
  /** Established, of all real servers. */
  readonly activeConnections: number | undefined;
  /** By `serverId`: does the peer find it well? */
  readonly peerFindings: (id: string) => boolean | undefined;
  /** By `serviceKey`. */
  readonly durations: ReadonlyMap<string, Histogram>;
  readonly failures: readonly {
    readonly service: string;
    readonly reason: CheckFailure;
    readonly count: number;
  }[];
  readonly latenessMs: Histogram;
  /** Unix milliseconds of the monotonic instant 0. */
  readonly wallOffsetMs: number;
}

export function servicesView(
  snapshot: ServicesSnapshot,
  mode: LvsMode | 'off',
  settings: Pick<LvsSettings, 'policies'>,
): Services {
  const { state, wallOffsetMs, totals } = snapshot;
  const isoOf = (atMs: number) => new Date(wallOffsetMs + atMs).toISOString();
  const seen = new Map((state.seen ?? []).map((service) => [serviceKey(service.at), service]));
  return {
    mode,
    services: state.base.map((service) =>
      serviceStatus(service, seen.get(serviceKey(service.at)), { snapshot, settings, isoOf }),
    ),
    problem:
      state.problem === undefined
        ? null
        : {
            reason: state.problem.reason,
            detail: state.problem.detail,
            since: isoOf(state.problem.sinceMs),
          },
    counts: state.counts,
    totals: totals ?? null,
  };
}

interface Surroundings {
  readonly snapshot: ServicesSnapshot;
  readonly settings: Pick<LvsSettings, 'policies'>;
  readonly isoOf: (atMs: number) => string;
}

function serviceStatus(
  service: VirtualService,
  seen: VirtualService | undefined,
  surroundings: Surroundings,
): ServiceStatus {
  const { snapshot, settings } = surroundings;
  const { at, servers } = service;
  const key = serviceKey(at);
  const policy = policyOf(settings.policies, at);
  const knowledge = knowledgeOf(snapshot.state);
  const present = serversByName(seen?.servers ?? []);
  const own = serversByName(servers);
  const sorry = [...present.values()].filter((server) => !own.has(endpoint(server)));
  const statusOf = (server: RealServer, isSorry: boolean) =>
    serverStatus(service, server, {
      ...surroundings,
      weight: present.get(endpoint(server))?.weight ?? null,
      isSorry,
    });
  return {
    at,
    service: key,
    name: policy.name ?? null,
    scheduler: service.scheduler,
    check: policy.check.kind,
    up: snapshot.state.quorate.get(key) ?? true,
    quorum: policy.quorum,
    usable: servers.filter((server) => isUsable(knowledge, at, server)).length,
    servers: [
      ...servers.map((server) => statusOf(server, false)),
      ...sorry.map((server) => statusOf(server, true)),
    ],
  };
}

function serverStatus(
  { at }: VirtualService,
  server: RealServer,
  {
    snapshot,
    isoOf,
    weight,
    isSorry,
  }: Surroundings & { readonly weight: number | null; readonly isSorry: boolean },
): ServerStatus {
  const { state } = snapshot;
  const id = serverId(at, server);
  const health = snapshot.health.get(id);
  const drain = drainOf(state.memory.drains, at, server);
  const connections = snapshot.connections.get(id);
  const last = health?.last;
  return {
    server: endpoint(server),
    address: server.address,
    port: server.port,
    forwarding: server.forwarding.method,
    weight,
    fullWeight: server.weight,
    health: healthOf(health, state.failed.has(id)),
    since: health?.sinceMs === undefined ? null : isoOf(health.sinceMs),
    failure: last?.ok === false ? { reason: last.reason, detail: last.detail } : null,
    checkMs: last === undefined ? null : Math.round(last.durationMs * 100) / 100,
    certificateDays: last?.certificateDays ?? null,
    drained: drain === undefined ? null : { by: drain.by, at: new Date(drain.wallMs).toISOString() },
    byHand: state.overridden.has(id),
    sorry: isSorry,
    peerUp: snapshot.peerFindings(id) ?? null,
    activeConnections: connections?.active ?? null,
    inactiveConnections: connections?.inactive ?? null,
  };
}

/** An earlier life may have found it failed, and this one may not have looked often enough yet. */
function healthOf(health: Health | undefined, isFailed: boolean): ServerStatus['health'] {
  switch (health?.verdict.isUp) {
    case undefined:
      return isFailed ? 'down' : 'unknown';
    case true:
      return 'up';
    case false:
      return 'down';
  }
}
