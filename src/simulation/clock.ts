/** A host's monotonic clock: it begins anywhere, may run a little fast or slow, and stands while the host sleeps. */
export interface Clock {
  localMs(worldMs: number): number;
  /** When the clock will show this, if it goes on as now; never while it stands. */
  worldMs(localMs: number): number;
  stand(worldMs: number): void;
  go(worldMs: number): void;
}

/** `rate` is local milliseconds per millisecond of the world. */
export function createClock(startsAtMs: number, rate: number): Clock {
  let from = { worldMs: 0, localMs: startsAtMs };
  let pace = rate;

  function localMs(worldMs: number): number {
    return from.localMs + (worldMs - from.worldMs) * pace;
  }

  function turn(worldMs: number, next: number): void {
    from = { worldMs, localMs: localMs(worldMs) };
    pace = next;
  }

  return {
    localMs,
    worldMs: (atMs) => (pace === 0 ? Number.POSITIVE_INFINITY : from.worldMs + (atMs - from.localMs) / pace),
    stand(worldMs) {
      turn(worldMs, 0);
    },
    go(worldMs) {
      turn(worldMs, rate);
    },
  };
}
