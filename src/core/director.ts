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
import { activeDuesMs, endDuelInSilence, meet, meetOnWire, settleActive } from './active.ts';
import { advertisementOf } from './advertise.ts';
import { announceAgain } from './announcement.ts';
import { backupDuesMs, becomeBackup, settleBackup, withoutEvidence } from './backup.ts';
import { becomeActive, failClaim } from './claim.ts';
import { handleCommand } from './command.ts';
import { hearAnswer, knowNeighbors } from './evidence.ts';
import { trustsFromMs } from './eligibility.ts';
import { heedAnswer, heedRequest, heedWish, startHandover } from './handover.ts';
import { leaveOffice, stopNow } from './leave.ts';
import { type Backup } from './office.ts';
import { judgePaths, proveTarget, takeReport, wirePaths } from './paths.ts';
import {
  type DirectorEvent,
  type DirectorState,
  type Link,
  type Role,
  type Settings,
  type Step,
} from './state.ts';
import { claimDue } from './vacancy.ts';

export function initialState(settings: Settings): DirectorState {
  return {
    office: { role: 'initialize', listensUntilMs: Number.POSITIVE_INFINITY },
    sinceMs: 0,
    why: { kind: 'started' },
    term: 0,
    peer: undefined,
    links: settings.links.map(() => ({ heardAtMs: undefined, isHeard: false })),
    paths: settings.paths.map(() => ({ answeredAtMs: undefined, isUp: undefined })),
    downInterfaces: [],
    neighbors: [],
    foreign: undefined,
    foreignCount: 0,
    contestCount: 0,
    isMaintenance: false,
    isBehind: false,
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
    (handled) => [judge(handled, event.atMs, settings), []],
    (judged) => settle(judged, event.atMs, settings),
    (settled) => heartbeat(settled, event.atMs, settings),
  );
}

/** The earliest instant at which something is due; undefined when nothing ever is. */
export function nextDeadlineMs(state: DirectorState, settings: Settings): number | undefined {
  const { office } = state;
  const due: (number | undefined)[] = [state.advertiseAtMs];
  switch (office.role) {
    case 'stopped':
      return undefined;
    case 'initialize':
      due.push(office.listensUntilMs);
      break;
    case 'backup':
      due.push(
        claimDue(state, state.advertiseAtMs, settings)?.atMs,
        ...backupDuesMs(state, office, settings),
      );
      break;
    case 'claiming':
      break;
    case 'active':
      due.push(...activeDuesMs(state, office, settings));
      break;
  }
  const earliest = Math.min(...due.filter((atMs) => atMs !== undefined));
  return Number.isFinite(earliest) ? earliest : undefined;
}

/** Runs one part after the other on the state the last one left, and gathers their effects in order. */
function run(from: Step, ...parts: readonly ((state: DirectorState) => Step)[]): Step {
  return parts.reduce<Step>(([state, effects], part) => {
    const [next, more] = part(state);
    return [next, effects.length === 0 ? more : [...effects, ...more]];
  }, from);
}

/**
 * A late tick means that this process did not run, so what it did not hear proves nothing: silence is
 * counted anew. An active director that slept past its lease has lost the addresses by the kernel's
 * clock and must presume that the peer holds them: it releases before it does anything else. So does one
 * that slept over a claim: meanwhile the peer may have found the wire silent and claimed itself.
 */
function wake(state: DirectorState, atMs: number, settings: Settings): Step {
  const lateMs = atMs - state.advertiseAtMs;
  if (lateMs <= settings.intervalMs) {
    return [state, []];
  }
  const awake = withoutEvidence({ ...state, listeningSinceMs: atMs });
  switch (state.office.role) {
    case 'active':
      return lateMs + settings.intervalMs >= settings.leaseMs
        ? leaveOffice(awake, { kind: 'overslept', lateMs }, atMs)
        : [awake, []];
    case 'claiming':
      // What was known when the claim began is known no longer, and it may have opened the gate only now.
      return [becomeBackup(awake, { kind: 'overslept', lateMs }, atMs), [{ kind: 'release' }]];
    case 'initialize':
    case 'backup':
    case 'stopped':
      return [awake, []];
  }
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
    case 'answer-heard':
      return meetOnWire(seeNeighbor(state, event, settings), event, settings);
    case 'path-reported':
      return [takeReport(state, event, settings), []];
    case 'sync-reported':
      return [{ ...state, isBehind: !event.isCaughtUp }, []];
    case 'neighbors-known':
      return [knowNeighbors(state, event, settings), []];
    case 'wire-flooded':
      return [withoutEvidence(state), []];
    case 'carrier':
      // Who is behind it may have missed what was announced meanwhile.
      return [event.isUp ? announceAgain(carrier(state, event), event.atMs) : carrier(state, event), []];
    case 'lease-lost':
      return leaveOffice(state, { kind: 'lease-lost' }, event.atMs);
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

/** Who is seen on a wire; through a path that is up again those may be reached who missed an announcement. */
function seeNeighbor(
  state: DirectorState,
  event: Extract<DirectorEvent, { kind: 'answer-heard' }>,
  settings: Settings,
): DirectorState {
  const seen = proveTarget(hearAnswer(state, event, settings), event, event.atMs, settings);
  const isBack = seen.paths.some(({ isUp }, index) => isUp === true && state.paths[index]?.isUp === false);
  return isBack ? announceAgain(seen, event.atMs) : seen;
}

function hear(
  state: DirectorState,
  event: Extract<DirectorEvent, { kind: 'advertisement' }>,
  settings: Settings,
): Step {
  const { atMs, advertisement } = event;
  const isPeerActive = advertisement.role === 'active';
  const heard: DirectorState = {
    ...withoutEvidence(state),
    peer: { heardAtMs: atMs, isProven: event.isProven, advertisement, macs: event.macs },
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
      const office = hearInBackup(heard.office, state.peer?.advertisement.role, advertisement.role, atMs);
      // It may be long ago that it took its turn, read only now.
      const hasLeftOffice = heard.office.hasLeftOffice && atMs < trustsFromMs(state, settings);
      return heedRequest(
        { ...heard, office: { ...office, hasLeftOffice: hasLeftOffice || office.hasLeftOffice } },
        atMs,
        settings,
      );
    }
    case 'active':
      return run(
        [heard, []],
        (active) => [isPeerBack(state, event, settings) ? announceAgain(active, atMs) : active, []],
        (active) => meet(active, atMs, settings),
        (active) => heedAnswer(active, atMs, settings),
        (active) => heedWish(active, atMs, settings),
      );
    case 'claiming':
    case 'stopped':
      return [heard, []];
  }
}

