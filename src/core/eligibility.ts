import { isWorsePlaced, scoredPriority } from './tracks.ts';
import { type DirectorState, type Peer, type Refusal, type Settings } from './state.ts';

/** Why this director may not take office now; `none` if it may. */
export function refusalOf(state: DirectorState, atMs: number): Refusal {
  if (state.isStopping || state.office.role === 'stopped') {
    return 'stopping';
  }
  if (state.isMaintenance) {
    return 'maintenance';
  }
  if (atMs < state.holdUntilMs) {
    return 'claim-failed';
  }
  return 'none';
}

/** What the heartbeat says: the priority less the scores of lost tracks, or 0 from a director that may not hold the addresses. */
export function effectivePriority(state: DirectorState, atMs: number, settings: Settings): number {
  return refusalOf(state, atMs) === 'none' ? scoredPriority(state, settings) : 0;
}

/** Why this director will not grant a hand-over request; force overrides all but a stop. */
export function handoverRefusal(state: DirectorState, peer: Peer, atMs: number, settings: Settings): Refusal {
  const own = refusalOf(state, atMs);
  if (own === 'stopping' || (own !== 'none' && !peer.advertisement.isHandoverForced)) {
    return own;
  }
  if (state.office.role === 'initialize') {
    return 'starting';
  }
  if (peer.advertisement.configDigest !== settings.configDigest && !peer.advertisement.isHandoverForced) {
    return 'configuration-differs';
  }
  if (isWorsePlaced(state, peer.advertisement, settings) && !peer.advertisement.isHandoverForced) {
    return 'path-down';
  }
  return 'none';
}

/** Is the other director heard no longer, on any link? One never heard is silent, too. */
export function isPeerSilent(state: DirectorState, atMs: number, settings: Settings): boolean {
  return state.peer === undefined || atMs - state.peer.heardAtMs >= settings.deadMs;
}

/** The order between two directors that are both fit: priority, then the lower node id. */
export function isBetterThanPeer(peer: Peer, settings: Settings): boolean {
  const { priority } = peer.advertisement;
  return settings.priority === priority ? settings.nodeId === 1 : settings.priority > priority;
}
