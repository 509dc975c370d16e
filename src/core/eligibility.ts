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
  if (peer.advertisement.configDigest !== settings.configDigest && !peer.advertisement.isHandoverForced) {
    return 'configuration-differs';
  }
  if (state.isBehind && isWell(peer) && !peer.advertisement.isHandoverForced) {
    return 'not-in-sync';
  }
  if (isWorsePlaced(state, peer.advertisement, settings) && !peer.advertisement.isHandoverForced) {
    return 'path-down';
  }
  return 'none';
}

/** It asks by choice: it does not stop, and has lost nothing. Otherwise connections are better reset than not served. */
function isWell({ advertisement }: Peer): boolean {
  return advertisement.refusal === 'none' && advertisement.pathsOk.every((isOk) => isOk);
}

/** Is the other director heard no longer, on any link? One never heard is silent, too. */
export function isPeerSilent(state: DirectorState, atMs: number, settings: Settings): boolean {
  return state.peer === undefined || atMs - state.peer.heardAtMs >= settings.deadMs;
}

/**
 * The order between two directors that are both fit: priority as both state it, then the lower node id. Where
 * nothing is known of the peer the node id alone tells who goes first.
 */
export function isBetterThanPeer(state: DirectorState, settings: Settings): boolean {
  const own = scoredPriority(state, settings);
  const priority = state.peer?.advertisement.priority ?? own;
  return own === priority ? settings.nodeId === 1 : own > priority;
}

/**
 * A director that did not run reads what was sent meanwhile in an instant, however old it is. What the peer says
 * now is known when it had time to say it.
 */
export function trustsFromMs({ listeningSinceMs }: DirectorState, { intervalMs }: Settings): number {
  return listeningSinceMs + intervalMs;
}

/** The silent peer may just now be looking into this director's silence: it was not active when last heard. */
export function mayBothClaim({ peer }: DirectorState): boolean {
  return peer?.advertisement.role !== 'active';
}

/**
 * How much longer than the other this director waits where both may claim: two that see the office vacant at
 * the same moment must not take it at the same moment, for until then neither has anything to answer for.
 */
export function deferenceMs(state: DirectorState, settings: Settings): number {
  return isBetterThanPeer(state, settings) ? 0 : 2 * settings.intervalMs;
}
