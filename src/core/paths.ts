import { type DirectorState, type Settings, type Target } from './state.ts';

/** How long a path's target may leave probes unanswered, one a heartbeat, before the path is down. */
export function pathDeadMs(settings: Settings): number {
  return Math.max(3 * settings.intervalMs, 60);
}

/** Judges every path at a tick: up with an answer, down without one for too long or without a carrier. */
export function judgePaths(state: DirectorState, atMs: number, settings: Settings): DirectorState {
  if (settings.paths.length === 0) {
    return state;
  }
  return {
    ...state,
    paths: settings.paths.map(({ interfaceName }, index) => {
      const path = state.paths[index] ?? { answeredAtMs: undefined, isUp: undefined };
      if (state.downInterfaces.includes(interfaceName)) {
        return { ...path, isUp: false };
      }
      const countedFromMs = Math.max(path.answeredAtMs ?? state.listeningSinceMs, state.listeningSinceMs);
      return atMs - countedFromMs >= pathDeadMs(settings) ? { ...path, isUp: false } : path;
    }),
  };
}

/** A neighbour answered: if it is the target of a path, the path is up. */
export function proveTarget(
  state: DirectorState,
  target: Target,
  atMs: number,
  settings: Settings,
): DirectorState {
  if (!settings.paths.some((path) => isSame(path, target))) {
    return state;
  }
  return {
    ...state,
    paths: settings.paths.map((path, index) =>
      isSame(path, target)
        ? { answeredAtMs: atMs, isUp: true }
        : (state.paths[index] ?? { answeredAtMs: undefined, isUp: undefined }),
    ),
  };
}

export function isSame(a: Target, b: Target): boolean {
  return a.interfaceName === b.interfaceName && a.address === b.address;
}
