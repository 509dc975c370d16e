/**
 * Asking the wire instead of only waiting for silence.
 *
 * Theory of operation. A peer that is silent on all links for about one and a half intervals may be dead, or its
 * heartbeats may be lost. The kernel of a live owner answers ARP whatever its daemon does, until the lease
 * ends; a dead host answers nothing. So the backup asks, every few milliseconds, who has the floating
 * addresses. Unanswered three times over 12 ms, at the latest with the lease the peer no longer owns them. Where
 * no gate shuts with the lease, an answer that was only slow would leave two owners for seconds: there the peer
 * has two intervals to answer.
 * One thing could deceive: that nobody at all is heard because this director's own cable is out. So a
 * neighbour that is not the peer must have answered meanwhile, before less than `deadMs` is enough.
 *
 * An answer from the peer's MAC after `deadMs` means that the peer lives behind broken heartbeats:
 * *contested*. The backup then waits until the answers end, or as long as it was told to.
 */
import { announceAgain } from './announcement.ts';
import { deferenceMs, mayBothClaim } from './eligibility.ts';
import { type Backup } from './office.ts';
import { isSame, wirePaths } from './paths.ts';
import {
  type DirectorEvent,
  type DirectorState,
  type Evidence,
  type Settings,
  type Target,
  type Why,
} from './state.ts';
import { type ClaimDue } from './vacancy.ts';

/** Time enough for an answer on any local wire, and short against a lease. */
const probeGapMs = 4;
/** A contest may last: the wire is not to be filled with questions. */
const contestedProbeGapMs = 20;
/** Longer without any neighbour, and the wire may have been out meanwhile. */
const proofGapMs = 50;
const leastUnanswered = 3;
const leastUnansweredMs = 12;
const mostNeighbors = 8;
/** A neighbour not seen for so long may have gone for good. */
const neighborAgeMs = 60_000;
const foreignGapMs = 1000;

/** How long nothing was heard on any link; never counted from before we were listening ourselves. */
export function silentForMs(state: DirectorState, atMs: number): number {
  return atMs - silentSince(state);
}

export function silentSince({ peer, listeningSinceMs }: DirectorState): number {
  return Math.max(peer?.heardAtMs ?? listeningSinceMs, listeningSinceMs);
}

/**
 * The silence that is looked into: one and a half intervals, or less where the wire would not have said enough
 * by the end of the second; or one when a link has lost its carrier, for the other end of the cable may have died.
 */
export function probePatienceMs(state: DirectorState, settings: Settings): number {
  const { intervalMs } = settings;
  const hasLostCarrier = settings.links.some(({ interfaceName }) =>
    state.downInterfaces.includes(interfaceName),
  );
  return hasLostCarrier
    ? intervalMs
    : Math.max(1.25 * intervalMs, Math.min(1.5 * intervalMs, 2 * intervalMs - leastUnansweredMs));
}

/** Begins or goes on probing; the targets are the paths', or neighbours where none is configured. */
export function probe(evidence: Evidence | undefined, isContested: boolean, atMs: number): Evidence {
  const known = evidence ?? {
    beganAtMs: atMs,
    probeAtMs: atMs,
    unansweredCount: 0,
    unansweredFromMs: atMs,
    answeredAtMs: undefined,
    provenBy: undefined,
    provenAtMs: undefined,
  };
  return {
    ...known,
    probeAtMs: atMs + (isContested ? contestedProbeGapMs : probeGapMs),
    unansweredCount: known.unansweredCount + 1,
    unansweredFromMs: known.unansweredCount === 0 ? atMs : known.unansweredFromMs,
  };
}

export function targetsOf(state: DirectorState, atMs: number, settings: Settings): readonly Target[] {
  const paths = wirePaths(settings);
  return paths.length > 0
    ? paths.map(({ interfaceName, address }) => ({ interfaceName, address }))
    : state.neighbors
        .filter(({ seenAtMs }) => atMs - seenAtMs < neighborAgeMs)
        .map(({ interfaceName, address }) => ({ interfaceName, address }));
}

/**
 * When a backup takes office on what the wire has said so far, should it say nothing else; undefined if it
 * would not. What a neighbour proved is true for a moment only, so a late riser may find the time is over.
 */
