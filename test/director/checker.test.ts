import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { type Check, type CheckResult, type CheckTarget, USUAL_TIMING } from '../../src/core/check.ts';
import { type CheckedTarget, type CheckerOptions, createChecker } from '../../src/director/checker.ts';
import { createDueQueue } from '../../src/director/due-queue.ts';
import { eventually, nowMs as monotonicMs } from '../lab/eventually.ts';

const none: Check = { ...USUAL_TIMING, kind: 'none', intervalMs: 1000, timeoutMs: 1000 };
const well: CheckResult = { ok: true, durationMs: 1 };

function target(id: string, check: Check = none, port = 80): CheckedTarget {
  return { id, check, target: { address: '192.0.2.1', port } };
}

function targets(count: number): CheckedTarget[] {
  return Array.from({ length: count }, (_, index) =>
    target(`tcp 192.0.2.1:80 10.0.0.${index}:80`, none, index),
  );
}

interface Run {
  readonly check: Check;
  readonly target: CheckTarget;
  readonly beganAtMs: number;
  readonly signal: AbortSignal;
  readonly end: (result?: CheckResult) => void;
}

/** A clock that goes when it is told, and runs that end when they are told, or at once. */
function stage({ endsAtOnce = true, ...options }: Partial<CheckerOptions> & { endsAtOnce?: boolean } = {}) {
  let atMs = 0;
  let alarm: { readonly onTime: () => void; readonly atMs: number } | undefined;
  const runs: Run[] = [];
  const results: [string, CheckResult, number][] = [];
  const checker = createChecker({
    run: (check, target, signal) =>
      new Promise((resolve) => {
        const end = (result = well) => {
          resolve(result);
        };
        runs.push({ check, target, beganAtMs: atMs, signal, end });
        if (endsAtOnce) {
          end();
        }
      }),
    onResult: (...result) => results.push(result),
    nowMs: () => atMs,
    alarm: (onTime, delayMs) => {
      const mine = { onTime, atMs: atMs + delayMs };
      alarm = mine;
      return () => {
        alarm = alarm === mine ? undefined : alarm;
      };
    },
    ...options,
  });
  return {
    checker,
    runs,
    results,
    hasAlarm: () => alarm !== undefined,
    /** The process sleeps: the clock goes on, and nothing happens until it is woken. */
    sleepUntil: (untilMs: number) => {
      atMs = untilMs;
    },
    advanceTo: async (untilMs: number) => {
      await turn();
      while (alarm !== undefined && alarm.atMs <= untilMs) {
        const { onTime, atMs: dueAtMs } = alarm;
        alarm = undefined;
        atMs = Math.max(atMs, dueAtMs);
        onTime();
        await turn();
      }
      atMs = Math.max(atMs, untilMs);
    },
  };
}

