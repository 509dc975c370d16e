import { type Histogram } from './channel.ts';

export interface MutableHistogram {
  observe(valueMs: number): void;
  snapshot(): Histogram;
}

/** Counts lengths of time per upper bound, cumulatively as Prometheus wants them. */
export function createHistogram(boundsMs: readonly number[]): MutableHistogram {
  const counts = boundsMs.map(() => 0);
  let sumMs = 0;
  let count = 0;
  return {
    observe(valueMs) {
      sumMs += valueMs;
      count += 1;
      boundsMs.forEach((boundMs, index) => {
        if (valueMs <= boundMs) {
          counts[index] = (counts[index] ?? 0) + 1;
        }
      });
    },
    snapshot: () => ({ boundsMs, counts: [...counts], sumMs, count }),
  };
}
