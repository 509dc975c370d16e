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
import { heal, inject, installSwitchFaults } from '../lab/switch.ts';
import { clearAfterPowerLoss, heldBy, ownerOf, peerOf } from '../lab/vipair.ts';
import { type Contestant } from './contestants.ts';

/** What is done to the active router. */
export const faults = ['planned', 'power', 'kill', 'freeze'] as const;
export type FaultName = (typeof faults)[number];

export const faultTitles: Readonly<Record<FaultName, string>> = {
  planned: 'moved on purpose (vipair failover; keepalived: SIGTERM)',
  power: 'power lost: all ports silent and all processes killed at once',
  kill: 'SIGKILL of the whole daemon, the router lives on',
  freeze: 'SIGSTOP of the whole daemon until 1.5 s after the takeover, then SIGCONT',
};

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

interface Bench {
  readonly contestant: Contestant;
  readonly lab: Lab;
  readonly eye: Eye;
  readonly daemons: Record<Router, Daemon>;
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
  const { lab, eye, contestant } = arena;
  const active = await untilReady(arena);
  await eye.collect();
  const faultAtMs = nowMs();
  const before = arena.daemons[active];
  await strike(arena, fault, active);
  const movedTo = await untilMoved(lab, peerOf(active), TAKEOVER_MS);
  await pause(fault === 'kill' || fault === 'freeze' ? WATCH_MS : 300);
  if (fault === 'freeze') {
    before.thaw();
    await pause(500);
  }
  const seen = await eye.collect();
  const untilMs = nowMs();
  const sample = evaluate(arena, { fault, faultAtMs, untilMs, movedTo, seen });
  await restore(arena, fault, active, contestant);
  return sample;
}

async function strike({ lab, contestant, daemons }: Bench, fault: FaultName, active: Router): Promise<void> {
  switch (fault) {
    case 'planned':
      await contestant.moveOnPurpose(lab, active, daemons[active]);
      return;
    case 'power':
      inject(lab, ['mute', 'deaf'], [active]);
      await daemons[active].kill();
      return;
    case 'kill':
      await daemons[active].kill();
      return;
    case 'freeze':
      daemons[active].freeze();
      return;
  }
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
  readonly seen: Observation;
}

function evaluate({ contestant, lab }: Bench, course: Course): Sample {
  const { fault, faultAtMs, untilMs, movedTo, seen } = course;
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
    announcedApartMs: round === undefined ? undefined : round.lastMs - round.firstMs,
    announcementStyles: round?.styles ?? [],
    decisionToAnnouncedMs:
      round === undefined || decidedAtMs === undefined ? undefined : round.lastMs - decidedAtMs,
    movedTo,
    distrust: distrustOf(seen, client, realServer),
  };
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
async function restore(
  arena: Bench,
  fault: FaultName,
  struck: Router,
  contestant: Contestant,
): Promise<void> {
  const { lab, daemons } = arena;
  if (fault === 'power' || fault === 'kill') {
    clearAfterPowerLoss(lab, struck);
    heal(lab);
  }
  if (!daemons[struck].isRunning()) {
    daemons[struck] = contestant.start(lab, struck);
  }
  await untilReady(arena);
}
