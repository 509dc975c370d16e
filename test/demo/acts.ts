import { type Daemon } from '../lab/daemon.ts';
import { eventually, nowMs, pause } from '../lab/eventually.ts';
import { type Eye } from '../lab/eye.ts';
import { privateFloating, publicFloating, routers, type Lab, type Router } from '../lab/lab.ts';
import {
  firstRound,
  interruption,
  longestPauseMs,
  overlaps,
  type Interruption,
  type Observation,
} from '../lab/observation.ts';
import { heal, inject, plugDirect } from '../lab/switch.ts';
import {
  disagreement,
  heldBy,
  peerOf,
  startVipair,
  statusOf,
  untilAgreed,
  untilOwner,
  vipair,
  type Status,
} from '../lab/vipair.ts';

/** The play: a lab, two daemons, and the eye that sees what client and real server see. */
export interface Play {
  readonly lab: Lab;
  readonly eye: Eye;
  readonly daemons: Record<Router, Daemon>;
  readonly askPeriodMs: number;
}

/** What came of one act. */
export interface Outcome {
  readonly from: Router;
  readonly to: Router | undefined;
  readonly client: Interruption;
  readonly realServer: Interruption;
  /** Both routers answered ARP for one address so long. */
  readonly bothAnsweredMs: number;
  readonly announcedApartMs: number | undefined;
  /** What status and kernel do not agree on. */
  readonly disagreements: readonly string[];
  /** More that was seen, a sentence each. */
  readonly remarks: readonly string[];
  readonly promise: string;
  /** Why the promise was not kept; empty when it was. */
  readonly broken: readonly string[];
}

export interface Act {
  readonly name: string;
  readonly title: string;
  readonly going: string;
  readonly play: (play: Play) => Promise<Outcome>;
}

/** Heartbeats, timers and this machine's other work may each be late a little. */
const NOISE_MS = 250;

export const acts: readonly Act[] = [
  {
    name: 'moved on purpose',
    title: 'vipair failover: the active hands over',
    going: 'moving the addresses by hand',
    play: moveOnPurpose,
  },
  {
    name: 'cut off',
    title: 'the active is cut off: all its ports fall silent',
    going: 'cutting the active off',
    play: cutOff,
  },
  {
    name: 'killed',
    title: 'SIGKILL: the daemon dies, its router lives on',
    going: 'killing the active daemon',
    play: killActive,
  },
  {
    name: 'frozen',
    title: 'SIGSTOP: the daemon freezes, then thaws',
    going: 'freezing the active daemon',
    play: freezeActive,
  },
];

async function moveOnPurpose(play: Play): Promise<Outcome> {
  const { lab } = play;
  const { active, statuses } = await begin(play);
  const sinceMs = nowMs();
  const command = await vipair(lab, active, ['failover']);
  const to = await untilOwner(lab, peerOf(active)).catch(() => undefined);
  await pause(200);
  const seen = await look(play, sinceMs);
  const lost = seen.client.lostCount + seen.realServer.lostCount;
  return {
    ...seen,
    from: active,
    to,
    disagreements: await disagreements(play),
    remarks: [`the command said: ${(command.stdout + command.stderr).trim()}`],
    promise: 'exit code 0, the peer holds both, no probe is lost',
    broken: [
      ...(command.code === 0 ? [] : [`the command ended with ${command.code}`]),
      ...(lost === 0 ? [] : [`${lost} probes were lost`]),
      ...moved(to),
      ...(seen.bothAnsweredMs <= play.askPeriodMs ? [] : [twoOwners(seen.bothAnsweredMs)]),
      ...termRose(statuses, await statusOf(lab, peerOf(active))),
    ],
  };
}

