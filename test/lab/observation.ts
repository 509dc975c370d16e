/**
 * What the eye has seen, and what follows from it. Instants are monotonic milliseconds on the clock that
 * all processes of this host share. Everything below is pure.
 */
export interface Observation {
  readonly probes: Readonly<Record<string, ProbeSeries>>;
  /** Gratuitous ARPs, in the order of the kernel's receive time. */
  readonly announcements: readonly Announcement[];
  /** Answers to the who-has questions of the host that remembers nothing. */
  readonly answers: readonly Answer[];
  /** When the eye itself did not look for longer than 3 ms. */
  readonly pauses: readonly { readonly atMs: number; readonly lengthMs: number }[];
  readonly isRealtime: boolean;
}

/** `answeredAtMs[n]` is null when probe n got no answer. */
export interface ProbeSeries {
  readonly sentAtMs: readonly number[];
  readonly answeredAtMs: readonly (number | null)[];
}

export interface Announcement {
  readonly atMs: number;
  readonly interfaceName: string;
  readonly style: 'request' | 'reply';
  readonly address: string;
  readonly mac: string;
}

export interface Answer {
  readonly atMs: number;
  readonly address: string;
  readonly mac: string;
}

export interface Interruption {
  /** The longest time between two answers that arrived one after the other. */
  readonly silenceMs: number;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly lostCount: number;
  /** Answered, but later than `LATE_MS`. */
  readonly lateCount: number;
  readonly slowestMs: number;
  readonly sentCount: number;
}

/** A probe answered later than this was held up somewhere. */
export const LATE_MS = 5;

/**
 * The interruption of one series between two instants. The last probes, sent so shortly before the end
 * that their answer may be on its way, are not judged: `graceMs`.
 */
export function interruption(
  series: ProbeSeries,
  sinceMs: number,
  untilMs: number,
  graceMs = 50,
): Interruption {
  let lostCount = 0;
  let lateCount = 0;
  let slowestMs = 0;
  let sentCount = 0;
  const answers: number[] = [];
  for (const [at, sentAtMs] of series.sentAtMs.entries()) {
    const answeredAtMs = series.answeredAtMs[at] ?? null;
    if (answeredAtMs !== null && answeredAtMs >= sinceMs && answeredAtMs <= untilMs) {
      answers.push(answeredAtMs);
    }
    if (sentAtMs < sinceMs || sentAtMs > untilMs - graceMs) {
      continue;
    }
    sentCount += 1;
    if (answeredAtMs === null) {
      lostCount += 1;
      continue;
    }
    slowestMs = Math.max(slowestMs, answeredAtMs - sentAtMs);
    lateCount += answeredAtMs - sentAtMs > LATE_MS ? 1 : 0;
  }
  answers.sort((left, right) => left - right);
  let longest = { silenceMs: 0, fromMs: sinceMs, untilMs: sinceMs };
  let previousMs = answers[0] ?? sinceMs;
  for (const answeredAtMs of [...answers, untilMs]) {
    if (answeredAtMs - previousMs > longest.silenceMs) {
      longest = { silenceMs: answeredAtMs - previousMs, fromMs: previousMs, untilMs: answeredAtMs };
    }
    previousMs = answeredAtMs;
  }
  return { ...longest, lostCount, lateCount, slowestMs, sentCount };
}

export interface Overlap {
  readonly address: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * The times in which two MAC addresses answered for one address. One that answers again after the other
 * has answered was there all the while; a single change of owner overlaps nothing. `roundMs` is the
 * spacing of the questions: answers to the same question come within it, and an answer by both to one
 * question is an overlap already.
 */
export function overlaps(answers: readonly Answer[], roundMs: number): readonly Overlap[] {
  const found: Overlap[] = [];
  for (const address of new Set(answers.map((answer) => answer.address))) {
    const mine = answers.filter((answer) => answer.address === address);
    const last = new Map<string, number>();
    let open: Overlap | undefined;
    for (const answer of mine) {
      const others = [...last].filter(([mac]) => mac !== answer.mac).map(([, atMs]) => atMs);
      const otherAtMs = Math.max(-Infinity, ...others);
      const ownAtMs = last.get(answer.mac) ?? -Infinity;
      const isSameQuestion = answer.atMs - otherAtMs < roundMs / 2;
      const isInterleaved = otherAtMs > ownAtMs && answer.atMs - ownAtMs < 2.5 * roundMs;
      if (isSameQuestion || isInterleaved) {
        const fromMs = Math.min(otherAtMs, isInterleaved ? ownAtMs : otherAtMs);
        open =
          open === undefined || fromMs - open.untilMs > 2.5 * roundMs
            ? { address, fromMs, untilMs: answer.atMs }
            : { ...open, untilMs: answer.atMs };
        if (found.at(-1)?.address === address && found.at(-1)?.fromMs === open.fromMs) {
          found[found.length - 1] = open;
        } else {
          found.push(open);
        }
      }
      last.set(answer.mac, answer.atMs);
    }
  }
  return found;
}

/** Who was the last to answer for the address, and when the first answer of that owner came. */
export function ownerChanges(answers: readonly Answer[], address: string): readonly Answer[] {
  const changes: Answer[] = [];
  for (const answer of answers) {
    if (answer.address === address && changes.at(-1)?.mac !== answer.mac) {
      changes.push(answer);
    }
  }
  return changes;
}

/**
 * Of the first round of announcements by one MAC pair after `sinceMs`: when the first and the last of the
 * addresses was announced in that style; undefined when one was not announced.
 */
export function firstRound(
  announcements: readonly Announcement[],
  addresses: readonly string[],
  sinceMs: number,
): { readonly firstMs: number; readonly lastMs: number; readonly styles: readonly string[] } | undefined {
  const firsts = addresses.map((address) =>
    announcements.find((seen) => seen.address === address && seen.atMs >= sinceMs),
  );
  const times = firsts.flatMap((first) => (first === undefined ? [] : [first.atMs]));
  if (times.length !== addresses.length) {
    return undefined;
  }
  const lastMs = Math.max(...times);
  const styles = new Set(
    announcements.filter(({ atMs }) => atMs >= sinceMs && atMs <= lastMs + 50).map(({ style }) => style),
  );
  return { firstMs: Math.min(...times), lastMs, styles: [...styles].sort() };
}

/** The longest time the eye did not look, between two instants. */
export function longestPauseMs(seen: Observation, sinceMs: number, untilMs: number): number {
  const within = seen.pauses.filter(({ atMs, lengthMs }) => atMs + lengthMs >= sinceMs && atMs <= untilMs);
  return Math.max(0, ...within.map(({ lengthMs }) => lengthMs));
}
