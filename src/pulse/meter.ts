import { createHistogram } from './histogram.ts';

const latenessBoundsMs = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const claimBoundsMs = [0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];

/** The counts of the rim that nobody decides by. */
export interface Meter {
  claimAttempts: number;
  claimFailures: number;
  announcementsSent: number;
  addressesLost: number;
  recordsDropped: number;
  /** Heartbeats in office that left when less than one interval of the lease was left. */
  renewalsLate: number;
  /** How late deadlines came. */
  readonly lateness: ReturnType<typeof createHistogram>;
  /** From the decision to claim to the last frame of the first announcement. */
  readonly claims: ReturnType<typeof createHistogram>;
}

export function createMeter(): Meter {
  return {
    claimAttempts: 0,
    claimFailures: 0,
    announcementsSent: 0,
    addressesLost: 0,
    recordsDropped: 0,
    renewalsLate: 0,
    lateness: createHistogram(latenessBoundsMs),
    claims: createHistogram(claimBoundsMs),
  };
}
