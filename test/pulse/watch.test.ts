import assert from 'node:assert/strict';
import { type DirectorEvent } from '../../src/core/state.ts';
import { createMeter } from '../../src/pulse/meter.ts';
import { createWatch } from '../../src/pulse/watch.ts';

/** A lease of 200 ms and an interval of 50: what is left is read right after each heartbeat. */
function watchWith(readings: readonly (readonly [atMs: number, remainingMs: number | undefined])[]) {
  const meter = createMeter();
  const events: DirectorEvent[] = [];
  let now = 0;
  let remainingMs: number | undefined;
  const watch = createWatch({
    host: {
      ...unused,
      lost: () => [],
      carrierOf: () => true,
      guard: () => ({ culprit: undefined, remainingMs }),
    },
    inquiry: {
      problem: undefined,
      ask: () => undefined,
      poll: () => ({ sightings: [], isDrained: true }),
      refresh: () => undefined,
      [Symbol.dispose]: () => undefined,
    },
    meter,
    interfaceNames: [],
    intervalMs: 50,
    nowMs: () => now,
    dispatch: (event) => events.push(event),
    tell: () => true,
  });
  for (const [atMs, remaining] of readings) {
    now = atMs;
    remainingMs = remaining;
    watch.tick();
  }
  return { late: meter.renewalsLate, events: events.map(({ kind }) => kind) };
}

/** What a tick does not touch. */
const unused = {
  gateMode: 'nftables' as const,
  path: 'syscalls' as const,
  claim: () => assert.fail(),
  renew: () => assert.fail(),
  heartbeatSent: () => assert.fail(),
  mute: () => assert.fail(),
  release: () => assert.fail(),
  announce: () => assert.fail(),
  held: () => [],
  macs: () => [],
  hasInterface: () => true,
  gate: () => assert.fail(),
  rehearse: () => undefined,
  refresh: () => undefined,
  close: () => undefined,
  [Symbol.dispose]: () => undefined,
};

describe('the watch over the lease', () => {
  it('counts a heartbeat that left when less than one interval of the lease was left', () => {
    const { late, events } = watchWith([
      [0, 200],
      [50, 200],
      // 49 ms before its end.
      [201, 200],
      // Exactly one interval before it.
      [351, 200],
      [401, 200],
    ]);
    assert.equal(late, 1);
    assert.deepEqual(events, []);
  });

  it('counts none out of office, nor the first one in it', () => {
    assert.equal(
      watchWith([
        [0, 0],
        [50, 0],
        [5000, undefined],
        [9000, 200],
      ]).late,
      0,
    );
  });

  it('tells a lease that has ended, once', () => {
    const { late, events } = watchWith([
      [0, 200],
      [300, 0],
      [350, 0],
    ]);
    assert.deepEqual(events, ['lease-lost']);
    assert.equal(late, 1);
  });
});
