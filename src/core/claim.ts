import { announcementGapMs } from './announcement.ts';
import { advertisementOf } from './advertise.ts';
import { answered } from './answer.ts';
import { leaveOffice } from './leave.ts';
import { newBackup } from './office.ts';
import { type DirectorState, type Office, type Settings, type Step, type Why } from './state.ts';

/** After a claim that failed the director stays out of office this long, then tries again. */
const claimRetryMs = 1000;

/** Asks for the addresses; nobody is told before they are held. `handoverRequest` is 0 for a claim of its own. */
export function startClaim(state: DirectorState, why: Why, handoverRequest: number, atMs: number): Step {
  return [
    { ...state, office: { role: 'claiming', why, startedAtMs: atMs, handoverRequest } },
    [{ kind: 'claim' }],
  ];
}

/**
 * The addresses are held: the peer hears it first, for in a hand-over it goes on answering until then,
 * and the neighbours right after.
 */
export function becomeActive(
  state: DirectorState,
  office: Extract<Office, { role: 'claiming' }>,
  atMs: number,
  settings: Settings,
): Step {
  const active: DirectorState = {
    ...state,
    office: {
      role: 'active',
      announcedCount: 1,
      announceAtMs: atMs + announcementGapMs(1),
      renewAtMs: atMs + renewGapMs(settings),
      handover: undefined,
      duelAtMs: undefined,
      worseAtMs: undefined,
      askAtMs: atMs,
      heedsWishAfterMs: 0,
    },
    sinceMs: atMs,
    why: office.why,
    term: Math.max(state.term, state.peer?.isProven ? state.peer.advertisement.term : 0) + 1,
    advertiseAtMs: atMs + settings.intervalMs,
    preferredAtMs: undefined,
    takeOver: undefined,
    refused: { request: 0, refusal: 'none' },
  };
  return [
    active,
    [
      { kind: 'advertise', advertisement: advertisementOf(active, atMs, settings) },
      { kind: 'announce' },
      ...answered(state.takeOver?.commandId, { ok: true, isChanged: true }),
    ],
  ];
}

/** The kernel did not give the addresses, so there is nothing to hold: say so, stand back, try later. */
export function failClaim(state: DirectorState, reason: string, atMs: number): Step {
  const held = { ...state, holdUntilMs: atMs + claimRetryMs, advertiseAtMs: atMs };
  switch (state.office.role) {
    case 'claiming':
      return [
        {
          ...held,
          office: newBackup(state, atMs, { hasLeftOffice: true }),
          why: { kind: 'claim-failed', reason },
          takeOver: undefined,
          refused: { request: state.office.handoverRequest, refusal: 'claim-failed' },
        },
        [
          { kind: 'release' },
          ...answered(state.takeOver?.commandId, {
            ok: false,
            reason: 'not-eligible',
            refusal: 'claim-failed',
          }),
        ],
      ];
    case 'active':
      return leaveOffice(held, { kind: 'claim-failed', reason }, atMs);
    case 'initialize':
    case 'backup':
    case 'stopped':
      return [state, []];
  }
}

/** A third of the lifetime: two renewals may fail before the kernel takes the addresses. */
export function renewGapMs(settings: Settings): number {
  return (settings.addressLifetimeSeconds * 1000) / 3;
}
