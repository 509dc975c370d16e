import { attempt } from '../lab/command.ts';
import { type Daemon } from '../lab/daemon.ts';
import { eventually, nowMs, pause } from '../lab/eventually.ts';
import { openEye, type Eye } from '../lab/eye.ts';
import { openLab, privateFloating, publicFloating, routers, type Lab, type Router } from '../lab/lab.ts';
import {
  firstRound,
  interruption,
  longestPauseMs,
  overlaps,
  type Interruption,
  type Observation,
} from '../lab/observation.ts';
import { installSwitchFaults } from '../lab/switch.ts';
import { heldBy, ownerOf, peerOf } from '../lab/vipair.ts';
import { type Contestant } from './contestants.ts';
import { courseOf, mend, strike, type FaultName, type Scene } from './faults.ts';

/** One fault, and what client and real server had of it. All in milliseconds. */
export interface Sample {
  readonly contestant: string;
  readonly fault: FaultName;
  readonly client: Interruption;
  readonly realServer: Interruption;
  /** Both routers answered for an address so long, in questions 5 ms apart; 0 when never. */
  readonly bothAnsweredMs: number;
  /** It was still so when the watch ended. */
  readonly bothAnsweredAtEnd: boolean;
  /** Of a fault that was mended while it was watched: both still answered so long after that. */
  readonly bothAnsweredAfterMendMs: number | undefined;
  /** What did not end before the fault was mended: as long as the fault lasts, so does it. */
  readonly untilMended: readonly ('client' | 'real server' | 'both answered')[];
  readonly announcedApartMs: number | undefined;
  readonly announcementStyles: readonly string[];
  readonly decisionToAnnouncedMs: number | undefined;
  readonly movedTo: Router | undefined;
  /** Why the sample is not to be trusted, or undefined. */
  readonly distrust: string | undefined;
}

export interface Arena extends AsyncDisposable {
  readonly eye: Eye;
  trial(fault: FaultName): Promise<Sample>;
}

const ASK_PERIOD_MS = 5;
/** The peer has so long to take over; keepalived's default needs 3.6 s. */
const TAKEOVER_MS = 6000;
/** A fault that is mended under watch lasts as long as the silence after which the backup takes over, and so long. */
const HOLD_MS = 1500;
/** After it was mended it is watched as long as that silence, and so long. */
const AFTERMATH_MS = 700;
/** What began so shortly before the fault was mended is not said to have lasted as long as the fault. */
const LASTING_MS = 100;
/** A killed or frozen daemon is watched for two owners so long after the peer took over. */
const WATCH_MS = 1500;
/** The eye was away so long within the watch: what it says of that time is worth little. */
const DISTRUST_PAUSE_MS = 10;

/** Starts a contestant in a lab of its own and waits until it holds the addresses undisturbed. */
export async function openArena(contestant: Contestant): Promise<Arena> {
  const lab = openLab({ direct: false });
  installSwitchFaults(lab);
  const eye = await openEye(lab, { askPeriodMs: ASK_PERIOD_MS });
  contestant.prepare(lab);
  const daemons: Record<Router, Daemon> = {
    lvs1: contestant.start(lab, 'lvs1'),
    lvs2: contestant.start(lab, 'lvs2'),
  };
  const arena: Bench = { contestant, lab, eye, daemons };
  const close = async () => {
    await eye[Symbol.asyncDispose]();
    lab.remove();
  };
  try {
    await untilReady(arena);
  } catch (error) {
    const words = withLogs(arena, error);
    await close();
    throw words;
  }
  return {
    eye,
    trial: (fault) =>
      trial(arena, fault).catch((error: unknown) => {
        throw withLogs(arena, error);
      }),
    [Symbol.asyncDispose]: close,
  };
}

/** What went wrong, with the last words of both daemons. */
function withLogs({ daemons, lab }: Bench, cause: unknown): Error {
  const logs = routers.map(
    (router) =>
      `--- ${router} holds ${heldBy(lab, router).join(', ')}\n${daemons[router].log().slice(-1500)}`,
  );
  return new Error([cause instanceof Error ? cause.message : String(cause), ...logs].join('\n'), { cause });
}

interface Bench extends Scene {
  readonly eye: Eye;
}

/** One owner, who is the one that would take the addresses back, and nobody about to move. */
async function untilReady({ contestant, lab, eye, daemons }: Bench): Promise<Router> {
  const owner = await eventually(
    'the pair settles',
    () => {
      const found = ownerOf(lab);
      return found !== undefined && (contestant.preferred === undefined || found === contestant.preferred)
        ? found
        : undefined;
    },
    20_000,
  );
  if (!daemons[peerOf(owner)].isRunning()) {
    throw new Error(`the backup has ended: ${daemons[peerOf(owner)].log().slice(-1000)}`);
  }
  // A starting backup listens for a second before it is of any use.
  await eye.steady(1500, 20_000);
  return owner;
}

async function trial(arena: Bench, fault: FaultName): Promise<Sample> {
  const { eye } = arena;
  const active = await untilReady(arena);
  await eye.collect();
  const faultAtMs = nowMs();
  await strike(arena, fault, active);
  const course =
    courseOf(fault) === 'takeover'
      ? await watchTakeover(arena, fault, active)
      : await watchMending(arena, { fault, active, faultAtMs });
  const seen = await eye.collect();
  const sample = evaluate(arena, { fault, faultAtMs, untilMs: nowMs(), seen, ...course });
  await restore(arena, fault, active);
  return sample;
}

