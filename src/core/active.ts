/** The director in office: whom it meets there, what it does by the clock, when it would rather go. */
import { announcementGapMs } from './announcement.ts';
import { renewGapMs } from './claim.ts';
import { ruleDuel } from './duel.ts';
import { effectivePriority, isPeerSilent } from './eligibility.ts';
import { giveUpHandover, startHandover } from './handover.ts';
import { leaveOffice, stopNow } from './leave.ts';
import { type Active } from './office.ts';
import { type DirectorState, type Settings, type Step } from './state.ts';
import { isLossOurs } from './paths.ts';
import { isPeerBetterPlaced } from './tracks.ts';

/** An active director hears the peer: is it active, too? */
export function meet(state: DirectorState, atMs: number, settings: Settings): Step {
  const { office, peer } = state;
  if (office.role !== 'active' || peer === undefined) {
    return [state, []];
  }
  const { advertisement } = peer;
  if (advertisement.role !== 'active') {
    return office.duelAtMs === undefined
      ? [state, []]
      : [{ ...state, office: { ...office, duelAtMs: undefined, announcedCount: 0, announceAtMs: atMs } }, []];
  }
  const { handover } = office;
  if (handover !== undefined && peer.isProven && advertisement.term > state.term) {
    const why = { kind: 'handed-over', cause: handover.cause, tookMs: atMs - handover.startedAtMs } as const;
    return leaveOffice(state, why, atMs, settings.gate === 'nftables' ? settings.leaseMs : undefined);
  }
  if (peer.isProven && advertisement.handoverRequest !== 0) {
    // It asked for this and goes as soon as it hears; a copy on another link is not a contest.
    return [state, []];
  }
  const lost = { peerPriority: advertisement.priority, peerTerm: advertisement.term };
  const slept = atMs - state.listeningSinceMs < settings.deadMs;
  const priority = effectivePriority(state, atMs, settings);
  const { isWon, rule } = ruleDuel(state, priority, advertisement, slept, settings);
  if (peer.isProven && !isWon) {
    return leaveOffice(state, { kind: 'lost-duel', rule, ...lost }, atMs);
  }
  // The winner stays, but a peer that cannot hear this director will never learn that it lost.
  const duelAtMs = office.duelAtMs ?? atMs;
  const isDeaf = !peer.isProven || !advertisement.hears.includes(true);
  if (isDeaf && atMs - duelAtMs >= settings.deadMs) {
    return leaveOffice(state, { kind: 'lost-duel', rule: 'peer-is-deaf', ...lost }, atMs);
  }
  return [{ ...state, office: { ...office, duelAtMs } }, []];
}

export function settleActive(state: DirectorState, office: Active, atMs: number, settings: Settings): Step {
  if (office.handover !== undefined && atMs >= office.handover.untilMs) {
    return giveUpHandover(state, office.handover, { ok: false, reason: 'no-answer' }, atMs, settings);
  }
  if (state.isStopping && office.handover === undefined) {
    return stopNow(state, atMs, settings);
  }
  if (isPathHandoverDue(state, office, atMs, settings)) {
    const wish = { cause: 'path', isForced: false, commandId: undefined } as const;
    return startHandover(state, wish, atMs, settings);
  }
  const announces = atMs >= office.announceAtMs;
  const renews = atMs >= office.renewAtMs;
  const announcedCount = office.announcedCount + (announces ? 1 : 0);
  return [
    {
      ...state,
      office: {
        ...office,
        announcedCount,
        announceAtMs: announces ? atMs + announcementGapMs(announcedCount) : office.announceAtMs,
        renewAtMs: renews ? atMs + renewGapMs(settings) : office.renewAtMs,
      },
    },
    [...(announces ? [{ kind: 'announce' } as const] : []), ...(renews ? [{ kind: 'renew' } as const] : [])],
  ];
}

/** The peer reaches what this director has lost: it is asked, and not again at once if that comes to nothing. */
function isPathHandoverDue(state: DirectorState, office: Active, atMs: number, settings: Settings): boolean {
  const { peer } = state;
  return (
    office.handover === undefined &&
    atMs >= office.heedsWishAfterMs &&
    peer?.isProven === true &&
    !isPeerSilent(state, atMs, settings) &&
    peer.advertisement.refusal === 'none' &&
    peer.advertisement.role === 'backup' &&
    isPeerBetterPlaced(state, peer.advertisement, settings) &&
    isLossOurs(state, atMs, settings)
  );
}
