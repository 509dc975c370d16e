/**
 * Changes of the IPVS table as values, and what they do: as the kernel carries them out, one after another.
 */
import {
  endpoint,
  serviceKey,
  type RealServer,
  type Table,
  type VirtualAddress,
  type VirtualService,
} from './table.ts';

/** A virtual service without its real servers. */
export type ServiceSettings = Omit<VirtualService, 'servers'>;

export type TableChange =
  | { readonly kind: 'add-service'; readonly service: ServiceSettings }
  /** All settings are replaced; the real servers stay. */
  | { readonly kind: 'edit-service'; readonly service: ServiceSettings }
  /** Its real servers go with it. */
  | { readonly kind: 'remove-service'; readonly at: VirtualAddress }
  | { readonly kind: 'add-server'; readonly at: VirtualAddress; readonly server: RealServer }
  /** Forwarding, weight and thresholds are replaced; established connections stay. */
  | { readonly kind: 'edit-server'; readonly at: VirtualAddress; readonly server: RealServer }
  | { readonly kind: 'remove-server'; readonly at: VirtualAddress; readonly server: ServerAddress };

/** Names a real server within its service. */
export type ServerAddress = Pick<RealServer, 'address' | 'port'>;

/** Why the kernel refuses a change. */
export type ChangeRefusal = 'service-exists' | 'no-such-service' | 'server-exists' | 'no-such-server';

/** The table after the changes. One that does not fit changes nothing, and the next is tried, as the kernel does it. */
export function applyChanges(table: Table, changes: readonly TableChange[]): Table {
  const draft = draftOf(table);
  for (const change of changes) {
    applyChange(draft, change);
  }
  return tableOf(draft);
}

/** A table that is being changed: services and servers by their names, in the order of their arrival. */
export type TableDraft = Map<
  string,
  { settings: ServiceSettings; readonly servers: Map<string, RealServer> }
>;

export function draftOf(table: Table): TableDraft {
  return new Map(
    table.map(({ servers, ...settings }) => [
      serviceKey(settings.at),
      { settings, servers: new Map(servers.map((server) => [endpoint(server), server])) },
    ]),
  );
}

export function tableOf(draft: TableDraft): Table {
  return Array.from(draft.values(), ({ settings, servers }) => ({
    ...settings,
    servers: [...servers.values()],
  }));
}

/** Changes the draft, or says why it cannot and leaves it as it is. */
export function applyChange(draft: TableDraft, change: TableChange): ChangeRefusal | undefined {
  const key = serviceKey(serviceOf(change));
  const service = draft.get(key);
  if (change.kind === 'add-service') {
    if (service !== undefined) {
      return 'service-exists';
    }
    draft.set(key, { settings: change.service, servers: new Map() });
    return undefined;
  }
  if (service === undefined) {
    return 'no-such-service';
  }
  switch (change.kind) {
    case 'edit-service':
      service.settings = change.service;
      return undefined;
    case 'remove-service':
      draft.delete(key);
      return undefined;
    case 'add-server':
    case 'edit-server':
    case 'remove-server':
      return applyServerChange(service.servers, change);
  }
}

/** The virtual service that a change concerns. */
export function serviceOf(change: TableChange): VirtualAddress {
  return 'service' in change ? change.service.at : change.at;
}

function applyServerChange(
  servers: Map<string, RealServer>,
  change: Extract<TableChange, { server: ServerAddress }>,
): ChangeRefusal | undefined {
  const key = endpoint(change.server);
  if (servers.has(key) === (change.kind === 'add-server')) {
    return change.kind === 'add-server' ? 'server-exists' : 'no-such-server';
  }
  if (change.kind === 'remove-server') {
    servers.delete(key);
  } else {
    servers.set(key, change.server);
  }
  return undefined;
}
