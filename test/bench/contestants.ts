import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Daemon } from '../lab/daemon.ts';
import { startKeepalived } from '../lab/keepalived.ts';
import { routers, type Lab, type Router } from '../lab/lab.ts';
import { giveSwitchAnAddress, switchAddress } from '../lab/switch.ts';
import { configurePair, startVipair, vipair } from '../lab/vipair.ts';

/** One that is measured: how its daemons are started and how it is told to move the addresses. */
export interface Contestant {
  readonly name: string;
  /** Prepares what both routers share. */
  readonly prepare: (lab: Lab) => void;
  readonly start: (lab: Lab, router: Router) => Daemon;
  /** Moves the addresses away from the active one on purpose. */
  readonly moveOnPurpose: (lab: Lab, active: Router, daemon: Daemon) => Promise<void>;
  /** After that the old owner has ended, and must be started again. */
  readonly endsWhenMoved: boolean;
  /** Its rules in the kernel can be flushed. */
  readonly hasGate: boolean;
  /** Silence after which its backup takes over, by its configuration. */
  readonly patienceMs: number;
  /** The one that takes the addresses back whenever it can; undefined when nobody does. */
  readonly preferred: Router | undefined;
  /** When the new owner decided to claim, on the clock of the lab; undefined if it cannot be known. */
  readonly decidedAtMs: (lab: Lab, router: Router, sinceMs: number) => number | undefined;
}

export const contestants: readonly Contestant[] = [
  vipairContestant('fast'),
  vipairContestant('balanced'),
  keepalivedContestant(0.01),
  keepalivedContestant(0.1),
  keepalivedContestant(1),
];

function vipairContestant(profile: 'fast' | 'balanced'): Contestant {
  return {
    name: `vipair ${profile}`,
    prepare: (lab) => {
      // As its manual advises: with a path it notices a port that is silent while its carrier is up.
      giveSwitchAnAddress(lab);
      configurePair(lab, {
        profile,
        extra: `paths:\n  - { name: upstream, interface: eth0, target: ${switchAddress}, required: true }\n`,
      });
    },
    start: (lab, router) => startVipair(lab, router, { printClock: true }),
    moveOnPurpose: async (lab, active) => {
      const done = await vipair(lab, active, ['failover']);
      if (done.code !== 0) {
        throw new Error(`vipair failover ended with ${done.code}: ${done.stderr}${done.stdout}`);
      }
    },
    endsWhenMoved: false,
    hasGate: true,
    // `dead` of the profile.
    patienceMs: { fast: 160, balanced: 300 }[profile],
    preferred: undefined,
    decidedAtMs: claimDecidedAtMs,
  };
}

function keepalivedContestant(advertSeconds: number): Contestant {
  return {
    name: `keepalived ${advertSeconds}`,
    prepare: () => undefined,
    start: (lab, router) => startKeepalived(lab, router, advertSeconds),
    // It has no command for it: operators stop the active one.
    moveOnPurpose: async (_lab, _active, daemon) => {
      await daemon.stop();
    },
    endsWhenMoved: true,
    hasGate: false,
    // RFC 9568 §6.1: three intervals and the skew, which is less than one.
    patienceMs: 4 * 1000 * advertSeconds,
    preferred: routers[0],
    decidedAtMs: () => undefined,
  };
}

interface JournalLine {
  readonly record: {
    readonly event: { readonly atMs: number };
    readonly effects: readonly { readonly kind: string }[];
  };
}

/**
 * From the journal: the instant of the last step that decided to claim. The daemon counts from its own
 * start; the offset to the clock of the lab is in its log, where `clock-print.ts` put it.
 */
function claimDecidedAtMs(lab: Lab, router: Router, sinceMs: number): number | undefined {
  const offsets = [...readText(join(lab.directory, `vipair-${router}.log`)).matchAll(/^lab-clock (\S+)$/gm)];
  const lines = readText(join(lab.directory, `${router}-state`, `lab.${router}.events.jsonl`))
    .trim()
    .split('\n');
  for (const line of lines.reverse()) {
    const step = parseLine(line);
    if (step?.record.effects.some(({ kind }) => kind === 'claim') === true) {
      const offsetMs = Number(offsets.at(-1)?.[1]);
      const atMs = step.record.event.atMs + offsetMs;
      return atMs >= sinceMs ? atMs : undefined;
    }
  }
  return undefined;
}

function parseLine(line: string): JournalLine | undefined {
  try {
    return JSON.parse(line) as JournalLine;
  } catch {
    return undefined;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
