/**
 * The director: one pure step function and the clock it asks for.
 *
 * Theory of operation. The rim turns everything that happens into an event with a monotonic instant and
 * carries out the effects in order; this file decides. There are no timers: whatever is due lies in the
 * state, `nextDeadlineMs` names the earliest, and an event that comes early changes nothing. A step has
 * three parts. `wake` compares the instant with the heartbeat that was due: a director that slept does
 * not trust its own silence, and an active one that slept past its lease presumes that the peer took
 * over. Then the event itself. Then `settle` does whatever is due by now.
 *
 * Source: RFC 9568 §6.4 for the roles; what differs is said where it differs.
 */
import { advertisementOf } from './advertise.ts';
import { becomeActive, failClaim, renewGapMs, startClaim } from './claim.ts';
import { handleCommand } from './command.ts';
import { heedAnswer, heedRequest, heedWish, startHandover, giveUpHandover } from './handover.ts';
import { leaveOffice, stopNow } from './leave.ts';
import { announcementGapMs } from './announcement.ts';
import { ruleDuel } from './duel.ts';
import { effectivePriority } from './eligibility.ts';
import { type DirectorEvent, type DirectorState, type Settings, type Step } from './state.ts';
import { claimDue } from './vacancy.ts';
import { isFitToReturn } from './failback.ts';

export function initialState(settings: Settings): DirectorState {
  return {
    office: { role: 'initialize', listensUntilMs: Number.POSITIVE_INFINITY },
    sinceMs: 0,
    why: { kind: 'started' },
    term: 0,
    peer: undefined,
    links: settings.links.map(() => ({ heardAtMs: undefined, isHeard: false })),
    isMaintenance: false,
    advertiseAtMs: Number.POSITIVE_INFINITY,
    listeningSinceMs: 0,
    holdUntilMs: 0,
    preferredAtMs: undefined,
    takeOver: undefined,
    refused: { request: 0, refusal: 'none' },
    handoverCount: 0,
    isStopping: false,
  };
}

/**
 * Advances the director by one event. Total and deterministic: every state takes every event, the same
 * arguments give the same result, and nothing outside them is read.
 */
export function step(state: DirectorState, event: DirectorEvent, settings: Settings): Step {
  if (state.office.role === 'stopped') {
    return [state, []];
  }
  return run(
    [state, []],
    (awake) => wake(awake, event.atMs, settings),
    (awake) => handle(awake, event, settings),
    (handled) => settle(handled, event.atMs, settings),
    (settled) => heartbeat(settled, event.atMs, settings),
  );
}

/** The earliest instant at which something is due; undefined when nothing ever is. */
export function nextDeadlineMs(state: DirectorState, settings: Settings): number | undefined {
  const { office } = state;
  const due = [state.advertiseAtMs, state.takeOver?.untilMs];
  switch (office.role) {
    case 'stopped':
      return undefined;
    case 'initialize':
      due.push(office.listensUntilMs);
      break;
    case 'backup':
      due.push(office.servesUntilMs, claimDue(state, state.advertiseAtMs, settings)?.atMs);
      break;
    case 'claiming':
      break;
    case 'active':
      due.push(office.announceAtMs, office.renewAtMs, office.handover?.untilMs);
      break;
  }
  const earliest = Math.min(...due.filter((atMs) => atMs !== undefined));
  return Number.isFinite(earliest) ? earliest : undefined;
}

/** Runs one part after the other on the state the last one left, and gathers their effects in order. */
function run(from: Step, ...parts: readonly ((state: DirectorState) => Step)[]): Step {
  return parts.reduce<Step>(([state, effects], part) => {
    const [next, more] = part(state);
    return [next, [...effects, ...more]];
  }, from);
}

/**
 * A late tick means that this process did not run, so what it did not hear proves nothing: silence is
 * counted anew. An active director that slept past its lease has lost the addresses by the kernel's
 * clock and must presume that the peer holds them: it releases before it does anything else.
 */
