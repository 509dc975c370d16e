import {
  deferenceMs,
  isBetterThanPeer,
  isPeerSilent,
  mayBothClaim,
  refusalOf,
  trustsFromMs,
} from './eligibility.ts';
import { type DirectorState, type Settings, type Why } from './state.ts';

/** When a backup takes office if nothing else happens, and what it would say for it. */
export interface ClaimDue {
  readonly atMs: number;
  readonly why: (atMs: number) => Why;
}

/**
 * Derives from what a backup knows when it takes office, or undefined if it would not.
 *
 * Two roads lead there. Silence: nothing was heard on any link for `deadMs`, counted from the last
 * heartbeat, from the start, or from our own last late tick, whichever is latest. Vacancy: the peer is
 * heard and says that it is not active; then the better of the two goes at once and the other only
 * after it had its chance. A peer that has not yet proven to live in this boot is believed in nothing
 * but its being there.
 */
export function claimDue(state: DirectorState, atMs: number, settings: Settings): ClaimDue | undefined {
  if (state.office.role !== 'backup' || state.office.servesUntilMs !== undefined) {
    return undefined;
  }
  const refusal = refusalOf(state, Math.max(atMs, state.holdUntilMs));
  if (refusal !== 'none') {
    return undefined;
  }
  const vacancy = vacancyDue(state, state.office, atMs, settings);
  // Where the wire can be asked, it decides about a silent peer: see evidence.ts.
  const silence = settings.canProbe ? undefined : silenceDue(state, settings);
  const [due] = [vacancy, silence].filter((claim) => claim !== undefined).sort((a, b) => a.atMs - b.atMs);
  return due === undefined
    ? undefined
    : { ...due, atMs: Math.max(due.atMs, state.holdUntilMs, trustsFromMs(state, settings)) };
}

function silenceDue(state: DirectorState, settings: Settings): ClaimDue {
  const heardAtMs = state.peer?.heardAtMs;
  const countedFromMs = Math.max(heardAtMs ?? state.listeningSinceMs, state.listeningSinceMs);
  return {
    atMs: countedFromMs + settings.deadMs + (mayBothClaim(state) ? deferenceMs(state, settings) : 0),
    why: (nowMs) =>
      heardAtMs === undefined
        ? { kind: 'nobody-answered', listenedMs: nowMs - state.listeningSinceMs }
        : { kind: 'silence', silentMs: nowMs - heardAtMs, linkCount: state.links.length },
  };
}

function vacancyDue(
  state: DirectorState,
  office: Extract<DirectorState['office'], { role: 'backup' }>,
  atMs: number,
  settings: Settings,
): ClaimDue | undefined {
  const { peer } = state;
  const vacantAtMs = office.vacantAtMs;
  if (peer === undefined || vacantAtMs === undefined || isPeerSilent(state, atMs, settings)) {
    return undefined;
  }
  // What the peer said before the office fell vacant, or before a late tick, may be true no longer.
  if (peer.heardAtMs < Math.max(vacantAtMs, state.listeningSinceMs)) {
    return undefined;
  }
  const { role, refusal, priority, isResigning } = peer.advertisement;
  // Two that both let the other go first must not both be out of patience at the same moment.
  const patience: ClaimDue = {
    atMs: vacantAtMs + settings.listenMs + settings.deadMs + deferenceMs(state, settings),
    why: (nowMs) => ({ kind: 'vacant-too-long', vacantMs: nowMs - vacantAtMs }),
  };
  if (!peer.isProven || office.hasLeftOffice) {
    return patience;
  }
  if (isResigning || priority === 0) {
    return { atMs: vacantAtMs, why: () => ({ kind: 'peer-resigned', refusal }) };
  }
  if (office.hasSeenActive) {
    return { atMs: vacantAtMs, why: () => ({ kind: 'peer-left-office', peerRole: role }) };
  }
  if (isBetterThanPeer(state, settings)) {
    return { atMs: vacantAtMs, why: () => ({ kind: 'vacant-and-better', peerPriority: priority }) };
  }
  return patience;
}
