import { type GateHooks } from '../core/state.ts';
import {
  addElements,
  batchBegin,
  batchEnd,
  deleteElement,
  flushSet,
  type Table,
  type TableFamily,
} from './nftables.ts';
import { hostU32 } from './nftables-expressions.ts';

/**
 * The lease as it stands in the kernel: two sets, `speak` and `serve`, in each table that asks for them, and what
 * changes all copies at one instant. `gate-ruleset.ts` says what they mean.
 */

export const SPEAK = 'speak';
export const SERVE = 'serve';
/** The same for every packet, so that one element is the lease of all interfaces. */
export const LEASE_KEY: Uint8Array = hostU32(0);

/** Whose lease it is, and by which hooks what goes out asks for it. */
export interface Leased {
  readonly pair: string;
  readonly hooks: GateHooks;
}

/** One copy of a part of the lease. */
export interface LeaseSet {
  readonly table: Table;
  readonly set: typeof SPEAK | typeof SERVE;
}

export interface GateTimes {
  /** 0: expired. */
  readonly speakMs: number;
  readonly serveMs: number;
}

/** In which tables the rules ask for which part of the lease. */
const leaseHomes: Readonly<
  Record<
    GateHooks,
    readonly { readonly set: typeof SPEAK | typeof SERVE; readonly families: readonly TableFamily[] }[]
  >
> = {
  egress: [
    { set: SPEAK, families: ['netdev'] },
    { set: SERVE, families: ['netdev'] },
  ],
  output: [
    { set: SPEAK, families: ['arp', 'inet'] },
    { set: SERVE, families: ['netdev', 'inet'] },
  ],
};
/** The pair's table in a family, with what a table's name may not hold replaced. */
export function gateTable(pair: string, family: TableFamily): Table {
  return { family, name: `vipair_${pair.replace(/[^A-Za-z0-9_.-]/g, '_')}` };
}

/** The tables of the arrangement. */
export function gateTables({ pair, hooks }: Leased): readonly Table[] {
  const families = new Set(leaseHomes[hooks].flatMap((home) => home.families));
  return [...families].map((family) => gateTable(pair, family));
}

/** All copies of both parts of the lease. */
export function leaseSets({ pair, hooks }: Leased): readonly LeaseSet[] {
  return leaseHomes[hooks].flatMap(({ set, families: homes }) =>
    homes.map((family) => ({ table: gateTable(pair, family), set })),
  );
}

/** Gives both parts of the lease these times from now, whatever they had: one instant for the kernel. */
export function timesBatch(ruleset: Leased, times: GateTimes): readonly Buffer[] {
  return [
    batchBegin(),
    ...leaseSets(ruleset).map(({ table, set }) => flushSet(table, set)),
    ...liveElements(ruleset, times),
    batchEnd(),
  ];
}

/** Ends `speak` and leaves `serve` the time it has. */
export function muteBatch(ruleset: Leased): readonly Buffer[] {
  const speaking = leaseSets(ruleset).filter(({ set }) => set === SPEAK);
  return [batchBegin(), ...speaking.map(({ table, set }) => flushSet(table, set)), batchEnd()];
}

/**
 * Gives the whole lease this time from now, if both parts of it live in every copy; else ENOENT, and
 * nothing is changed. Deleted first, for adding again would not refresh.
 */
export function renewBatch(ruleset: Leased, timeMs: number): readonly Buffer[] {
  return [
    batchBegin(),
    ...leaseSets(ruleset).map(({ table, set }) => deleteElement(table, set, LEASE_KEY)),
    ...liveElements(ruleset, { speakMs: timeMs, serveMs: timeMs }),
    batchEnd(),
  ];
}

/** The elements that give each copy its time; none for a part that has none. */
export function liveElements(ruleset: Leased, times: GateTimes): readonly Buffer[] {
  return leaseSets(ruleset).flatMap(({ table, set }) => {
    const wholeMs = Math.floor(set === SPEAK ? times.speakMs : times.serveMs);
    return wholeMs < 1 ? [] : [addElements(table, set, [LEASE_KEY], wholeMs)];
  });
}
