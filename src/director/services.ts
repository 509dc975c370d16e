/**
 * The virtual services on real time: reads the table, has the real servers checked, and carries out what the
 * core makes of it (`core/lvs.ts`). It decides nothing but when several findings are told as one.
 */
import { type Check, type CheckFailure, type CheckResult, type CheckTarget } from '../core/check.ts';
import { type Drain, nextStamp } from '../core/drains.ts';
import { type Health, noHealth, stepHealth } from '../core/health.ts';
import {
  type Finding,
  initialLvsState,
  type LvsEffect,
  type LvsEvent,
  type LvsMemory,
  type LvsSettings,
  type LvsState,
  nextLvsDeadlineMs,
  stepLvs,
} from '../core/lvs.ts';
import { checkOf } from '../core/pool.ts';
import { type Failure, type Result } from '../core/result.ts';
import { type TableChange } from '../core/table-change.ts';
import { serverId, serviceKey, type Table } from '../core/table.ts';
import { type ServicesSnapshot, type Totals } from '../observe/services.ts';
import { type MutableHistogram, createHistogram } from '../pulse/histogram.ts';
import { type CheckedTarget, createChecker } from './checker.ts';

export interface ServicesOptions {
  readonly settings: LvsSettings;
  readonly nodeName: string;
  readonly ipvs: IpvsPort;
  readonly memory: {
    read(): Promise<LvsMemory>;
    write(memory: LvsMemory): Promise<Result<undefined, string>>;
  };
  readonly check: (check: Check, target: CheckTarget, signal: AbortSignal) => Promise<CheckResult>;
  readonly peerFindings: (id: string) => boolean | undefined;
  readonly news: ServicesNews;
  /** Monotonic, and Unix milliseconds. */
  readonly nowMs: () => number;
  readonly wallMs: () => number;
}

export interface IpvsPort {
  readTable(signal: AbortSignal): Promise<Result<Table, string>>;
  applyChanges(
    changes: readonly TableChange[],
    signal: AbortSignal,
  ): Promise<{ readonly ok: true } | Failure<string>>;
  readStatistics(): Promise<Result<Statistics, string>>;
}

export interface Statistics {
  readonly totals: Totals;
  readonly services: readonly {
    readonly at: Parameters<typeof serviceKey>[0];
    readonly servers: readonly {
      readonly address: string;
      readonly port: number;
      readonly activeConnections: number;
      readonly inactiveConnections: number;
    }[];
  }[];
}

/** For the log and for who else wants to know. */
export interface ServicesNews {
  /** The verdict on a real server is another. */
  verdict(id: string, health: Health): void;
  changed(changes: readonly TableChange[]): void;
  /** The table cannot be read or changed, or (undefined) can be again. */
  problem(problem: LvsState['problem']): void;
  notRemembered(failure: Failure<string>): void;
  /** `isNews`: it is otherwise than before, or than one hopes. */
  quorum(service: string, isUp: boolean, isNews: boolean): void;
  drains(drains: readonly Drain[]): void;
}

export interface ServicesRunner extends AsyncDisposable {
  snapshot(): Promise<ServicesSnapshot>;
  /** By `serverId`, sorted: what has been found failed here. */
  failed(): readonly string[];
  drains(): readonly Drain[];
  /** The operator's word. */
  drain(word: Pick<Drain, 'server' | 'service' | 'isOn'>): void;
  /** What the peer was told. */
  hearDrains(drains: readonly Drain[]): void;
  /** The table that is wanted while all is well. */
  base(): Table;
}

/** Findings that come within this time are one change of the table. */
const gatherMs = 20;
const durationBoundsMs = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const statisticsAgeMs = 1000;

