import { initialState, nextDeadlineMs, step } from '../core/director.ts';
import { type DirectorEffect, type DirectorEvent, type DirectorState, type Settings } from '../core/state.ts';

export interface DriverPorts {
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** Carries one effect out; it may dispatch, which queues. */
  readonly perform: (effect: DirectorEffect) => void;
  /** Sees every step, when all that waited has been carried out: a takeover is not held up by telling of it. */
  readonly onStep: (step: DriverStep) => void;
  /** Nothing waits any more. It may dispatch. */
  readonly onIdle: () => void;
  /** Reads what has happened and nobody told: called before every step that a deadline has come for; it may dispatch. */
  readonly look: () => void;
  /** How late a deadline came. */
  readonly onLate: (lateMs: number) => void;
}

export interface DriverStep {
  readonly event: DirectorEvent;
  readonly before: DirectorState;
  readonly after: DirectorState;
  readonly effects: readonly DirectorEffect[];
}

export interface Driver extends Disposable {
  dispatch(event: DirectorEvent): void;
  state(): DirectorState;
}

/**
 * Runs the core on real time: holds its state, queues its events, and sets the one timer there is.
 *
 * An event that is raised while a step is carried out waits its turn, so effects never nest. Any event makes the
 * core do what is due by then, so before it the driver looks what else has happened, not only when the timer
 * fires: with two directors that beat at the same moment, the peer's heartbeat may be first every time.
 */
export function createDriver(settings: Settings, ports: DriverPorts): Driver {
  let state = initialState(settings);
  let timer: NodeJS.Timeout | undefined;
  let deadlineMs: number | undefined;
  let isDraining = false;
  let isDisposed = false;
  let lastMs = Number.NEGATIVE_INFINITY;
  const queue: DirectorEvent[] = [];

  function dispatch(event: DirectorEvent): void {
    if (isDraining) {
      queue.push(event);
      return;
    }
    isDraining = true;
    const taken: DriverStep[] = [];
    try {
      if (deadlineMs !== undefined && ports.nowMs() >= deadlineMs) {
        ports.look();
      }
      queue.push(event);
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const before = state;
        // What was looked up for its sake came before it. For the core, time never goes back.
        lastMs = Math.max(lastMs, next.atMs);
        const inTime = { ...next, atMs: lastMs };
        const [after, effects] = step(before, inTime, settings);
        state = after;
        effects.forEach(ports.perform);
        taken.push({ event: inTime, before, after, effects });
      }
    } finally {
      isDraining = false;
    }
    taken.forEach(ports.onStep);
    ports.onIdle();
    arm();
  }

  function arm(): void {
    // Disposed of within a step, it must not wake again for the next.
    if (isDisposed) {
      return;
    }
    const dueMs = nextDeadlineMs(state, settings);
    if (dueMs === deadlineMs && timer !== undefined) {
      return;
    }
    clearTimeout(timer);
    deadlineMs = dueMs;
    timer = dueMs === undefined ? undefined : setTimeout(due, Math.max(0, Math.ceil(dueMs - ports.nowMs())));
  }

  function due(): void {
    timer = undefined;
    // After a stall Node runs timers before it reads sockets, so a heartbeat that is already here would
    // be judged missing. setImmediate lets the sockets go first.
    setImmediate(() => {
      const atMs = ports.nowMs();
      // Node's timers may fire up to a millisecond early; or another event has come first, and nothing is due yet.
      if (deadlineMs === undefined || atMs < deadlineMs) {
        arm();
        return;
      }
      ports.onLate(atMs - deadlineMs);
      dispatch({ kind: 'deadline', atMs });
    });
  }

  return {
    dispatch,
    state: () => state,
    [Symbol.dispose]: () => {
      isDisposed = true;
      clearTimeout(timer);
    },
  };
}
