import { type Advertisement, type DirectorState, type DuelRule, type Settings } from './state.ts';

/**
 * Decides between two directors that are both active, the same on both sides: the higher priority,
 * then the one longer in office, then the lower node id. Terms stand for the time in office: every
 * claim takes a term above all that were seen, so the lower term is the older claim, and unlike two
 * clocks the two directors always compare the same numbers.
 */
export function ruleDuel(
  state: DirectorState,
  priority: number,
  peer: Advertisement,
  slept: boolean,
  settings: Settings,
): { readonly isWon: boolean; readonly rule: DuelRule } {
  // The peer may have found our whole host silent and claimed while we slept: it knows better.
  if (slept && peer.term > state.term) {
    return { isWon: false, rule: 'slept' };
  }
  if (priority !== peer.priority) {
    return { isWon: priority > peer.priority, rule: 'priority' };
  }
  if (state.term !== peer.term) {
    return { isWon: state.term < peer.term, rule: 'longer-in-office' };
  }
  return { isWon: settings.nodeId === 1, rule: 'node-id' };
}