export function verdictDue(
  state: DirectorState,
  office: Backup,
  settings: Settings,
): (ClaimDue & { readonly untilMs: number }) | undefined {
  const { evidence } = office;
  // Where a path is configured and its target does not answer, this director is cut off itself.
  if (evidence === undefined || hasNoCarrier(state, settings)) {
    return undefined;
  }
  const provenUntilMs = provenUntil(evidence, office);
  const mustBeProven = wirePaths(settings).length > 0;
  const askedAtMs = evidence.probeAtMs - gapMs(office);
  return grounds(state, office, evidence, settings)
    .map(({ needsProof, ...ground }) => ({
      ...ground,
      untilMs: needsProof || mustBeProven ? provenUntilMs : Number.POSITIVE_INFINITY,
    }))
    .filter(({ atMs, untilMs }) => untilMs >= Math.max(atMs, askedAtMs))
    .sort((a, b) => a.atMs - b.atMs)[0];
}

type Ground = ClaimDue & { readonly needsProof?: true };

/** The grounds to take office that stand as long as the peer does not answer, each with its time. */
function grounds(
  state: DirectorState,
  office: Backup,
  evidence: Evidence,
  settings: Settings,
): readonly Ground[] {
  const { contestedAtMs } = office;
  const { unansweredCount, provenBy } = evidence;
  const silentSinceMs = silentSince(state);
  const silentMs = (atMs: number) => atMs - silentSinceMs;
  const linkCount = settings.links.length;
  const { contested, deadMs, intervalMs } = settings;
  const timeout: readonly Ground[] =
    contestedAtMs !== undefined && contested.kind === 'claim-after'
      ? [
          {
            atMs: contestedAtMs + contested.afterMs,
            why: (atMs) => ({ kind: 'contest-timeout', silentMs: silentMs(atMs) }),
          },
        ]
      : [];
  // One probe's answer may still be under way.
  if (unansweredCount < leastUnanswered) {
    return timeout;
  }
  const unansweredAtMs = Math.max(
    evidence.unansweredFromMs + patienceMs(settings),
    silentSinceMs + electionMs(state, office, settings),
  );
  if (contestedAtMs !== undefined) {
    const over: Ground = {
      atMs: unansweredAtMs,
      why: (atMs) => ({ kind: 'contest-over', silentMs: silentMs(atMs), unansweredCount }),
    };
    return [...timeout, over];
  }
  if (state.peer === undefined) {
    const why = (atMs: number): Why => ({ kind: 'nobody-answered', listenedMs: silentMs(atMs) });
    return [{ atMs: unansweredAtMs, why }];
  }
  const silence: Ground = {
    atMs: Math.max(unansweredAtMs, silentSinceMs + deadMs),
    why: (atMs) => ({ kind: 'silence', silentMs: silentMs(atMs), linkCount }),
  };
  return provenBy === undefined
    ? [silence]
    : [
        {
          needsProof: true,
          atMs: Math.max(unansweredAtMs, silentSinceMs + 2 * intervalMs),
          why: (atMs) => ({
            kind: 'evidence',
            silentMs: silentMs(atMs),
            linkCount,
            unansweredCount,
            provenBy,
          }),
        },
        silence,
      ];
}

/**
 * The silence that is needed where the office may be vacant and both may claim. There is no owner to replace
 * in a hurry, and the peer may be about to claim on what it heard of this director. The lesser one waits
 * longer, and so does the one that left office: who goes first has the addresses by then, and answers.
 */
function electionMs(state: DirectorState, { hasLeftOffice }: Backup, settings: Settings): number {
  if (!mayBothClaim(state)) {
    return 0;
  }
  const leastMs = state.peer === undefined ? settings.listenMs : settings.deadMs;
  return leastMs + deferenceMs(state, settings) + (hasLeftOffice ? 2 * settings.intervalMs : 0);
}

/** How long the peer must have left the questions unanswered. */
function patienceMs({ gate, intervalMs }: Settings): number {
  return gate === 'nftables' ? leastUnansweredMs : Math.max(leastUnansweredMs, 2 * intervalMs);
}

/** Until when it counts that a neighbour answered: what the peer does not answer meanwhile, it could have heard. */
function provenUntil({ provenAtMs }: Evidence, office: Backup): number {
  return provenAtMs === undefined ? Number.NEGATIVE_INFINITY : provenAtMs + leastUnansweredMs + gapMs(office);
}