async function cutOff(play: Play): Promise<Outcome> {
  const { lab, eye } = play;
  const { active, statuses } = await begin(play);
  const peer = peerOf(active);
  const sinceMs = nowMs();
  inject(lab, ['mute', 'deaf'], [active]);
  plugDirect(lab, false);
  const to = await untilHolds(lab, peer);
  await pause(300);
  const seen = await look(play, sinceMs);
  const during = await disagreements(play);
  await eye.collect();
  const healedAtMs = nowMs();
  plugDirect(lab, true);
  heal(lab);
  const winner = await untilOwner(lab).catch(() => undefined);
  const wholeMs = nowMs() - healedAtMs;
  await eye.steady(200).catch(() => undefined);
  const after = await look(play, healedAtMs);
  const limitMs = deadMsOf(statuses[active]) + NOISE_MS;
  return {
    ...seen,
    from: active,
    to,
    disagreements: [...during, ...(await disagreements(play))],
    remarks: [
      `cables back: ${winner ?? 'nobody'} holds both ${show(wholeMs)} later; ` +
        `the client had no answer for ${show(after.client.silenceMs)}`,
    ],
    promise: `the peer holds both; silence at most ${limitMs} ms; one owner after healing`,
    broken: [
      ...moved(to),
      ...tooLong(seen, limitMs),
      ...(winner === undefined ? ['two owners remain after the cables are back'] : []),
    ],
  };
}

async function killActive(play: Play): Promise<Outcome> {
  const { active, statuses } = await begin(play);
  const outcome = await loseDaemon(play, active, statuses, () => play.daemons[active].kill());
  play.daemons[active] = startVipair(play.lab, active);
  await untilAgreed(play.lab);
  return outcome;
}

async function freezeActive(play: Play): Promise<Outcome> {
  const { active, statuses } = await begin(play);
  const outcome = await loseDaemon(play, active, statuses, () => {
    play.daemons[active].freeze();
    return Promise.resolve();
  });
  await play.eye.collect();
  const thawedAtMs = nowMs();
  play.daemons[active].thaw();
  await untilAgreed(play.lab);
  await pause(200);
  const after = await look(play, thawedAtMs);
  const owner = await untilOwner(play.lab);
  return {
    ...outcome,
    remarks: [
      ...outcome.remarks,
      `thawed: ${active} found out and stays backup; ${owner} holds both, client silence ${show(after.client.silenceMs)}`,
    ],
    broken: [
      ...outcome.broken,
      ...(owner === active ? ['the thawed daemon took the addresses back'] : []),
      ...(after.bothAnsweredMs <= play.askPeriodMs
        ? []
        : [`after the thaw ${twoOwners(after.bothAnsweredMs)}`]),
    ],
  };
}

/**
 * A daemon is gone while its kernel goes on. Under the lease in the kernel the addresses fall silent before
 * the peer claims them. Without it the dead router answers until `valid_lft` ends: that is measured and said.
 */
async function loseDaemon(
  play: Play,
  active: Router,
  statuses: Readonly<Record<Router, Status>>,
  strike: () => Promise<unknown>,
): Promise<Outcome> {
  const { lab } = play;
  const { lease } = statuses[active];
  const sinceMs = nowMs();
  await strike();
  const to = await untilHolds(lab, peerOf(active));
  const limitMs = lease.lifetimeSeconds * 1000 + 1500;
  const droppedMs = await eventually(
    'the kernel drops the addresses',
    () => (heldBy(lab, active).some(Boolean) ? undefined : nowMs() - sinceMs),
    limitMs + 1000,
  ).catch(() => undefined);
  await pause(200);
  const seen = await look(play, sinceMs);
  const isFenced = lease.mode === 'nftables';
  const silenceLimitMs = deadMsOf(statuses[active]) + NOISE_MS;
  return {
    ...seen,
    from: active,
    to,
    disagreements: await disagreements(play, active),
    remarks: [
      droppedMs === undefined
        ? `the kernel of ${active} still has the addresses`
        : `the kernel of ${active} dropped the addresses after ${show(droppedMs)} (valid_lft ${lease.lifetimeSeconds} s)`,
      ...(isFenced ? [] : [`lease mode "${lease.mode}": until then both routers may answer`]),
    ],
    promise: isFenced
      ? `the peer holds both; silence at most ${silenceLimitMs} ms; never two owners`
      : `the peer holds both; two owners for at most ${show(limitMs)}`,
    broken: [
      ...moved(to),
      ...tooLong(seen, isFenced ? silenceLimitMs : limitMs),
      ...(seen.bothAnsweredMs <= (isFenced ? 0 : limitMs) ? [] : [twoOwners(seen.bothAnsweredMs)]),
      ...(droppedMs === undefined ? ['the dead router kept its addresses'] : []),
    ],
  };
}

