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
 * The times in which two MAC addresses answered for one address. `roundMs` is the spacing of the
 * questions: answers closer than half of it are to the same one. A MAC address that leaves out up to two
 * questions is taken to have been there all the while. A single change of owner overlaps nothing.
 */
export function overlaps(answers: readonly Answer[], roundMs: number): readonly Overlap[] {
  return [...new Set(answers.map(({ address }) => address))].flatMap((address) => {
    const rounds = roundsOf(
      answers.filter((answer) => answer.address === address),
      roundMs,
    );
    const tenures = [...new Set(answers.map(({ mac }) => mac))].map((mac) => tenuresOf(rounds, mac));
    return tenures
      .flatMap((mine, at) =>
        tenures
          .slice(at + 1)
          .flatMap((others) =>
            mine.flatMap((tenure) => others.flatMap((other) => common(rounds, tenure, other))),
          ),
      )
      .map((times) => ({ address, ...times }));
  });
}

/** Answers to one question. */
type Round = readonly Answer[];
/** First and last round that one MAC address answered. */
type Tenure = readonly [number, number];

function roundsOf(answers: readonly Answer[], roundMs: number): readonly Round[] {
  const rounds: Answer[][] = [];
  for (const answer of answers) {
    const current = rounds.at(-1);
    if (current !== undefined && answer.atMs - (current[0]?.atMs ?? 0) < roundMs / 2) {
      current.push(answer);
    } else {
      rounds.push([answer]);
    }
  }
  return rounds;
}

function tenuresOf(rounds: readonly Round[], mac: string): readonly Tenure[] {
  const tenures: [number, number][] = [];
  for (const [at, round] of rounds.entries()) {
    if (!round.some((answer) => answer.mac === mac)) {
      continue;
    }
    const current = tenures.at(-1);
    if (current !== undefined && at - current[1] <= 3) {
      current[1] = at;
    } else {
      tenures.push([at, at]);
    }
  }
  return tenures;
}

function common(rounds: readonly Round[], one: Tenure, other: Tenure): { fromMs: number; untilMs: number }[] {
  const first = Math.max(one[0], other[0]);
  const last = Math.min(one[1], other[1]);
  const fromMs = rounds[first]?.[0]?.atMs;
  const untilMs = rounds[last]?.at(-1)?.atMs;
  return first > last || fromMs === undefined || untilMs === undefined ? [] : [{ fromMs, untilMs }];
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
