/** The director in office: whom it meets there, what it does by the clock, when it would rather go. */
import { announceAgain, announcementGapMs } from './announcement.ts';
import { renewGapMs } from './claim.ts';
import { ruleDuel } from './duel.ts';
import { effectivePriority, isBetterThanPeer, isPeerSilent } from './eligibility.ts';
import { probePatienceMs, silentForMs, silentSince } from './evidence.ts';
import { giveUpHandover, startHandover } from './handover.ts';
import { leaveOffice, stopNow } from './leave.ts';
import { type Active } from './office.ts';
import { type DirectorEvent, type DirectorState, type Handover, type Settings, type Step } from './state.ts';
import { doubtMs } from './paths.ts';
import { isPeerBetterPlaced, scoredPriority } from './tracks.ts';

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
      : [announceAgain({ ...state, office: { ...office, duelAtMs: undefined } }, atMs), []];
  }
  const { handover } = office;
  if (handover !== undefined && peer.isProven && advertisement.term > state.term) {
    return leaveToPeer(state, handover, atMs, settings);
  }
  if (peer.isProven && advertisement.handoverRequest !== 0) {
    // It asked for this and goes as soon as it hears; a copy on another link is not a contest.
    return [state, []];
  }
  const lost = { peerPriority: advertisement.priority, peerTerm: advertisement.term };
  const slept = atMs - state.listeningSinceMs < settings.deadMs;
  const priority = effectivePriority(state, atMs, settings);
  const { isWon, rule } = ruleDuel(state, priority, advertisement, slept, settings);
  const duelAtMs = office.duelAtMs ?? atMs;
  // A heartbeat of an older term may have been held up on its way out of a director that has let go since; the
  // next one tells. One that claimed at the same moment, or later, means what it says.
  const isSure = advertisement.term >= state.term || atMs - duelAtMs >= settings.intervalMs / 2;
  if (peer.isProven && !isWon && isSure) {
    return leaveOffice(state, { kind: 'lost-duel', rule, ...lost }, atMs);
  }
  // The winner stays, but a peer that cannot hear this director will never learn that it lost.
  const isDeaf = !peer.isProven || !advertisement.hears.includes(true);
  if (isDeaf && atMs - duelAtMs >= settings.deadMs) {
    return leaveOffice(state, { kind: 'lost-duel', rule: 'peer-is-deaf', ...lost }, atMs);
  }
  return [{ ...state, office: { ...office, duelAtMs } }, []];
}

/** The other one will not say any more that it let go; the neighbours may have heard it last. */
export function endDuelInSilence(state: DirectorState, atMs: number, settings: Settings): DirectorState {
  const { office } = state;
  return office.role === 'active' && office.duelAtMs !== undefined && isPeerSilent(state, atMs, settings)
    ? announceAgain({ ...state, office: { ...office, duelAtMs: undefined } }, atMs)
    : state;
}

export function settleActive(state: DirectorState, before: Active, atMs: number, settings: Settings): Step {
  const { handover } = before;
  if (handover !== undefined && atMs >= handover.untilMs) {
    return giveUpHandover(state, handover, { ok: false, reason: 'no-answer' }, atMs, settings);
  }
  if (state.isStopping && handover === undefined) {
    return stopNow(state, atMs, settings);
  }
  const worseAtMs = placedWorseAtMs(state, before, atMs, settings);
  const office = worseAtMs === before.worseAtMs ? before : { ...before, worseAtMs };
  const placed = office === before ? state : { ...state, office };
  const moveAtMs = pathHandoverDueMs(state, office, settings);
  if (moveAtMs !== undefined && atMs >= moveAtMs) {
    const wish = { cause: 'path', isForced: false, commandId: undefined } as const;
    return startHandover(placed, wish, atMs, settings);
  }
  const announces = atMs >= office.announceAtMs;
  const renews = atMs >= office.renewAtMs;
  const asks = settings.canProbe && atMs >= askDueMs(state, office, settings);
  if (!announces && !renews && !asks) {
    return [placed, []];
  }
  const announcedCount = office.announcedCount + (announces ? 1 : 0);
  return [
    {
      ...state,
      office: {
        ...office,
        announcedCount,
        announceAtMs: announces ? atMs + announcementGapMs(announcedCount) : office.announceAtMs,
        renewAtMs: renews ? atMs + renewGapMs(settings) : office.renewAtMs,
        askAtMs: asks ? atMs + askGapMs(state, atMs, settings) : office.askAtMs,
      },
    },
    [
      ...(announces ? [{ kind: 'announce' } as const] : []),
      ...(renews ? [{ kind: 'renew' } as const] : []),
      ...(asks ? [{ kind: 'probe', asksFloating: true, targets: [] } as const] : []),
    ],
  ];
}