function gapMs({ contestedAtMs }: Backup): number {
  return contestedAtMs === undefined ? probeGapMs : contestedProbeGapMs;
}

function hasNoCarrier(state: DirectorState, settings: Settings): boolean {
  return settings.floating.every(({ interfaceName }) => state.downInterfaces.includes(interfaceName));
}

/** Silent for so long that only the answers for the addresses keep this director from claiming them. */
export function isContested(
  state: DirectorState,
  { evidence }: Backup,
  atMs: number,
  settings: Settings,
): boolean {
  return evidence?.answeredAtMs !== undefined && silentForMs(state, atMs) >= settings.deadMs;
}

/** Takes in what a frame on the wire says about who has which address. */
export function hearAnswer(
  state: DirectorState,
  event: Extract<DirectorEvent, { kind: 'answer-heard' }>,
  settings: Settings,
): DirectorState {
  const isFloating = settings.floating.some(({ address }) => address === event.address);
  const isPeer = state.peer?.macs.includes(event.mac) === true;
  if (isFloating) {
    // Before the peer's MACs are known any owner may be the peer: it is not taken from it unasked.
    return isPeer || state.peer === undefined
      ? answeredByPeer(state, event.atMs)
      : claimedByForeign(state, event);
  }
  return isPeer ? state : heardNeighbor(state, event, settings);
}

function answeredByPeer(state: DirectorState, atMs: number): DirectorState {
  const { office } = state;
  if (office.role !== 'backup' || office.evidence === undefined) {
    return state;
  }
  const evidence = { ...office.evidence, unansweredCount: 0, unansweredFromMs: atMs, answeredAtMs: atMs };
  return { ...state, office: { ...office, evidence } };
}

function claimedByForeign(
  state: DirectorState,
  { atMs, address, mac }: Extract<DirectorEvent, { kind: 'answer-heard' }>,
): DirectorState {
  if (state.foreign?.mac === mac && atMs - state.foreign.atMs < foreignGapMs) {
    return state;
  }
  const told = { ...state, foreign: { address, mac, atMs }, foreignCount: state.foreignCount + 1 };
  return announceAgain(told, atMs);
}

function heardNeighbor(
  state: DirectorState,
  { atMs, interfaceName, address }: Extract<DirectorEvent, { kind: 'answer-heard' }>,
  settings: Settings,
): DirectorState {
  const target = { interfaceName, address };
  const { office } = state;
  const paths = wirePaths(settings);
  const isProof = paths.length === 0 || paths.some((path) => isSame(path, target));
  const proven: DirectorState =
    isProof && office.role === 'backup' && office.evidence !== undefined
      ? { ...state, office: { ...office, evidence: prove(office.evidence, address, atMs) } }
      : state;
  if (paths.length > 0) {
    return proven;
  }
  const others = state.neighbors.filter((neighbor) => !isSame(neighbor, target));
  return { ...proven, neighbors: [{ ...target, seenAtMs: atMs }, ...others].slice(0, mostNeighbors) };
}

/** Takes in who might be asked: after those who were seen themselves, for only an answer proves anything. */
export function knowNeighbors(
  state: DirectorState,
  { atMs, targets }: Extract<DirectorEvent, { kind: 'neighbors-known' }>,
  settings: Settings,
): DirectorState {
  if (wirePaths(settings).length > 0) {
    return state;
  }
  const seen = state.neighbors.filter(({ seenAtMs }) => atMs - seenAtMs < neighborAgeMs);
  const isNew = (target: Target) =>
    !seen.some((known) => isSame(known, target)) &&
    !settings.floating.some(({ address }) => address === target.address);
  const known = targets.filter(isNew).map((target) => ({ ...target, seenAtMs: atMs }));
  return { ...state, neighbors: [...seen, ...known].slice(0, mostNeighbors) };
}

/**
 * What the peer did not answer while nobody was heard at all proves nothing: with the first neighbour after
 * a gap the count begins anew.
 */
function prove(evidence: Evidence, address: string, atMs: number): Evidence {
  const proven = { ...evidence, provenBy: address, provenAtMs: atMs };
  return atMs - (evidence.provenAtMs ?? evidence.beganAtMs) > proofGapMs
    ? { ...proven, unansweredCount: 0, unansweredFromMs: atMs }
    : proven;
}
