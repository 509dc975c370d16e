/**
 * What becomes of the IPVS table: a pure machine beside that of the pair.
 *
 * Theory of operation. The *base* is the table that is wanted while all is well: the configuration's, or an
 * adopted one as its operator wrote it. The *wanted* table is the base less what failed or is drained, and with a
 * sorry server where too few are left. *Seen* is how this director last knew the kernel's, *actual* what it reads
 * now. Between seen and actual somebody else was at work: in an adopted table the operator, whose word becomes the
 * base; in an owned one it is drift. Between actual and wanted there is work to do, the fewest changes. Nothing
 * is changed without a fresh reading, and not before it is remembered what it was: a director that starts anew
 * must not take its own weight 0 for the operator's.
 *
 * The health of each real server is weighed elsewhere (`health.ts`); only verdicts come here.
 */
import { adopt } from './adopt.ts';
import { concerns, type Drain, mergeDrains } from './drains.ts';
import { type Kept, keptOf, type Knowledge, type Policies, quorumsOf, wantedTable } from './pool.ts';
import { difference } from './reconcile.ts';
import { applyChanges, type TableChange } from './table-change.ts';
import { serverId, type Table } from './table.ts';

export type LvsMode = 'observe' | 'adopt' | 'own';

export interface LvsSettings {
  readonly mode: LvsMode;
  /** The base of an owned table; empty otherwise. */
  readonly table: Table;
  readonly policies: Policies;
}

/** What survives a restart; the drains also go to the peer. */
export interface LvsMemory {
  readonly kept: readonly Kept[];
  /** By `serverId`, sorted: whom an earlier life had found failed is so until it is found well. */
  readonly failed: readonly string[];
  /** By `serverId`, sorted: what an operator set by hand stands, whatever was found, until something new is. */
  readonly overridden: readonly string[];
  readonly drains: readonly Drain[];
}

export const noMemory: LvsMemory = { kept: [], failed: [], overridden: [], drains: [] };

export interface LvsState extends Omit<Knowledge, 'drains'> {
  readonly memory: LvsMemory;
  /** Undefined until the first reading. */
  readonly seen: Table | undefined;
  /** What the table would be after the change that is under way, or that failed. */
  readonly attempted: Table | undefined;
  readonly readAtMs: number;
  /** A reading or a change is under way. */
  readonly isBusy: boolean;
  /** Something became known meanwhile. */
  readonly isStale: boolean;
  /** Why the table could not be read or changed; undefined while it can. */
  readonly problem:
    | {
        readonly reason: string;
        readonly detail: string;
        readonly sinceMs: number;
        /** How long until it is tried again: longer each time. */
        readonly retryGapMs: number;
        /** A change failed: that the table can be read is no news then. */
        readonly isOfChange: boolean;
      }
    | undefined;
  readonly counts: {
    /** Changes that took effect. */
    readonly changes: number;
    /** Readings and changes that failed. */
    readonly failures: number;
    /** Real servers and services that somebody else had changed. */
    readonly drifts: number;
  };
}

/** A verdict on a real server that is another than before. */
export interface Finding {
  readonly id: string;
  readonly isUp: boolean;
}

export type LvsEvent =
  | { readonly kind: 'started'; readonly atMs: number; readonly memory: LvsMemory }
  | { readonly kind: 'deadline'; readonly atMs: number }
  | { readonly kind: 'table-read'; readonly atMs: number; readonly table: Table }
  | { readonly kind: 'table-changed'; readonly atMs: number }
  /** Neither read nor changed, or changed in part. */
  | { readonly kind: 'table-failed'; readonly atMs: number; readonly reason: string; readonly detail: string }
  | { readonly kind: 'found'; readonly atMs: number; readonly findings: readonly Finding[] }
  /** The operator's word, given here or told by the peer. */
  | { readonly kind: 'drains-told'; readonly atMs: number; readonly drains: readonly Drain[] };

export type LvsEffect =
  /** Answered by `table-read` or `table-failed`. */
  | { readonly kind: 'read' }
  /** On disk before what follows is carried out. */
  | { readonly kind: 'remember'; readonly memory: LvsMemory }
  /** Answered by `table-changed` or `table-failed`. */
  | { readonly kind: 'change'; readonly changes: readonly TableChange[] }
  /** These real servers are to be checked from now on. */
  | { readonly kind: 'check'; readonly base: Table }
  /** A service has enough usable real servers, or has too few; of one that is new here it is said in any case. */
  | { readonly kind: 'quorum'; readonly service: string; readonly isUp: boolean; readonly isNews: boolean };