describe('the checker', () => {
  it('looks at each target once an interval, always at the same moment of it', async () => {
    const { checker, runs, advanceTo } = stage();
    checker.set([target('a'), target('b', { ...none, intervalMs: 500 })]);
    await advanceTo(10_000);
    const moments = (intervalMs: number) =>
      runs.filter(({ check }) => check.intervalMs === intervalMs).map(({ beganAtMs }) => beganAtMs);
    assert.equal(moments(1000).length, 10);
    assert.equal(moments(500).length, 20);
    for (const intervalMs of [1000, 500]) {
      const [first = NaN, ...rest] = moments(intervalMs);
      rest.forEach((atMs, index) => {
        assert.equal(Math.round(atMs - first), (index + 1) * intervalMs);
      });
    }
  });

  it('hands over what was found, of which target, and when', async () => {
    const { checker, runs, results, advanceTo, sleepUntil } = stage({ endsAtOnce: false });
    checker.set([target('a')]);
    await advanceTo(1000);
    const [run] = runs;
    assert.ok(run);
    const failure = { ok: false, durationMs: 3, reason: 'refused', detail: 'no' } as const;
    sleepUntil(1500);
    run.end(failure);
    await turn();
    assert.deepEqual(results, [['a', failure, 1500]]);
    assert.deepEqual(run.target, { address: '192.0.2.1', port: 80 });
  });

  it('spreads the targets over the interval', async () => {
    const { checker, runs, advanceTo } = stage();
    checker.set(targets(1000));
    await advanceTo(1000);
    assert.equal(runs.length, 1000);
    const tenths = Array<number>(10).fill(0);
    for (const { beganAtMs } of runs) {
      tenths[Math.floor(beganAtMs / 100)]! += 1;
    }
    assert.ok(Math.min(...tenths) > 60 && Math.max(...tenths) < 140, tenths.join(' '));
  });

  it('never has two of one target at once: what is due meanwhile begins when the first has ended', async () => {
    const { checker, runs, advanceTo } = stage({ endsAtOnce: false });
    checker.set([target('a')]);
    await advanceTo(2500);
    assert.equal(runs.length, 1);
    runs[0]?.end();
    await advanceTo(2500);
    assert.equal(runs.length, 2);
    assert.equal(runs[1]?.beganAtMs, 2500);
    runs[1].end();
    await advanceTo(4000);
    const [first = NaN, , third = NaN] = runs.map(({ beganAtMs }) => beganAtMs);
    assert.equal(runs.length, 3);
    assert.ok(Math.abs(((third - first) % 1000) - 0) < 1e-6, 'and then it is in step again');
  });

  it('does not make up for what a pause of the process missed', async () => {
    const { checker, runs, advanceTo, sleepUntil } = stage();
    checker.set(targets(100));
    await advanceTo(1000);
    sleepUntil(60_000);
    await advanceTo(60_000);
    assert.equal(runs.length, 200);
    await advanceTo(61_000);
    assert.equal(runs.length, 300);
  });

  it('keeps what did not change in step when the targets change', async () => {
    const { checker, runs, advanceTo } = stage();
    checker.set(targets(10));
    await advanceTo(1000);
    for (let atMs = 1010; atMs <= 3000; atMs += 10) {
      // The same again, by value, and one that comes and goes.
      checker.set(structuredClone([...targets(10), ...(atMs % 20 === 0 ? [target('other', none, 99)] : [])]));
      await advanceTo(atMs);
    }
    const known = runs.filter(({ target: { port } }) => port < 10);
    assert.equal(known.length, 30);
    for (const {
      target: { port },
      beganAtMs,
    } of known) {
      const first = known.find((run) => run.target.port === port);
      assert.ok((beganAtMs - (first?.beganAtMs ?? NaN)) % 1000 < 1e-6);
    }
  });

  it('calls off what is removed, hears no more of it, and starts no more of it', async () => {
    const { checker, runs, results, advanceTo, hasAlarm } = stage({ endsAtOnce: false });
    checker.set([target('a'), target('b', none, 81)]);
    await advanceTo(1000);
    checker.set([target('b', none, 81)]);
    const [a, b] = [80, 81].map((port) => runs.find((run) => run.target.port === port));
    assert.deepEqual([a?.signal.aborted, b?.signal.aborted], [true, false]);
    a?.end();
    b?.end();
    await advanceTo(2000);
    assert.deepEqual(
      results.map(([id]) => id),
      ['b'],
    );
    assert.equal(runs.length, 3);
    checker.set([]);
    runs[2]?.end();
    await advanceTo(5000);
    assert.equal(runs.length, 3);
    assert.equal(hasAlarm(), false);
    assert.equal(checker.snapshot().targetCount, 0);
  });

  it('begins anew what changed, but not before the old run has ended', async () => {
    const { checker, runs, results, advanceTo } = stage({ endsAtOnce: false });
    checker.set([target('a')]);
    await advanceTo(1000);
    checker.set([target('a', { ...none, rise: 5 })]);
    assert.equal(runs[0]?.signal.aborted, true);
    await advanceTo(3000);
    assert.equal(runs.length, 1);
    runs[0].end();
    await advanceTo(4000);
    assert.deepEqual(
      runs.map(({ check: { rise } }) => rise),
      [2, 5],
    );
    runs[1]?.end();
    await turn();
    assert.equal(results.length, 1);
  });

  it('has no more at once than allowed, and serves first who waits longest', async () => {
    const { checker, runs, results, advanceTo } = stage({ endsAtOnce: false, mostAtOnce: 3 });
    checker.set(targets(10));
    await advanceTo(1000);
    assert.equal(runs.length, 3);
    const order: number[] = [];
    for (let count = 0; count < 10; count += 1) {
      const run = runs[count];
      assert.ok(run && checker.snapshot().runningCount <= 3);
      order.push(run.target.port);
      run.end();
      await advanceTo(1000);
    }
    const { checker: free, runs: calm, advanceTo: go } = stage();
    free.set(targets(10));
    await go(1000);
    assert.deepEqual(
      order,
      calm.map(({ target: { port } }) => port),
    );
    assert.equal(results.length, 10);
  });

  it('counts how late each began', async () => {
    const { checker, advanceTo, sleepUntil } = stage();
    checker.set(targets(10));
    await advanceTo(1000);
    const { latenessMs } = checker.snapshot();
    assert.equal(latenessMs.count, 10);
    assert.ok(latenessMs.sumMs < 1e-6, `${latenessMs.sumMs}`);
    sleepUntil(3000);
    await advanceTo(3000);
    const late = checker.snapshot().latenessMs;
    assert.equal(late.count, 20);
    assert.ok(late.sumMs > 10_000 && late.sumMs <= 20_000, `${late.sumMs}`);
  });

  it('counts an id that comes twice once', async () => {
    const { checker, runs, advanceTo } = stage();
    checker.set([target('a'), target('a', none, 81)]);
    await advanceTo(1000);
    assert.deepEqual(
      runs.map(({ target: { port } }) => port),
      [81],
    );
  });

  it('disposed of, calls off what runs and leaves no alarm', async () => {
    const { checker, runs, results, advanceTo, hasAlarm } = stage({ endsAtOnce: false });
    checker.set(targets(5));
    await advanceTo(700);
    checker[Symbol.dispose]();
    assert.equal(hasAlarm(), false);
    assert.ok(runs.length > 0 && runs.every(({ signal }) => signal.aborted));
    for (const run of runs) {
      run.end();
    }
    await advanceTo(5000);
    assert.deepEqual(results, []);
    assert.equal(hasAlarm(), false);
  });

  it('goes by the clock of the machine, without a timer for each target', async () => {
    const seen = new Set<string>();
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    // By then the test's own timer runs, too.
    await turn();
    const before = timers();
    {
      using checker = createChecker({
        run: () => Promise.resolve(well),
        onResult: (id) => seen.add(id),
        nowMs: monotonicMs,
      });
      checker.set(
        targets(2000).map(({ id, target }) => ({ id, check: { ...none, intervalMs: 100 }, target })),
      );
      assert.ok(timers() <= before + 1);
      await eventually('all were looked at', () => seen.size === 2000 || undefined);
    }
    await turn();
    assert.ok(timers() <= before);
  });
});

describe('the queue of what is due', () => {
  it('gives the earliest first, whatever came in and was left out', () => {
    const item = fc.record({ dueAtMs: fc.nat(50) });
    fc.assert(
      fc.property(fc.array(item), fc.array(item), fc.nat(50), (before, after, limit) => {
        const queue = createDueQueue<{ dueAtMs: number }>();
        before.forEach(queue.add);
        queue.keep(({ dueAtMs }) => dueAtMs <= limit);
        after.forEach(queue.add);
        const all = [...before.filter(({ dueAtMs }) => dueAtMs <= limit), ...after];
        assert.equal(queue.size, all.length);
        const taken: number[] = [];
        for (let next = queue.takeFirst(); next !== undefined; next = queue.takeFirst()) {
          taken.push(next.dueAtMs);
        }
        assert.deepEqual(
          taken,
          all.map(({ dueAtMs }) => dueAtMs).sort((left, right) => left - right),
        );
      }),
    );
  });
});
