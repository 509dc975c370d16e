import { type CheckResult } from './check.ts';
import { type Hysteresis, noVerdict, type Verdict, weigh } from './hysteresis.ts';

/** What the checks of one real server have shown. */
export interface Health {
  readonly verdict: Verdict;
  /** Since when the verdict stands; undefined before the first. */
  readonly sinceMs: number | undefined;
  /** The latest result. */
  readonly last: CheckResult | undefined;
}

export const noHealth: Health = { verdict: noVerdict, sinceMs: undefined, last: undefined };

/** A check that could not be made says nothing about the real server: the verdict stands. */
export function stepHealth(health: Health, result: CheckResult, atMs: number, limits: Hysteresis): Health {
  if (!result.ok && result.reason === 'cannot-check') {
    return { ...health, last: result };
  }
  const verdict = weigh(health.verdict, result.ok, limits);
  return {
    verdict,
    sinceMs: verdict.isUp === health.verdict.isUp ? health.sinceMs : atMs,
    last: result,
  };
}