function wake(state: DirectorState, atMs: number, settings: Settings): Step {
  const lateMs = atMs - state.advertiseAtMs;
  if (lateMs <= settings.intervalMs) {
    return [state, []];
  }
  const awake = { ...state, listeningSinceMs: atMs };
  if (state.office.role === 'active' && lateMs + settings.intervalMs >= settings.leaseMs) {
    return leaveOffice(awake, { kind: 'overslept', lateMs }, atMs);
  }
  return [awake, []];
}

function handle(state: DirectorState, event: DirectorEvent, settings: Settings): Step {
  switch (event.kind) {
    case 'started':
      return [
        {
          ...state,
          office: { role: 'initialize', listensUntilMs: event.atMs + settings.listenMs },
          sinceMs: event.atMs,
          listeningSinceMs: event.atMs,
          advertiseAtMs: event.atMs,
          isMaintenance: event.isMaintenance,
        },
        // An earlier life of this process may have left addresses behind.
        [{ kind: 'release' }],
      ];
    case 'deadline':
      return [state, []];
    case 'advertisement':
      return hear(state, event, settings);
    case 'claimed':
      return claimed(state, event.atMs, settings);
    case 'claim-failed':
      return failClaim(state, event.reason, event.atMs);
    case 'address-lost':
      return [state, state.office.role === 'active' ? [{ kind: 'claim' }] : []];
    case 'command':
      return handleCommand(state, event, settings);
    case 'stop':
      return stop(state, event.atMs, settings);
  }
}

function hear(
  state: DirectorState,
  event: Extract<DirectorEvent, { kind: 'advertisement' }>,
  settings: Settings,
): Step {
  const { atMs, advertisement } = event;
  const isPeerActive = advertisement.role === 'active';
  const heard: DirectorState = {
    ...state,
    peer: { heardAtMs: atMs, isProven: event.isProven, advertisement },
    // An active director keeps the term of its own claim: it is what tells the older claim in a duel.
    term:
      event.isProven && state.office.role !== 'active'
        ? Math.max(state.term, advertisement.term)
        : state.term,
    links: state.links.map((link, index) =>
      index === event.link ? { heardAtMs: atMs, isHeard: true } : link,
    ),
  };
  switch (heard.office.role) {
    case 'initialize':
      return isPeerActive
        ? [becomeBackup(heard, { kind: 'heard-active-peer' }, atMs), [{ kind: 'release' }]]
        : [heard, []];
    case 'backup': {
      const vacantAtMs = isPeerActive ? undefined : (heard.office.vacantAtMs ?? atMs);
      const hasSeenActive = heard.office.hasSeenActive || isPeerActive;
      return heedRequest(
        { ...heard, office: { ...heard.office, vacantAtMs, hasSeenActive } },
        atMs,
        settings,
      );
    }
    case 'active':
      return run(
        [heard, []],
        (active) => meet(active, atMs, settings),
        (active) => heedAnswer(active, atMs, settings),
        (active) => heedWish(active, atMs, settings),
      );
    case 'claiming':
    case 'stopped':
      return [heard, []];
  }
}

