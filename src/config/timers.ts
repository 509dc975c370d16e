import { type HeartbeatConfig } from './schema.ts';

/** The three times that the safety of the pair rests on. */
export interface Timers {
  readonly intervalMs: number;
  readonly leaseMs: number;
  readonly deadMs: number;
}

/**
 * What a lease was seen to last beyond its end where a virtual CPU loses jiffies; 24 ms was the most in
 * 454,000 samples.
 */
export const LEASE_OVERSHOOT_MS = 30;

const profiles: Readonly<Record<HeartbeatConfig['profile'], Timers>> = {
  balanced: { intervalMs: 50, leaseMs: 200, deadMs: 300 },
  fast: { intervalMs: 20, leaseMs: 110, deadMs: 160 },
  relaxed: { intervalMs: 200, leaseMs: 1000, deadMs: 1500 },
};

/** The profile's times, each replaced by the one that was set. */
export function timersFrom(
  heartbeat: Pick<HeartbeatConfig, 'profile' | 'interval' | 'lease' | 'dead'>,
): Timers {
  const profile = profiles[heartbeat.profile];
  return {
    intervalMs: heartbeat.interval ?? profile.intervalMs,
    leaseMs: heartbeat.lease ?? profile.leaseMs,
    deadMs: heartbeat.dead ?? profile.deadMs,
  };
}

/**
 * The two sums that keep a dead director and its successor apart, each with whether it holds: the backup
 * must not claim before the lease of a director that died right after its last heartbeat has ended, and
 * two heartbeats in a row may be late without costing a living director its lease.
 */
export function timerSums({
  intervalMs,
  leaseMs,
  deadMs,
}: Timers): readonly { holds: boolean; text: string }[] {
  const leastDeadMs = leaseMs + intervalMs + LEASE_OVERSHOOT_MS;
  const leastLeaseMs = 3 * intervalMs;
  return [
    {
      holds: deadMs >= leastDeadMs,
      text: `dead >= lease + interval + 30 ms: ${deadMs} ${deadMs >= leastDeadMs ? '>=' : '<'} ${leaseMs} + ${intervalMs} + ${LEASE_OVERSHOOT_MS} = ${leastDeadMs} ms`,
    },
    {
      holds: leaseMs >= leastLeaseMs,
      text: `lease >= 3 x interval: ${leaseMs} ${leaseMs >= leastLeaseMs ? '>=' : '<'} 3 x ${intervalMs} = ${leastLeaseMs} ms`,
    },
  ];
}
