import { type DirectorState, type GateHooks } from '../core/state.ts';

/** What the pulse knows at one moment: the state of the core and the counts of the rim. */
export interface PulseSnapshot {
  readonly atMs: number;
  readonly wallMs: number;
  readonly startedWallMs: number;
  readonly bootId: string;
  readonly pid: number;
  readonly state: DirectorState;
  readonly links: readonly LinkCounts[];
  readonly floating: readonly FloatingCounts[];
  readonly refused: Readonly<Record<string, number>>;
  readonly notes: NoteCounts;
  /** Why real-time scheduling is not in force, or undefined when it is. */
  readonly realtimeProblem: string | undefined;
  /** How the kernel is spoken to: system calls, or the commands `ip` and `arping`. */
  readonly kernelPath: 'syscalls' | 'commands';
  readonly gate: GateSnapshot;
  readonly claims: ClaimCounts;
  readonly announcementsSent: number;
  readonly addressesLost: number;
  readonly lateness: Histogram;
  /** How often the director process ended and was started again. */
  readonly directorRestarts: number;
  readonly recordsDropped: number;
  /** The peer's configuration digest differs from ours. */
  readonly isConfigDifferent: boolean;
}

export interface LinkCounts {
  readonly name: string;
  readonly interfaceName: string;
  readonly carrier: boolean;
  readonly sent: number;
  readonly sendFailures: number;
  readonly received: number;
  /** Heartbeats the peer sent on this link that never came, by their sequence numbers. */
  readonly lost: number;
  readonly lastHeardAtMs: number | undefined;
  /** RFC 3550 §6.4.1 estimate of the variation of the arrival gaps. */
  readonly jitterMs: number | undefined;
  readonly roundTripMs: number | undefined;
}

/** Notes of the director processes to each other, each counted once however many links there are. */
export interface NoteCounts {
  readonly sent: number;
  readonly received: number;
  /** Written and not sent: too long, too many, or no peer to read them. */
  readonly dropped: number;
  /** Datagrams that said they were notes, by reason. */
  readonly refused: Readonly<Record<string, number>>;
}

export interface FloatingCounts {
  readonly address: string;
  readonly interfaceName: string;
  readonly held: boolean;
}

export interface GateSnapshot {
  readonly mode: 'nftables' | 'address' | 'off';
  /** Where the gate stops what goes out; undefined without one. */
  readonly hooks: GateHooks | undefined;
  /** Why the gate is weaker than configured, or undefined. */
  readonly problem: string | undefined;
  readonly remainingMs: number | undefined;
  readonly renewalsLate: number;
  readonly reinstalled: number;
}

export interface ClaimCounts {
  readonly attempts: number;
  readonly failures: number;
  /** From the core's decision to the last announcement handed to the kernel. */
  readonly durations: Histogram;
}

/** Cumulative counts per upper bound in milliseconds, the last bound being Infinity (null in JSON). */
export interface Histogram {
  readonly boundsMs: readonly number[];
  readonly counts: readonly number[];
  readonly sumMs: number;
  readonly count: number;
}