/** Both agree, the wire is quiet, and what was seen before is forgotten. */
async function begin({ lab, eye }: Play) {
  const statuses = await untilAgreed(lab);
  const active = statuses.lvs1.role === 'active' ? 'lvs1' : 'lvs2';
  await eye.steady(300);
  await eye.collect();
  return { active, statuses } as const;
}

async function look({ eye, askPeriodMs }: Play, sinceMs: number) {
  const seen = await eye.collect();
  const untilMs = nowMs();
  return {
    client: interruptionOf(seen, 'client', sinceMs, untilMs),
    realServer: interruptionOf(seen, 'realServer', sinceMs, untilMs),
    bothAnsweredMs: Math.max(
      0,
      ...overlaps(seen.answers, askPeriodMs).map((both) => Math.max(1, both.untilMs - both.fromMs)),
    ),
    announcedApartMs: announcedApart(seen, sinceMs),
    eyePauseMs: longestPauseMs(seen, sinceMs, untilMs),
  };
}

function announcedApart(seen: Observation, sinceMs: number): number | undefined {
  const round = firstRound(seen.announcements, [publicFloating, privateFloating], sinceMs);
  return round === undefined ? undefined : round.lastMs - round.firstMs;
}

function interruptionOf(seen: Observation, name: string, sinceMs: number, untilMs: number): Interruption {
  return interruption(seen.probes[name] ?? { sentAtMs: [], answeredAtMs: [] }, sinceMs, untilMs);
}

function untilHolds(lab: Lab, router: Router): Promise<Router | undefined> {
  return eventually(
    `${router} holds both`,
    () => (heldBy(lab, router).every(Boolean) ? router : undefined),
    8000,
  ).catch(() => undefined);
}

/** Every daemon that runs, asked, and compared with its own kernel. */
async function disagreements({ lab }: Play, except?: Router): Promise<string[]> {
  const found: string[] = [];
  for (const router of routers.filter((each) => each !== except)) {
    const status = await statusOf(lab, router);
    const problem = status === undefined ? `${router} does not answer` : disagreement(lab, router, status);
    found.push(...(problem === undefined ? [] : [problem]));
  }
  return found;
}

function moved(to: Router | undefined): string[] {
  return to === undefined ? ['the peer did not take over'] : [];
}

function tooLong(seen: { client: Interruption; realServer: Interruption }, limitMs: number): string[] {
  const longestMs = Math.max(seen.client.silenceMs, seen.realServer.silenceMs);
  return longestMs <= limitMs ? [] : [`silence was ${show(longestMs)}, more than ${limitMs} ms`];
}

function termRose(before: Readonly<Record<Router, Status>>, after: Status | undefined): string[] {
  const last = Math.max(before.lvs1.term, before.lvs2.term);
  return after !== undefined && after.term > last ? [] : ['the term did not rise'];
}

function twoOwners(ms: number): string {
  return `both routers answered for ${show(ms)}`;
}

function deadMsOf(status: Status): number {
  return status.timers.deadMs;
}

/** Milliseconds as people read them. */
export function show(ms: number): string {
  if (ms >= 1000) {
    return `${(ms / 1000).toFixed(1)} s`;
  }
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${ms.toFixed(0)} ms`;
}