/** When an active director does something by itself. */
export function activeDuesMs(
  state: DirectorState,
  office: Active,
  settings: Settings,
): readonly (number | undefined)[] {
  return [
    office.announceAtMs,
    office.renewAtMs,
    office.handover?.untilMs,
    pathHandoverDueMs(state, office, settings),
    settings.canProbe ? askDueMs(state, office, settings) : undefined,
  ];
}

/** When the wire is asked for a second owner: not while the peer is heard. */
function askDueMs(state: DirectorState, { askAtMs }: Active, settings: Settings): number {
  return Math.max(askAtMs, silentSince(state) + probePatienceMs(state, settings));
}

/** Often right after a claim, when another may have claimed at the same moment; then so that a wire hardly notices. */
function askGapMs(state: DirectorState, atMs: number, settings: Settings): number {
  return atMs - state.sinceMs < 1000 ? settings.intervalMs : 1000;
}

/**
 * The peer's MAC says that it has a floating address while this director is active. In a hand-over that is the
 * answer, should the heartbeat that says so be lost. From a peer that is silent it means that both are
 * active behind broken heartbeats: the total order decides by what was last heard.
 */
export function meetOnWire(
  state: DirectorState,
  event: Extract<DirectorEvent, { kind: 'answer-heard' }>,
  settings: Settings,
): Step {
  const { office, peer } = state;
  const isPeers =
    peer?.isProven === true &&
    peer.macs.includes(event.mac) &&
    settings.floating.some(({ address }) => address === event.address);
  if (office.role !== 'active' || !isPeers) {
    return [state, []];
  }
  const { atMs } = event;
  if (office.handover !== undefined) {
    return leaveToPeer(state, office.handover, atMs, settings);
  }
  // After `contested: claim after` it was known that the peer answers.
  const isMeant = state.why.kind === 'contest-timeout';
  const isHeard = silentForMs(state, atMs) < 2 * settings.intervalMs;
  if (isMeant || isHeard) {
    return [state, []];
  }
  if (isBetterThanPeer(state, settings)) {
    // What was an announcement has reached the neighbours, too.
    return [announceAgain(state, atMs), []];
  }
  const { priority: peerPriority, term: peerTerm } = peer.advertisement;
  const rule = scoredPriority(state, settings) === peerPriority ? 'node-id' : 'priority';
  return leaveOffice(state, { kind: 'lost-duel', rule, peerPriority, peerTerm }, atMs);
}

/** The peer has taken over: go on serving what still arrives, where the gate can tell the two apart. */
function leaveToPeer(state: DirectorState, handover: Handover, atMs: number, settings: Settings): Step {
  const why = { kind: 'handed-over', cause: handover.cause, tookMs: atMs - handover.startedAtMs } as const;
  return leaveOffice(state, why, atMs, settings.gate === 'nftables' ? settings.leaseMs : undefined);
}

/**
 * Since when the peer has been the better owner by what both can reach, as far as it can be asked. Not yet
 * while both may only be on the way to the same loss, or back from it: each asks a target once an interval
 * and judges on a tick, so one may know two intervals before the other. A lost carrier is nobody else's.
 */
function placedWorseAtMs(
  state: DirectorState,
  office: Active,
  atMs: number,
  settings: Settings,
): number | undefined {
  const { peer } = state;
  const isWorse =
    peer?.isProven === true &&
    peer.advertisement.refusal === 'none' &&
    peer.advertisement.role === 'backup' &&
    isPeerBetterPlaced(state, peer.advertisement, settings);
  return isWorse ? (office.worseAtMs ?? atMs) : undefined;
}

/** When the peer, which reaches what this director has lost, is asked; not again at once if that comes to nothing. */
function pathHandoverDueMs(
  state: DirectorState,
  { handover, heedsWishAfterMs, worseAtMs }: Active,
  settings: Settings,
): number | undefined {
  const patienceMs = state.downInterfaces.length > 0 ? 0 : doubtMs(state, settings);
  return handover === undefined && worseAtMs !== undefined
    ? Math.max(heedsWishAfterMs, worseAtMs + patienceMs)
    : undefined;
}
