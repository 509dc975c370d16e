/**
 * Moving the office on purpose, the new owner first.
 *
 * The active asks in its heartbeat; the peer either claims, which is its answer, or says in its own
 * heartbeat why not. The active goes when it hears the peer active with a higher term, and not before:
 * if the claim fails, the addresses were never let go.
 */
import { answered } from './answer.ts';
import { startClaim } from './claim.ts';
import { handoverRefusal, isPeerSilent, trustsFromMs } from './eligibility.ts';
import { leaveOffice, stopNow } from './leave.ts';
import {
  type CommandOutcome,
  type DirectorState,
  type Handover,
  type HandoverCause,
  type Settings,
  type Step,
} from './state.ts';

/** The peer answers within an interval or two; beyond this it is not going to. */
function patienceMs(settings: Settings): number {
  return Math.max(settings.deadMs, 1000);
}

export interface HandoverWish {
  readonly cause: HandoverCause;
  readonly isForced: boolean;
  readonly commandId: string | undefined;
}

/** Active: asks the peer to take over, if it can be asked. */
export function startHandover(
  state: DirectorState,
  wish: HandoverWish,
  atMs: number,
  settings: Settings,
): Step {
  const { office, peer } = state;
  if (office.role !== 'active') {
    return [state, []];
  }
  const request = (state.handoverCount % 255) + 1;
  const handover: Handover = {
    ...wish,
    request,
    startedAtMs: atMs,
    untilMs: atMs + patienceMs(settings),
  };
  if (peer === undefined || isPeerSilent(state, atMs, settings)) {
    return giveUpHandover(state, handover, { ok: false, reason: 'peer-silent' }, atMs, settings);
  }
  const refusal = peer.isProven ? peer.advertisement.refusal : 'unproven';
  if (refusal === 'unproven' || refusal === 'stopping' || (refusal !== 'none' && !wish.isForced)) {
    return giveUpHandover(state, handover, { ok: false, reason: 'peer-refused', refusal }, atMs, settings);
  }
  return [
    { ...state, office: { ...office, handover }, handoverCount: request, advertiseAtMs: atMs },
    // One request replaces another: a stop does not wait for an operator's failover to come to nothing.
    answered(office.handover?.commandId, { ok: false, reason: 'busy' }),
  ];
}

/** Active: the hand-over came to nothing, so the office stays; unless the director must leave regardless. */
export function giveUpHandover(
  state: DirectorState,
  handover: Handover,
  outcome: Extract<CommandOutcome, { ok: false }>,
  atMs: number,
  settings: Settings,
): Step {
  const { office } = state;
  if (office.role !== 'active') {
    return [state, []];
  }
  const kept: DirectorState = {
    ...state,
    office: { ...office, handover: undefined, heedsWishAfterMs: atMs + patienceMs(settings) },
  };
  const mustLeave = handover.cause === 'stop' || (handover.cause === 'maintenance' && handover.isForced);
  if (!mustLeave) {
    return [kept, answered(handover.commandId, outcome)];
  }
  if (handover.cause === 'stop') {
    return stopNow(kept, atMs, settings);
  }
  const why = { kind: 'left-by-force', cause: handover.cause } as const;
  return leaveOffice({ ...state, office: { ...office, handover } }, why, atMs);
}

/** Active: the peer said why it does not take over. */
export function heedAnswer(state: DirectorState, atMs: number, settings: Settings): Step {
  const handover = state.office.role === 'active' ? state.office.handover : undefined;
  const advertisement = state.peer?.isProven === true ? state.peer.advertisement : undefined;
  if (handover === undefined || advertisement === undefined) {
    return [state, []];
  }
  const { handoverAnswer, handoverRefusal, isResigning } = advertisement;
  const answered = handoverAnswer === handover.request ? handoverRefusal : 'none';
  const refusal = isResigning ? 'stopping' : answered;
  return refusal === 'none'
    ? [state, []]
    : giveUpHandover(state, handover, { ok: false, reason: 'peer-refused', refusal }, atMs, settings);
}

/** Active: the peer would like the office; it is better, or its operator asked. */
export function heedWish(state: DirectorState, atMs: number, settings: Settings): Step {
  const { office, peer } = state;
  if (
    office.role !== 'active' ||
    office.handover !== undefined ||
    atMs < office.heedsWishAfterMs ||
    peer?.isProven !== true ||
    !peer.advertisement.wantsOffice
  ) {
    return [state, []];
  }
  return startHandover(state, { cause: 'failback', isForced: false, commandId: undefined }, atMs, settings);
}

/** Backup: the active peer asks this director to take over. */
export function heedRequest(state: DirectorState, atMs: number, settings: Settings): Step {
  const { peer } = state;
  if (state.office.role !== 'backup' || peer === undefined || !peer.isProven) {
    return [state, []];
  }
  const { role, handoverRequest, isHandoverForced } = peer.advertisement;
  if (role !== 'active' || handoverRequest === 0) {
    return [state.refused.request === 0 ? state : { ...state, refused: { request: 0, refusal: 'none' } }, []];
  }
  if (handoverRequest === state.refused.request || atMs < trustsFromMs(state, settings)) {
    return [state, []];
  }
  const refusal = handoverRefusal(state, peer, atMs, settings);
  if (refusal !== 'none') {
    return [{ ...state, refused: { request: handoverRequest, refusal }, advertiseAtMs: atMs }, []];
  }
  return startClaim(state, { kind: 'handover-taken', isForced: isHandoverForced }, handoverRequest, atMs);
}
