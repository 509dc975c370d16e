/** The figures of a table row. Medians and percentiles by the nearest rank, so each figure was really seen. */
export interface Figures {
  readonly count: number;
  readonly min: number;
  readonly median: number;
  readonly p90: number;
  readonly max: number;
}

/** Undefined of nothing. */
export function figuresOf(values: readonly number[]): Figures | undefined {
  const sorted = [...values].sort((left, right) => left - right);
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  const [min] = sorted;
  const [median, p90, max] = [rank(0.5), rank(0.9), rank(1)];
  if (min === undefined || median === undefined || p90 === undefined || max === undefined) {
    return undefined;
  }
  return { count: sorted.length, min, median, p90, max };
}