export async function startServices(options: ServicesOptions): Promise<ServicesRunner> {
  const { settings, ipvs, news, nowMs } = options;
  const end = new AbortController();
  const health = new Map<string, Health>();
  const limits = new Map<string, Check>();
  const durations = new Map<string, MutableHistogram>();
  const failures = new Map<string, { service: string; reason: CheckFailure; count: number }>();
  const serviceOf = new Map<string, string>();
  let state = initialLvsState;
  let findings = new Map<string, Finding>();
  let gathering: NodeJS.Timeout | undefined;
  let timer: NodeJS.Timeout | undefined;
  /** Effects are carried out one after the other, also those of different steps. */
  let work: Promise<void> = Promise.resolve();
  let statistics: { readonly atMs: number; readonly value: Statistics | undefined } = {
    atMs: Number.NEGATIVE_INFINITY,
    value: undefined,
  };

  function dispatch(event: LvsEvent): void {
    if (end.signal.aborted) {
      return;
    }
    const before = state;
    const [after, effects] = stepLvs(before, event, settings);
    state = after;
    for (const effect of effects) {
      work = work.then(() => carryOut(effect));
    }
    if (before.problem?.reason !== after.problem?.reason) {
      news.problem(after.problem);
    }
    arm();
  }

  function arm(): void {
    clearTimeout(timer);
    const dueMs = nextLvsDeadlineMs(state);
    if (dueMs !== undefined) {
      timer = setTimeout(
        () => {
          dispatch({ kind: 'deadline', atMs: nowMs() });
        },
        Math.max(0, Math.ceil(dueMs - nowMs())),
      );
    }
  }

  async function carryOut(effect: LvsEffect): Promise<void> {
    if (end.signal.aborted) {
      return;
    }
    switch (effect.kind) {
      case 'read': {
        const read = await ipvs.readTable(end.signal);
        const atMs = nowMs();
        dispatch(read.ok ? { kind: 'table-read', atMs, table: read.value } : failed(read, atMs));
        return;
      }
      case 'change': {
        const changed = await ipvs.applyChanges(effect.changes, end.signal);
        const atMs = nowMs();
        if (changed.ok) {
          news.changed(effect.changes);
          dispatch({ kind: 'table-changed', atMs });
        } else {
          dispatch(failed(changed, atMs));
        }
        return;
      }
      case 'remember': {
        // A full disk does not keep a dead real server in the table; that it is full is said.
        const written = await options.memory.write(effect.memory);
        if (!written.ok) {
          news.notRemembered(written);
        }
        return;
      }
      case 'check':
        checkBase(effect.base);
        return;
      case 'quorum':
        news.quorum(effect.service, effect.isUp, effect.isNews);
        return;
    }
  }

  const checker = createChecker({
    run: options.check,
    nowMs,
    onResult(id, result, atMs) {
      count(id, result);
      const before = health.get(id) ?? noHealth;
      const after = stepHealth(before, result, atMs, limits.get(id) ?? { rise: 1, fall: 1 });
      health.set(id, after);
      const { isUp } = after.verdict;
      if (isUp !== undefined && isUp !== before.verdict.isUp) {
        news.verdict(id, after);
        findings.set(id, { id, isUp });
        gathering ??= setTimeout(tellFindings, gatherMs);
      }
    },
  });

  function tellFindings(): void {
    gathering = undefined;
    const told = [...findings.values()];
    findings = new Map();
    dispatch({ kind: 'found', atMs: nowMs(), findings: told });
  }

  function checkBase(base: Table): void {
    const targets = base.flatMap(({ at, servers }) =>
      servers.map((server): CheckedTarget => ({
        id: serverId(at, server),
        check: checkOf(settings.policies, at, server),
        target: { address: server.address, port: server.port },
      })),
    );
    limits.clear();
    serviceOf.clear();
    base.forEach(({ at, servers }) => {
      servers.forEach((server) => serviceOf.set(serverId(at, server), serviceKey(at)));
    });
    targets.forEach(({ id, check }) => limits.set(id, check));
    for (const id of health.keys()) {
      if (!limits.has(id)) {
        health.delete(id);
      }
    }
    checker.set(targets);
  }

  function count(id: string, result: CheckResult): void {
    const service = serviceOf.get(id);
    if (service === undefined) {
      return;
    }
    let histogram = durations.get(service);
    if (histogram === undefined) {
      histogram = createHistogram(durationBoundsMs);
      durations.set(service, histogram);
    }
    histogram.observe(result.durationMs);
    if (!result.ok) {
      const key = `${service} ${result.reason}`;
      const known = failures.get(key) ?? { service, reason: result.reason, count: 0 };
      failures.set(key, { ...known, count: known.count + 1 });
    }
  }

  async function freshStatistics(): Promise<Statistics | undefined> {
    if (nowMs() - statistics.atMs >= statisticsAgeMs) {
      const read = await ipvs.readStatistics();
      statistics = { atMs: nowMs(), value: read.ok ? read.value : undefined };
    }
    return statistics.value;
  }

  dispatch({ kind: 'started', atMs: nowMs(), memory: await options.memory.read() });
  return {
    async snapshot() {
      const known = await freshStatistics();
      const { latenessMs } = checker.snapshot();
      return {
        state,
        health,
        connections: connectionsOf(known),
        totals: known?.totals,
        activeConnections: activeOf(known),
        peerFindings: options.peerFindings,
        durations: new Map([...durations].map(([service, histogram]) => [service, histogram.snapshot()])),
        failures: [...failures.values()],
        latenessMs,
        wallOffsetMs: options.wallMs() - nowMs(),
      };
    },
    failed: () => [...state.failed].sort(),
    drains: () => state.memory.drains,
    drain(word) {
      const wallMs = options.wallMs();
      const stamp = nextStamp(state.memory.drains, wallMs);
      const drain: Drain = { ...word, stamp, by: options.nodeName, wallMs };
      dispatch({ kind: 'drains-told', atMs: nowMs(), drains: [drain] });
      news.drains([drain]);
    },
    hearDrains(drains) {
      dispatch({ kind: 'drains-told', atMs: nowMs(), drains });
    },
    base: () => state.base,
    async [Symbol.asyncDispose]() {
      end.abort();
      clearTimeout(timer);
      clearTimeout(gathering);
      checker[Symbol.dispose]();
      await work;
    },
  };
}

function failed({ reason, detail }: Failure<string>, atMs: number): LvsEvent {
  return { kind: 'table-failed', atMs, reason, detail: detail ?? reason };
}

function connectionsOf(
  statistics: Statistics | undefined,
): ReadonlyMap<string, { readonly active: number; readonly inactive: number }> {
  return new Map(
    (statistics?.services ?? []).flatMap(({ at, servers }) =>
      servers.map((server) => [
        serverId(at, server),
        { active: server.activeConnections, inactive: server.inactiveConnections },
      ]),
    ),
  );
}

/** Established connections that this kernel knows, its own and those that it was told of. */
function activeOf(statistics: Statistics | undefined): number | undefined {
  return statistics?.services
    .flatMap(({ servers }) => servers)
    .reduce((sum, { activeConnections }) => sum + activeConnections, 0);
}
