import { type DirectorState, type Path, type PathSetting, type Settings, type Target } from './state.ts';

const unknownPath: Path = { answeredAtMs: undefined, isUp: undefined };

/** How long a path's target may leave probes unanswered, one a heartbeat, before the path is down. */
export function pathDeadMs(settings: Settings): number {
  return Math.max(3 * settings.intervalMs, 60);
}

/** The paths whose targets the wire itself can be asked for; only these say that an own cable is whole. */
export function wirePaths(settings: Settings): readonly PathSetting[] {
  return settings.paths.filter(({ source }) => source === 'wire');
}

/** What is watched. A path to nowhere is a script, unless it says that it is a virtual service. */
export function trackKind({ isService, address }: PathSetting): 'path' | 'script' | 'service' {
  return isService === true ? 'service' : address === '' ? 'script' : 'path';
}

/**
 * For how long the peer may yet come to tell of the same loss. Both ask the wire once an interval and judge on
 * a tick, so one may know two intervals before the other; how far apart reports may be they say themselves.
 */
export function doubtMs(state: DirectorState, settings: Settings): number {
  const lags = settings.paths.map(({ peerLagMs = 0 }, index) =>
    state.paths[index]?.isUp === false ? peerLagMs : 0,
  );
  return Math.max(2 * settings.intervalMs, ...lags);
}

/** Judges every path of the wire at a tick: up with an answer, down without one for too long or without a carrier. */
export function judgePaths(state: DirectorState, atMs: number, settings: Settings): DirectorState {
  if (wirePaths(settings).length === 0) {
    return state;
  }
  return mapPaths(state, settings, (path, { source, interfaceName }) => {
    if (source === 'reported') {
      return path;
    }
    if (state.downInterfaces.includes(interfaceName)) {
      return { ...path, isUp: false };
    }
    const countedFromMs = Math.max(path.answeredAtMs ?? state.listeningSinceMs, state.listeningSinceMs);
    return atMs - countedFromMs >= pathDeadMs(settings) ? { ...path, isUp: false } : path;
  });
}

/** A neighbour answered: if it is the target of a path, the path is up. */
export function proveTarget(
  state: DirectorState,
  target: Target,
  atMs: number,
  settings: Settings,
): DirectorState {
  if (!wirePaths(settings).some((path) => isSame(path, target))) {
    return state;
  }
  return mapPaths(state, settings, (path, setting) =>
    setting.source === 'wire' && isSame(setting, target) ? { answeredAtMs: atMs, isUp: true } : path,
  );
}

/** Takes in what was found out elsewhere. A report on a path of the wire is not heard: the wire is asked itself. */
export function takeReport(
  state: DirectorState,
  report: { readonly index: number; readonly isUp: boolean; readonly atMs: number },
  settings: Settings,
): DirectorState {
  return settings.paths[report.index]?.source === 'reported'
    ? mapPaths(state, settings, (path, _, index) =>
        index === report.index ? { answeredAtMs: report.atMs, isUp: report.isUp } : path,
      )
    : state;
}

export function isSame(a: Target, b: Target): boolean {
  return a.interfaceName === b.interfaceName && a.address === b.address;
}

function mapPaths(
  state: DirectorState,
  settings: Settings,
  change: (path: Path, setting: PathSetting, index: number) => Path,
): DirectorState {
  return {
    ...state,
    paths: settings.paths.map((setting, index) => change(state.paths[index] ?? unknownPath, setting, index)),
  };
}
