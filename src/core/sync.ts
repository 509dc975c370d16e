/** A few more or less are no loss that anybody would notice, and tables are never quite the same. */
const enoughShare = 0.9;
const fewConnections = 20;

/** Idle connections are not told again by the kernel, so a table may never catch up: then enough was waited. */
const patienceMs = 120_000;

/**
 * Does this director's kernel know the connections that the peer's knows, so that they would survive if the
 * office came here? `sinceMs` is how long both have been there to tell each other.
 */
export function isCaughtUp(own: number, peer: number | undefined, sinceMs: number): boolean {
  return peer === undefined || peer < fewConnections || own >= enoughShare * peer || sinceMs >= patienceMs;
}
