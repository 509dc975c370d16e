import { isPeerSilent, refusalOf } from './eligibility.ts';
import { type DirectorState, type Settings } from './state.ts';

/** Would this backup be the better active, and could it be? Only `failback: auto` asks. */
export function isFitToReturn(state: DirectorState, atMs: number, settings: Settings): boolean {
  const { peer } = state;
  return (
    settings.failback.kind === 'auto' &&
    state.office.role === 'backup' &&
    peer !== undefined &&
    peer.isProven &&
    !isPeerSilent(state, atMs, settings) &&
    peer.advertisement.role === 'active' &&
    settings.priority > peer.advertisement.priority &&
    !state.isBehind &&
    refusalOf(state, atMs) === 'none'
  );
}

/** Does this backup ask for the office now: on the operator's word, or fit for the configured delay? */
export function isWishDue(state: DirectorState, atMs: number, settings: Settings): boolean {
  if (state.takeOver !== undefined) {
    return true;
  }
  return (
    settings.failback.kind === 'auto' &&
    state.preferredAtMs !== undefined &&
    atMs - state.preferredAtMs >= settings.failback.delayMs
  );
}