export type LvsStep = readonly [LvsState, readonly LvsEffect[]];

/** What somebody else changes is noticed after this time at the latest. */
const readGapMs = 2000;
const retryGapMs = 1000;
const longestRetryGapMs = 32_000;

export const initialLvsState: LvsState = {
  base: [],
  memory: noMemory,
  failed: new Set(),
  overridden: new Set(),
  quorate: new Map(),
  seen: undefined,
  attempted: undefined,
  readAtMs: Number.POSITIVE_INFINITY,
  isBusy: false,
  isStale: false,
  problem: undefined,
  counts: { changes: 0, failures: 0, drifts: 0 },
};

/** When the table is to be read again; undefined while it is being read or changed. */
export function nextLvsDeadlineMs({ readAtMs, isBusy }: LvsState): number | undefined {
  return isBusy || !Number.isFinite(readAtMs) ? undefined : readAtMs;
}

/** Total and deterministic, as `step` of the pair is. */
export function stepLvs(state: LvsState, event: LvsEvent, settings: LvsSettings): LvsStep {
  switch (event.kind) {
    case 'started':
      return look({
        ...state,
        memory: event.memory,
        failed: new Set(event.memory.failed),
        overridden: new Set(event.memory.overridden),
      });
    case 'deadline':
      return !state.isBusy && event.atMs >= state.readAtMs ? look(state) : [state, []];
    case 'table-read':
      return settle(takeTable(state, event.table, settings), state, event, settings);
    case 'table-changed':
      return confirm(state, event.atMs);
    case 'table-failed':
      return takeFailure(state, event);
    case 'found':
      return takeFindings(state, event.findings);
    case 'drains-told':
      return takeDrains(state, event.drains);
  }
}

/** What is known of the real servers and what the operator wants of them, as one. */
export function knowledgeOf({ memory, ...state }: LvsState): Knowledge {
  return { ...state, drains: memory.drains };
}

/** Asks for a fresh reading, at once or when what is under way has ended. */
function look(state: LvsState): LvsStep {
  return state.isBusy
    ? [{ ...state, isStale: true }, []]
    : [{ ...state, isBusy: true, isStale: false }, [{ kind: 'read' }]];
}

function rest(state: LvsState, atMs: number, effects: readonly LvsEffect[] = []): LvsStep {
  const rested = { ...state, isBusy: false, readAtMs: atMs + readGapMs };
  const [next, more] = state.isStale ? look(rested) : [rested, []];
  return [next, [...effects, ...more]];
}

function confirm(state: LvsState, atMs: number): LvsStep {
  const seen = state.attempted ?? state.seen ?? [];
  const [next, effects] = remember(state, [seen]);
  const changes = state.counts.changes + difference(seen, state.seen ?? []).length;
  const counts = { ...state.counts, changes };
  return rest({ ...next, seen, attempted: undefined, problem: undefined, counts }, atMs, effects);
}

/** What a director that starts anew must know, if one of these is the table that it finds. */
function remember(state: LvsState, tables: readonly Table[]): LvsStep {
  const memory: LvsMemory = {
    // In every mode: the next life may have another.
    kept: keptOf(state.base, ...tables),
    failed: [...state.failed].sort(),
    overridden: [...state.overridden].sort(),
    drains: state.memory.drains,
  };
  return isSame(memory, state.memory) ? [state, []] : [{ ...state, memory }, [{ kind: 'remember', memory }]];
}

function takeTable(state: LvsState, actual: Table, settings: LvsSettings): LvsState {
  const read = { ...state, seen: actual, problem: state.problem?.isOfChange ? state.problem : undefined };
  if (settings.mode === 'own') {
    const drifts = state.seen === undefined ? 0 : difference(state.seen, actual).length;
    const isOurs = state.attempted !== undefined;
    return { ...read, base: settings.table, counts: withDrifts(state, isOurs ? 0 : drifts) };
  }
  const { base, touched, contradicted } = adopt({ ...state, kept: state.memory.kept }, actual);
  return {
    ...read,
    base,
    overridden: new Set([...state.overridden, ...contradicted]),
    counts: withDrifts(state, touched.size),
  };
}

