import { type Kept, serversByName } from './pool.ts';
import { endpoint, type RealServer, serverId, serviceKey, type Table, type VirtualService } from './table.ts';

/** What this director knew before it read the table. */
export interface Known {
  readonly base: Table;
  /** The table as it was left or last read; undefined before the first reading. */
  readonly seen: Table | undefined;
  /** What a change would have made of it that failed on the way; some of it may have come true. */
  readonly attempted: Table | undefined;
  /** What an earlier life left behind. */
  readonly kept: readonly Kept[];
}

export interface Adopted {
  readonly base: Table;
  /** By `serverId`: whose weight somebody else has changed, or who was added, since the table was seen. */
  readonly touched: ReadonlySet<string>;
  /** Of these, who had another weight than its base's by this director's doing: it was contradicted. */
  readonly contradicted: ReadonlySet<string>;
}

/**
 * Takes a table that was read for its operator's, but for what this director itself has made of it: a weight
 * that is still as this director left it stands for the one that the base has, and a real server that this
 * director removed is still of the base. Everything else is the operator's word.
 */
export function adopt(known: Known, actual: Table): Adopted {
  const base = servicesByKey(known.base);
  const seen = servicesByKey(known.seen ?? []);
  const attempted = servicesByKey(known.attempted ?? []);
  const touched = new Set<string>();
  const contradicted = new Set<string>();
  const services = actual.map((service): VirtualService => {
    const key = serviceKey(service.at);
    const before: Before = {
      isFirst: known.seen === undefined,
      hasAttempted: known.attempted !== undefined,
      base: serversByName(base.get(key)?.servers ?? []),
      seen: serversByName(seen.get(key)?.servers ?? []),
      attempted: serversByName(attempted.get(key)?.servers ?? []),
      kept: new Map(known.kept.filter((kept) => kept.service === key).map((kept) => [kept.server, kept])),
    };
    const present = service.servers.flatMap((server) => {
      const { isTouched, server: own } = baseOf(server, before);
      if (isTouched && !before.isFirst) {
        touched.add(serverId(service.at, server));
        const name = endpoint(server);
        const left = before.seen.get(name)?.weight;
        if (left !== undefined && left !== before.base.get(name)?.weight) {
          contradicted.add(serverId(service.at, server));
        }
      }
      return own === undefined ? [] : [own];
    });
    return { ...service, servers: [...present, ...removedByUs(service, before)] };
  });
  return { base: services, touched, contradicted };
}

interface Before {
  readonly isFirst: boolean;
  readonly hasAttempted: boolean;
  readonly base: ReadonlyMap<string, RealServer>;
  readonly seen: ReadonlyMap<string, RealServer>;
  readonly attempted: ReadonlyMap<string, RealServer>;
  readonly kept: ReadonlyMap<string, Kept>;
}

/** What the base is to have for a real server of the table; `server` is undefined for one that only we put there. */
function baseOf(
  server: RealServer,
  before: Before,
): { readonly server: RealServer | undefined; readonly isTouched: boolean } {
  const name = endpoint(server);
  if (before.isFirst) {
    const kept = before.kept.get(name);
    const isOurs = kept?.left.includes(server.weight) === true;
    return { server: isOurs ? withWeight(server, kept.base) : server, isTouched: false };
  }
  const isAsLeft =
    before.seen.get(name)?.weight === server.weight || before.attempted.get(name)?.weight === server.weight;
  return isAsLeft
    ? { server: withWeight(server, before.base.get(name)), isTouched: false }
    : { server, isTouched: true };
}

/** All but the weight is as the table has it now. */
function withWeight(server: RealServer, base: RealServer | undefined): RealServer | undefined {
  return base === undefined ? undefined : { ...server, weight: base.weight };
}

/** What is not in the table because this director took it out; what somebody else took out is gone. */
function removedByUs(service: VirtualService, before: Before): readonly RealServer[] {
  const present = new Set(service.servers.map(endpoint));
  if (before.isFirst) {
    return [...before.kept.values()].flatMap(({ server, base, left }) =>
      base !== undefined && left.includes('removed') && !present.has(server) ? [base] : [],
    );
  }
  return [...before.base]
    .filter(([name]) => !present.has(name))
    .filter(([name]) => !before.seen.has(name) || (before.hasAttempted && !before.attempted.has(name)))
    .map(([, server]) => server);
}

function servicesByKey(table: Table): ReadonlyMap<string, VirtualService> {
  return new Map(table.map((service) => [serviceKey(service.at), service]));
}
