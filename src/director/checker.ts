import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type Check, type CheckResult, type CheckTarget } from '../core/check.ts';
import { type Histogram } from '../pulse/channel.ts';
import { createHistogram, type MutableHistogram } from '../pulse/histogram.ts';
import { createDueQueue } from './due-queue.ts';

/** A real server that is to be looked at, and how. */
export interface CheckedTarget {
  /** Says which one it is, whatever is found out; its hash says when in the interval it is looked at. */
  readonly id: string;
  readonly check: Check;
  readonly target: CheckTarget;
}

export interface CheckerOptions {
  /** Never rejects; ends in time, and at once when the signal aborts. */
  readonly run: (check: Check, target: CheckTarget, signal: AbortSignal) => Promise<CheckResult>;
  /** `atMs` is when the check ended, by `nowMs`. What was called off has no result. */
  readonly onResult: (id: string, result: CheckResult, atMs: number) => void;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** Calls back once, unless what it returns is called before. */
  readonly alarm?: Alarm;
  /** How many run at once: sockets are descriptors. */
  readonly mostAtOnce?: number;
  /** Where it is counted how much later than meant each check begins. */
  readonly lateness?: MutableHistogram;
}

export type Alarm = (onTime: () => void, delayMs: number) => () => void;

export interface Checker extends Disposable {
  /** From now on, these and no others. An id twice counts once, the last. */
  set(targets: readonly CheckedTarget[]): void;
  snapshot(): CheckerSnapshot;
}

export interface CheckerSnapshot {
  readonly targetCount: number;
  readonly runningCount: number;
  /** How much later than meant each check began. */
  readonly latenessMs: Histogram;
}

const LATENESS_BOUNDS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

/**
 * Real servers that are down hold their place until the timeout. With 10,000 checked every second and a
 * timeout of one, half of them may be down and the others are hardly late.
 */
const MOST_AT_ONCE = 4096;

/** Then the sockets have their turn: else answers that are already here would be read late. */
const MOST_A_TURN = 64;

/**
 * Looks at each target once an interval, at its own moment in it, so that the targets spread over the
 * interval and keep their order. Decides nothing: what was found is handed over.
 *
 * A check that is due while the one before still runs begins when that has ended. After a pause of the
 * whole process, what was missed is not made up for: each target is looked at once.
 */
export function createChecker({
  run,
  onResult,
  nowMs,
  alarm = byTimer,
  mostAtOnce = MOST_AT_ONCE,
  lateness = createHistogram(LATENESS_BOUNDS_MS),
}: CheckerOptions): Checker {
  const entries = new Map<string, Entry>();
  /** Whoever is not running is here. */
  const queue = createDueQueue<Entry>();
  const running = new Set<string>();
  let cancelAlarm: (() => void) | undefined;
  let alarmAtMs = Infinity;

  const pump = () => {
    cancelAlarm = undefined;
    alarmAtMs = Infinity;
    for (let begun = 0; running.size < mostAtOnce; begun += 1) {
      const first = queue.first();
      if (first === undefined || first.dueAtMs > nowMs() || begun === MOST_A_TURN) {
        break;
      }
      queue.takeFirst();
      void begin(first);
    }
    arm();
  };

  /** One alarm for all: when the first is due, if there is room for it. */
  const arm = () => {
    const dueAtMs = running.size < mostAtOnce ? (queue.first()?.dueAtMs ?? Infinity) : Infinity;
    if (dueAtMs < alarmAtMs) {
      cancelAlarm?.();
      alarmAtMs = dueAtMs;
      cancelAlarm = alarm(pump, Math.max(0, dueAtMs - nowMs()));
    }
  };

  const begin = async (entry: Entry) => {
    const { id, check, target, end } = entry;
    const beganAtMs = nowMs();
    lateness.observe(beganAtMs - entry.dueAtMs);
    running.add(id);
    const result = await run(check, target, end.signal);
    running.delete(id);
    const atMs = nowMs();
    // By now it may be another that is known by this id, or none.
    const current = entries.get(id);
    if (current !== undefined) {
      current.dueAtMs = current === entry ? nextDueAtMs(entry, beganAtMs) : firstDueAtMs(current, atMs);
      queue.add(current);
    }
    arm();
    if (current === entry) {
      onResult(id, result, atMs);
    }
  };

  const forget = ({ id, end }: Entry) => {
    entries.delete(id);
    end.abort();
  };

  return {
    set: (targets) => {
      const wanted = new Map(targets.map((target) => [target.id, target]));
      const gone = [...entries.values()].filter((entry) => !isSame(entry, wanted.get(entry.id)));
      for (const entry of gone) {
        forget(entry);
      }
      if (gone.length > 0) {
        queue.keep((entry) => entries.get(entry.id) === entry);
      }
      const atMs = nowMs();
      for (const target of wanted.values()) {
        if (!entries.has(target.id)) {
          const entry = createEntry(target, atMs);
          entries.set(entry.id, entry);
          // While the old one of this id still ends, it waits outside; `begin` takes it in.
          if (!running.has(entry.id)) {
            queue.add(entry);
          }
        }
      }
      arm();
    },
    snapshot: () => ({
      targetCount: entries.size,
      runningCount: running.size,
      latenessMs: lateness.snapshot(),
    }),
    [Symbol.dispose]() {
      for (const entry of [...entries.values()]) {
        forget(entry);
      }
      queue.keep(() => false);
      cancelAlarm?.();
    },
  };
}

interface Entry extends CheckedTarget {
  /** Where in the interval its moment is, from 0 to 1. */
  readonly phase: number;
  readonly end: AbortController;
  /** Changes only while it is not in the queue. */
  dueAtMs: number;
}

function createEntry({ id, check, target }: CheckedTarget, atMs: number): Entry {
  const phase = hash('sha256', id, 'buffer').readUInt32BE() / 2 ** 32;
  const entry = { id, check, target, phase, end: new AbortController(), dueAtMs: atMs };
  entry.dueAtMs = firstDueAtMs(entry, atMs);
  return entry;
}

function isSame(entry: Entry, wanted: CheckedTarget | undefined): boolean {
  return (
    wanted !== undefined &&
    (entry.check === wanted.check || isDeepStrictEqual(entry.check, wanted.check)) &&
    entry.target.address === wanted.target.address &&
    entry.target.port === wanted.target.port
  );
}

/** Its next moment: always the same one of each interval, counted from the clock's zero. */
function firstDueAtMs({ check: { intervalMs }, phase }: Entry, atMs: number): number {
  return (Math.ceil(atMs / intervalMs - phase) + phase) * intervalMs;
}

/** The first of its moments after it began, which may have passed when it ends: then the next begins at once. */
function nextDueAtMs({ check: { intervalMs }, dueAtMs }: Entry, beganAtMs: number): number {
  return dueAtMs + (1 + Math.floor((beganAtMs - dueAtMs) / intervalMs)) * intervalMs;
}

function byTimer(onTime: () => void, delayMs: number): () => void {
  if (delayMs === 0) {
    const immediate = setImmediate(onTime);
    return () => {
      clearImmediate(immediate);
    };
  }
  // Timers have whole milliseconds; a part of one would be a turn too early.
  const timer = setTimeout(onTime, Math.min(Math.ceil(delayMs), LONGEST_TIMER_MS));
  return () => {
    clearTimeout(timer);
  };
}

/** Node fires at once what is longer than 2^31 ms; waking for nothing is harmless. */
const LONGEST_TIMER_MS = 60_000;