/** An active director hears the peer: is it active, too? */
function meet(state: DirectorState, atMs: number, settings: Settings): Step {
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
  const { isWon, rule } = ruleDuel(state, effectivePriority(state, atMs, settings), advertisement, settings);
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

function claimed(state: DirectorState, atMs: number, settings: Settings): Step {
  switch (state.office.role) {
    case 'claiming':
      return becomeActive(state, state.office, atMs, settings);
    case 'active':
      // An address that somebody removed is back: tell the neighbours as after a first claim.
      return [{ ...state, office: { ...state.office, announcedCount: 0, announceAtMs: atMs } }, []];
    case 'initialize':
    case 'backup':
    case 'stopped':
      // The office was lost while the claim was under way.
      return [state, [{ kind: 'release' }]];
  }
}

function stop(state: DirectorState, atMs: number, settings: Settings): Step {
  if (state.isStopping) {
    return [state, []];
  }
  const stopping = { ...state, isStopping: true };
  switch (state.office.role) {
    case 'active':
      return startHandover(
        stopping,
        { cause: 'stop', isForced: false, commandId: undefined },
        atMs,
        settings,
      );
    case 'claiming':
      return [stopping, []];
    case 'backup':
      return state.office.servesUntilMs === undefined ? stopNow(stopping, atMs, settings) : [stopping, []];
    case 'initialize':
    case 'stopped':
      return stopNow(stopping, atMs, settings);
  }
}

/** Does what has fallen due by `atMs`. */
function settle(state: DirectorState, atMs: number, settings: Settings): Step {
  const { office } = state;
  switch (office.role) {
    case 'initialize':
      return atMs >= office.listensUntilMs
        ? settle(becomeBackup(state, { kind: 'started' }, atMs), atMs, settings)
        : [state, []];
    case 'backup':
      return settleBackup(state, office, atMs, settings);
    case 'active':
      return settleActive(state, office, atMs, settings);
    case 'claiming':
    case 'stopped':
      return [state, []];
  }
}

function settleBackup(
  state: DirectorState,
  office: Extract<DirectorState['office'], { role: 'backup' }>,
  atMs: number,
  settings: Settings,
): Step {
  if (office.servesUntilMs !== undefined) {
    if (atMs < office.servesUntilMs) {
      return [state, []];
    }
    const served = { ...state, office: { ...office, servesUntilMs: undefined } };
    return state.isStopping ? stopNow(served, atMs, settings) : [served, [{ kind: 'release' }]];
  }
  const due = claimDue(state, atMs, settings);
  if (due !== undefined && atMs >= due.atMs) {
    return startClaim(state, due.why(atMs), 0, atMs);
  }
  if (state.takeOver !== undefined && atMs >= state.takeOver.untilMs) {
    const { commandId } = state.takeOver;
    const outcome = { ok: false, reason: 'no-answer' } as const;
    return [{ ...state, takeOver: undefined }, [{ kind: 'answer', commandId, outcome }]];
  }
  return [
    {
      ...state,
      preferredAtMs: isFitToReturn(state, atMs, settings) ? (state.preferredAtMs ?? atMs) : undefined,
    },
    [],
  ];
}

function settleActive(
  state: DirectorState,
  office: Extract<DirectorState['office'], { role: 'active' }>,
  atMs: number,
  settings: Settings,
): Step {
  if (office.handover !== undefined && atMs >= office.handover.untilMs) {
    return giveUpHandover(state, office.handover, { ok: false, reason: 'no-answer' }, atMs, settings);
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

/** Sends the heartbeat when it is due, and takes note of links that fell silent. */
function heartbeat(state: DirectorState, atMs: number, settings: Settings): Step {
  if (state.office.role === 'stopped' || atMs < state.advertiseAtMs) {
    return [state, []];
  }
  const listened: DirectorState = {
    ...state,
    links: state.links.map((link) =>
      link.isHeard && link.heardAtMs !== undefined && atMs - link.heardAtMs >= settings.deadMs
        ? { ...link, isHeard: false }
        : link,
    ),
    // Kept on its beat while it is on time, so that a slow loop does not drift; begun anew after a sleep.
    advertiseAtMs:
      atMs - state.advertiseAtMs < settings.intervalMs
        ? state.advertiseAtMs + settings.intervalMs
        : atMs + settings.intervalMs,
  };
  return [listened, [{ kind: 'advertise', advertisement: advertisementOf(listened, atMs, settings) }]];
}

function becomeBackup(state: DirectorState, why: DirectorState['why'], atMs: number): DirectorState {
  const isPeerActive = state.peer?.advertisement.role === 'active';
  return {
    ...state,
    sinceMs: atMs,
    why,
    office: {
      role: 'backup',
      vacantAtMs: isPeerActive ? undefined : atMs,
      hasSeenActive: isPeerActive,
      hasLeftOffice: false,
      servesUntilMs: undefined,
    },
  };
}
