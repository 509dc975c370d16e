import { type StepRecord } from '../core/record.ts';
import { type Command, type CommandOutcome, type Target } from '../core/state.ts';
import { type PulseSnapshot } from '../observe/snapshot.ts';

export type {
  ClaimCounts,
  FloatingCounts,
  GateSnapshot,
  Histogram,
  LinkCounts,
  NoteCounts,
  PulseSnapshot,
} from '../observe/snapshot.ts';

/**
 * Every message between the pulse (parent) and the director (child), over Node's process channel as JSON.
 * The pulse answers from memory and never waits for the director: a queue that the director does not
 * drain is cut off and counted.
 */

export type ToDirector =
  | { readonly kind: 'record'; readonly record: StepRecord }
  | { readonly kind: 'snapshot'; readonly id: string; readonly snapshot: PulseSnapshot }
  | { readonly kind: 'outcome'; readonly commandId: string; readonly outcome: CommandOutcome }
  /** What the peer's director process wrote to this one, with the boot id of its pulse in hexadecimal. */
  | { readonly kind: 'note'; readonly text: string; readonly bootId: string }
  /** Something went wrong at the rim that no decision hangs on; for the log. */
  | { readonly kind: 'trouble'; readonly what: string; readonly detail: string };

export type ToPulse =
  | { readonly kind: 'snapshot'; readonly id: string }
  /** What a track that is too slow for the pulse was found to be: a path by ICMP, or a script. */
  | { readonly kind: 'report'; readonly name: string; readonly isUp: boolean }
  /** Whether the kernel here knows the connections of the peer's. */
  | { readonly kind: 'sync'; readonly isCaughtUp: boolean }
  | { readonly kind: 'neighbors'; readonly targets: readonly Target[] }
  /** For the peer's director process; it may get lost. */
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'command'; readonly commandId: string; readonly command: Command };