function withDrifts({ counts }: LvsState, count: number): LvsState['counts'] {
  return count === 0 ? counts : { ...counts, drifts: counts.drifts + count };
}

/** Compares what was read with what is wanted, and sets the difference going. */
function settle(
  read: LvsState,
  before: LvsState,
  { atMs, table: actual }: Extract<LvsEvent, { kind: 'table-read' }>,
  settings: LvsSettings,
): LvsStep {
  const { mode, policies } = settings;
  // Of a real server that is gone nothing is known.
  const present = new Set(serverIds(read.base));
  const failed = new Set([...read.failed].filter((id) => present.has(id)));
  const overridden = new Set([...read.overridden].filter((id) => present.has(id)));
  const known = { ...read, failed, overridden, attempted: undefined };
  const judged = { ...known, quorate: quorumsOf(knowledgeOf(known), policies) };
  const wanted = wantedTable(knowledgeOf(judged), policies);
  const [state, remembering] = remember(judged, mode === 'observe' ? [actual] : [actual, wanted]);
  const effects: LvsEffect[] = [];
  if (!isSame(serverIds(judged.base), serverIds(before.base))) {
    effects.push({ kind: 'check', base: judged.base });
  }
  // The pulse outlives this process, and holds for true what it was told last of a service that went and came.
  for (const [service, isUp] of judged.quorate) {
    const wasUp = before.quorate.get(service);
    if (wasUp !== isUp) {
      effects.push({ kind: 'quorum', service, isUp, isNews: (wasUp ?? true) !== isUp });
    }
  }
  effects.push(...remembering);
  const changes = mode === 'observe' ? [] : difference(wanted, actual);
  if (changes.length === 0) {
    return rest({ ...state, problem: undefined }, atMs, effects);
  }
  const attempted = applyChanges(actual, changes);
  return [{ ...state, attempted, isBusy: true }, [...effects, { kind: 'change', changes }]];
}

/** What took effect all the same is known by what was attempted. Read again, but not at once: it may last. */
function takeFailure(
  state: LvsState,
  { atMs, reason, detail }: Extract<LvsEvent, { kind: 'table-failed' }>,
): LvsStep {
  const last = state.problem?.reason === reason ? state.problem : undefined;
  const gapMs = last === undefined ? retryGapMs : Math.min(2 * last.retryGapMs, longestRetryGapMs);
  const failed: LvsState = {
    ...state,
    problem: {
      reason,
      detail,
      sinceMs: last?.sinceMs ?? atMs,
      retryGapMs: gapMs,
      isOfChange: state.attempted !== undefined,
    },
    counts: { ...state.counts, failures: state.counts.failures + 1 },
    isBusy: false,
    isStale: false,
    readAtMs: atMs + gapMs,
  };
  return [failed, []];
}

function takeFindings(state: LvsState, findings: readonly Finding[]): LvsStep {
  const news = findings.filter(({ id, isUp }) => state.failed.has(id) === isUp);
  if (news.length === 0) {
    return [state, []];
  }
  const failed = new Set(state.failed);
  const overridden = new Set(state.overridden);
  for (const { id, isUp } of news) {
    overridden.delete(id);
    if (isUp) {
      failed.delete(id);
    } else {
      failed.add(id);
    }
  }
  return look({ ...state, failed, overridden });
}

/** The later word stands, over what the operator did by hand before, too. */
function takeDrains(state: LvsState, told: readonly Drain[]): LvsStep {
  const drains = mergeDrains(state.memory.drains, told);
  if (drains === state.memory.drains) {
    return [state, []];
  }
  const memory = { ...state.memory, drains };
  const news = drains.filter((drain) => !state.memory.drains.includes(drain));
  const concerned = state.base.flatMap(({ at, servers }) =>
    servers
      .filter((server) => news.some((drain) => concerns(drain, at, server)))
      .map((server) => serverId(at, server)),
  );
  const overridden = new Set([...state.overridden].filter((id) => !concerned.includes(id)));
  const [next, effects] = look({ ...state, memory, overridden });
  return [next, [{ kind: 'remember', memory }, ...effects]];
}

function serverIds(base: Table): readonly string[] {
  return base.flatMap(({ at, servers }) => servers.map((server) => serverId(at, server)));
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