async function watchTakeover(
  arena: Bench,
  fault: FaultName,
  active: Router,
): Promise<Pick<Course, 'movedTo' | 'mendedAtMs'>> {
  const movedTo = await untilMoved(arena.lab, peerOf(active), TAKEOVER_MS);
  await pause(fault === 'kill' || fault === 'freeze' ? WATCH_MS : 300);
  if (fault === 'freeze') {
    mend(arena, fault, active);
    await pause(500);
  }
  return { movedTo, mendedAtMs: undefined };
}

/** Bounded, for there are pairs and faults of which one outlasts the other. */
async function watchMending(
  arena: Bench,
  {
    fault,
    active,
    faultAtMs,
  }: { readonly fault: FaultName; readonly active: Router; readonly faultAtMs: number },
): Promise<Pick<Course, 'movedTo' | 'mendedAtMs'>> {
  const { patienceMs } = arena.contestant;
  const mendAtMs = faultAtMs + patienceMs + HOLD_MS;
  const movedTo = await untilMoved(arena.lab, peerOf(active), mendAtMs - nowMs());
  await pause(Math.max(0, mendAtMs - nowMs()));
  const mendedAtMs = nowMs();
  mend(arena, fault, active);
  await pause(patienceMs + AFTERMATH_MS);
  return { movedTo, mendedAtMs };
}

/** The peer has them all, whether or not the old owner has let go. */
async function untilMoved(lab: Lab, to: Router, deadlineMs: number): Promise<Router | undefined> {
  const addresses = [publicFloating, privateFloating];
  try {
    return await eventually(
      'the peer takes over',
      () => {
        const shown = attempt(['ip', '-n', lab.hosts[to], '-o', '-4', 'addr', 'show']).stdout;
        return addresses.every((address) => shown.includes(` ${address}/`)) ? to : undefined;
      },
      deadlineMs,
    );
  } catch {
    return undefined;
  }
}

interface Course {
  readonly fault: FaultName;
  readonly faultAtMs: number;
  readonly untilMs: number;
  readonly movedTo: Router | undefined;
  readonly mendedAtMs: number | undefined;
  readonly seen: Observation;
}

function evaluate({ contestant, lab }: Bench, course: Course): Sample {
  const { fault, faultAtMs, untilMs, movedTo, mendedAtMs, seen } = course;
  const of = (name: string) =>
    interruption(seen.probes[name] ?? { sentAtMs: [], answeredAtMs: [] }, faultAtMs, untilMs);
  const both = overlaps(seen.answers, ASK_PERIOD_MS);
  const decidedAtMs = movedTo === undefined ? undefined : contestant.decidedAtMs(lab, movedTo, faultAtMs);
  const round = firstRound(seen.announcements, [publicFloating, privateFloating], decidedAtMs ?? faultAtMs);
  const client = of('client');
  const realServer = of('realServer');
  return {
    contestant: contestant.name,
    fault,
    client,
    realServer,
    bothAnsweredMs: Math.max(0, ...both.map((overlap) => overlap.untilMs - overlap.fromMs)),
    bothAnsweredAtEnd: both.some((overlap) => untilMs - overlap.untilMs < 50),
    bothAnsweredAfterMendMs:
      mendedAtMs === undefined ? undefined : Math.max(0, ...both.map((times) => times.untilMs - mendedAtMs)),
    untilMended:
      mendedAtMs === undefined
        ? []
        : [
            ...(isAcross(client, mendedAtMs) ? (['client'] as const) : []),
            ...(isAcross(realServer, mendedAtMs) ? (['real server'] as const) : []),
            ...(both.some((times) => isAcross(times, mendedAtMs)) ? (['both answered'] as const) : []),
          ],
    announcedApartMs: round === undefined ? undefined : round.lastMs - round.firstMs,
    announcementStyles: round?.styles ?? [],
    decisionToAnnouncedMs:
      round === undefined || decidedAtMs === undefined ? undefined : round.lastMs - decidedAtMs,
    movedTo,
    distrust: distrustOf(seen, client, realServer),
  };
}

/** It began well before the instant and was not over then; the last answer seen may be a question or two older. */
function isAcross(
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
  mendedAtMs: number,
): boolean {
  return fromMs < mendedAtMs - LASTING_MS && untilMs > mendedAtMs - 2 * ASK_PERIOD_MS;
}

function distrustOf(seen: Observation, ...interruptions: readonly Interruption[]): string | undefined {
  for (const { fromMs, untilMs } of interruptions) {
    const pauseMs = longestPauseMs(seen, fromMs - 20, untilMs + 20);
    if (pauseMs > DISTRUST_PAUSE_MS) {
      return `the eye did not look for ${pauseMs.toFixed(1)} ms`;
    }
  }
  return seen.isRealtime ? undefined : 'the eye has no real-time permission';
}

/** Back to a whole pair, whatever the fault left. */
async function restore(arena: Bench, fault: FaultName, struck: Router): Promise<void> {
  const { lab, daemons, contestant } = arena;
  mend(arena, fault, struck);
  if (fault === 'removed' && ownerOf(lab) === undefined) {
    // Some never notice: then an operator would start it again.
    await daemons[struck].stop();
  }
  if (!daemons[struck].isRunning()) {
    daemons[struck] = contestant.start(lab, struck);
  }
  await untilReady(arena);
}
