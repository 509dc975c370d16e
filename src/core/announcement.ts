import { type DirectorState } from './state.ts';

/**
 * When to tell the neighbours again who owns the floating addresses.
 *
 * The first announcement settles nearly everything; the repeats are for a switch port that was still
 * learning, a neighbour that lost the frame, and one whose cache was poisoned meanwhile.
 */

/** After the first announcement: at 0.1, 1 and 5 s. */
const repeatGapsMs = [100, 900, 4000];

/** Cheap insurance ever after, far below the usual 300 s of switch ageing. */
const refreshGapMs = 60_000;

/** The wait until the next announcement once `announcedCount` of them were made. */
export function announcementGapMs(announcedCount: number): number {
  return repeatGapsMs[announcedCount - 1] ?? refreshGapMs;
}

/** Tells the neighbours anew, as after a claim; nothing to tell for a director out of office, or at this moment told. */
export function announceAgain(state: DirectorState, atMs: number): DirectorState {
  const { office } = state;
  return office.role !== 'active' || office.announceAtMs === atMs + announcementGapMs(1)
    ? state
    : { ...state, office: { ...office, announcedCount: 0, announceAtMs: atMs } };
}
