import { type Daemon } from '../lab/daemon.ts';
import { nowMs } from '../lab/eventually.ts';
import { type Eye, openEye } from '../lab/eye.ts';
import { type Lab, openLab, type Router } from '../lab/lab.ts';
import { interruption, overlaps } from '../lab/observation.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';
import { configurePair, type PairOptions, peerOf, startVipair, untilAgreed } from '../lab/vipair.ts';

/** Questions about the owner are so far apart; both may answer one of them while they hand over. */
export const ASK_PERIOD_MS = 5;

/** Two daemons in a lab, and somebody at the wires who looks. */
export interface WatchedPair {
  readonly lab: Lab;
  readonly eye: Eye;
  /** One that is started anew takes its place here. */
  readonly daemons: Record<Router, Daemon>;
}

export interface WatchOptions {
  /** Before the daemons are started. */
  readonly prepare?: (lab: Lab) => void;
  readonly pair?: PairOptions;
  readonly start?: (lab: Lab, router: Router) => Daemon;
  readonly onOpen: (pair: WatchedPair) => void;
}

/** Who is in which office, and since when nothing has happened. */
export interface Quiet {
  readonly active: Router;
  readonly backup: Router;
  readonly term: number;
  readonly sinceMs: number;
}

/** Opens such a pair for the tests of this `describe`, shows the logs of one that failed, and removes all. */
export function watchPair({ prepare, pair, start = startVipair, onOpen }: WatchOptions) {
  let opened: WatchedPair | undefined;

  before(async function () {
    const reason = whyNoNamespaces();
    if (reason !== undefined) {
      console.log(`    skipped: ${reason}`);
      this.skip();
    }
    const lab = openLab();
    try {
      prepare?.(lab);
      const eye = await openEye(lab, { askPeriodMs: ASK_PERIOD_MS });
      configurePair(lab, pair);
      opened = { lab, eye, daemons: { lvs1: start(lab, 'lvs1'), lvs2: start(lab, 'lvs2') } };
    } catch (error) {
      lab.remove();
      throw error;
    }
    onOpen(opened);
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') {
      for (const daemon of Object.values(opened?.daemons ?? {})) {
        console.log(`--- log of ${daemon.host}\n${daemon.log().slice(-2000)}`);
      }
    }
  });
  after(async () => {
    await opened?.eye[Symbol.asyncDispose]();
    opened?.lab.remove();
  });

  function here(): WatchedPair {
    if (opened === undefined) {
      throw new Error('the pair is opened before the first test');
    }
    return opened;
  }

  return {
    /** Both agree, and what was seen before is forgotten. */
    quiet: async (agreed = () => untilAgreed(here().lab, 15_000)): Promise<Quiet> => {
      const { eye } = here();
      const statuses = await agreed();
      const active = statuses.lvs1.role === 'active' ? 'lvs1' : 'lvs2';
      await eye.steady(100);
      await eye.collect();
      return { active, backup: peerOf(active), term: statuses[active].term, sinceMs: nowMs() };
    },
    /** How client and real server fared since then, and when two routers answered for one address. */
    seenSince: async (sinceMs: number) => {
      const seen = await here().eye.collect();
      const of = (name: string) =>
        interruption(seen.probes[name] ?? { sentAtMs: [], answeredAtMs: [] }, sinceMs, nowMs());
      return {
        client: of('client'),
        realServer: of('realServer'),
        overlaps: overlaps(seen.answers, ASK_PERIOD_MS),
        announcements: seen.announcements,
      };
    },
  };
}

/** How long two routers answered at the most. */
export function longestMs(found: readonly { readonly fromMs: number; readonly untilMs: number }[]): number {
  return Math.max(0, ...found.map(({ fromMs, untilMs }) => untilMs - fromMs));
}