/** Who goes first if the office is vacant is told by what was heard of the peer in this tenure. */
function hearInBackup(office: Backup, roleBefore: Role | undefined, role: Role, atMs: number): Backup {
  switch (role) {
    case 'active':
      // It took its turn; if it leaves office now, this director is next.
      return { ...office, vacantAtMs: undefined, hasSeenActive: true, hasLeftOffice: false };
    case 'initialize':
      return { ...office, vacantAtMs: office.vacantAtMs ?? atMs };
    case 'backup':
      return {
        ...office,
        vacantAtMs: office.vacantAtMs ?? atMs,
        // One that has started anew did not leave office: it may claim like any other.
        hasSeenActive: office.hasSeenActive && roleBefore !== 'initialize',
      };
  }
}

/**
 * Is a peer heard that may have held the office without our hearing of it? One that was silent, that began
 * a new life, or whose term says that it claimed: then the neighbours may have learned of it and not that it has let go.
 */
function isPeerBack(
  { peer, term }: DirectorState,
  { atMs, isProven, advertisement }: Extract<DirectorEvent, { kind: 'advertisement' }>,
  settings: Settings,
): boolean {
  const knownTerm = peer?.isProven === true ? peer.advertisement.term : 0;
  return (
    (peer !== undefined && atMs - peer.heardAtMs >= settings.deadMs) ||
    (advertisement.role === 'initialize' && peer?.advertisement.role === 'backup') ||
    (isProven && advertisement.role !== 'active' && advertisement.term > Math.max(term, knownTerm))
  );
}

function claimed(state: DirectorState, atMs: number, settings: Settings): Step {
  switch (state.office.role) {
    case 'claiming':
      // One that is to stop does not call the neighbours to itself first.
      return state.isStopping
        ? stopNow(state, atMs, settings)
        : becomeActive(state, state.office, atMs, settings);
    case 'active':
      // An address that somebody removed is back: tell the neighbours as after a first claim.
      return [announceAgain(state, atMs), []];
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

function carrier(
  state: DirectorState,
  { interfaceName, isUp }: Extract<DirectorEvent, { kind: 'carrier' }>,
): DirectorState {
  const others = state.downInterfaces.filter((name) => name !== interfaceName);
  return { ...state, downInterfaces: isUp ? others : [...others, interfaceName] };
}

/** With every heartbeat: which paths work, which links fell silent, and whether a contest ended in silence. */
function judge(state: DirectorState, atMs: number, settings: Settings): DirectorState {
  if (state.office.role === 'stopped' || atMs < state.advertiseAtMs) {
    return state;
  }
  const hasLostLink = (link: Link) =>
    link.isHeard && link.heardAtMs !== undefined && atMs - link.heardAtMs >= settings.deadMs;
  const judged = endDuelInSilence(judgePaths(state, atMs, settings), atMs, settings);
  return judged.links.some(hasLostLink)
    ? {
        ...judged,
        links: judged.links.map((link) => (hasLostLink(link) ? { ...link, isHeard: false } : link)),
      }
    : judged;
}

/** Sends the heartbeat when it is due. */
function heartbeat(state: DirectorState, atMs: number, settings: Settings): Step {
  const { office } = state;
  // One that claims in this very step would say that it is out of office, and its next word will be better.
  const isClaiming = office.role === 'claiming' && office.startedAtMs === atMs;
  if (office.role === 'stopped' || atMs < state.advertiseAtMs || isClaiming) {
    return [state, []];
  }
  const listened: DirectorState = {
    ...state,
    // Kept on its beat while it is on time, so that a slow loop does not drift; begun anew after a sleep.
    advertiseAtMs:
      atMs - state.advertiseAtMs < settings.intervalMs
        ? state.advertiseAtMs + settings.intervalMs
        : atMs + settings.intervalMs,
  };
  const paths = wirePaths(settings).map(({ interfaceName, address }) => ({ interfaceName, address }));
  return [
    listened,
    [
      { kind: 'advertise', advertisement: advertisementOf(listened, atMs, settings) },
      ...(paths.length > 0 && settings.canProbe
        ? [{ kind: 'probe', asksFloating: false, targets: paths } as const]
        : []),
    ],
  ];
}
