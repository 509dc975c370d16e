/**
 * From the table that is to the table that is wanted: the fewest changes, in an order that leaves no virtual
 * service without a real server on the way.
 *
 * What gives comes before what takes: first all that will take connections is there with its weight, then
 * weights go down and real servers go. So at every moment a service has all the real servers that it could
 * use before, or all that it can use afterwards.
 */
import { draftOf, serviceOf, type ServiceSettings, type TableChange } from './table-change.ts';
import { serviceKey, type Forwarding, type RealServer, type Table, type VirtualAddress } from './table.ts';

/** Both tables name each service once, and each real server of a service once. One change for each that differs. */
export function difference(desired: Table, actual: Table): readonly TableChange[] {
  const before = draftOf(actual);
  const after = draftOf(desired);
  const added: TableChange[] = [];
  const edited: TableChange[] = [];
  const servers: ServerChanges = { given: [], lowered: [], removed: [] };
  for (const [key, { settings, servers: wanted }] of after) {
    const service = before.get(key);
    if (service === undefined) {
      // With its servers right behind it: until the first is there the kernel refuses its connections.
      added.push({ kind: 'add-service', service: settings }, ...additions(settings.at, wanted));
      continue;
    }
    if (!isSameService(settings, service.settings)) {
      edited.push({ kind: 'edit-service', service: settings });
    }
    compareServers(servers, settings.at, wanted, service.servers);
  }
  const gone = [...before]
    .filter(([key]) => !after.has(key))
    .map(([, { settings }]) => ({ kind: 'remove-service' as const, at: settings.at }));
  return [...added, ...edited, ...servers.given, ...servers.lowered, ...servers.removed, ...gone];
}

/**
 * What can be done at once, and what only when all of that took effect: the kernel may refuse a change and
 * still carry out the next, so a real server is taken from a service only after those that were to be given
 * to the same service are there.
 */
export function inStages(changes: readonly TableChange[]): {
  readonly first: readonly TableChange[];
  readonly then: readonly TableChange[];
} {
  const awaiting = new Set(changes.filter(gives).map((change) => serviceKey(serviceOf(change))));
  const waits = (change: TableChange) => takes(change) && awaiting.has(serviceKey(serviceOf(change)));
  return { first: changes.filter((change) => !waits(change)), then: changes.filter(waits) };
}

interface ServerChanges {
  readonly given: TableChange[];
  readonly lowered: TableChange[];
  readonly removed: TableChange[];
}

type ServersByName = ReadonlyMap<string, RealServer>;

/** Those that take connections first. */
function additions(at: VirtualAddress, servers: ServersByName): TableChange[] {
  return [...servers.values()]
    .toSorted((a, b) => Number(b.weight > 0) - Number(a.weight > 0))
    .map((server) => ({ kind: 'add-server', at, server }));
}

function compareServers(
  changes: ServerChanges,
  at: VirtualAddress,
  wanted: ServersByName,
  present: ServersByName,
): void {
  for (const [key, server] of wanted) {
    const now = present.get(key);
    if (now === undefined) {
      changes.given.push({ kind: 'add-server', at, server });
    } else if (!isSameServer(server, now)) {
      const list = server.weight < now.weight ? changes.lowered : changes.given;
      list.push({ kind: 'edit-server', at, server });
    }
  }
  for (const [key, { address, port }] of present) {
    if (!wanted.has(key)) {
      changes.removed.push({ kind: 'remove-server', at, server: { address, port } });
    }
  }
}

function gives(change: TableChange): boolean {
  return (change.kind === 'add-server' || change.kind === 'edit-server') && change.server.weight > 0;
}

function takes(change: TableChange): boolean {
  return change.kind === 'remove-server' || (change.kind === 'edit-server' && change.server.weight === 0);
}

/** The order of flags carries no meaning. */
function isSameService(a: ServiceSettings, b: ServiceSettings): boolean {
  return (
    a.scheduler === b.scheduler &&
    a.isOnePacket === b.isOnePacket &&
    a.schedulerFlags.toSorted().join() === b.schedulerFlags.toSorted().join() &&
    a.persistence?.timeoutSeconds === b.persistence?.timeoutSeconds &&
    a.persistence?.netmask === b.persistence?.netmask &&
    a.persistence?.engine === b.persistence?.engine
  );
}

function isSameServer(a: RealServer, b: RealServer): boolean {
  return (
    a.weight === b.weight &&
    a.upperThreshold === b.upperThreshold &&
    a.lowerThreshold === b.lowerThreshold &&
    forwardingText(a.forwarding) === forwardingText(b.forwarding)
  );
}

/** Equal exactly when the forwarding is. */
function forwardingText(forwarding: Forwarding): string {
  if (forwarding.method !== 'tunnelling') {
    return forwarding.method;
  }
  const { tunnel } = forwarding;
  switch (tunnel.type) {
    case 'ipip':
      return 'ipip';
    case 'gue':
      return `gue ${tunnel.port} ${tunnel.checksum}`;
    case 'gre':
      return `gre ${tunnel.checksum}`;
  }
}
