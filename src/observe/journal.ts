import { type StepRecord } from '../core/record.ts';
import { openJournalFile } from './journal-file.ts';

/** A step record as it is kept. Each line of the events file is one of these. */
export interface JournalEntry {
  /** Rises from entry to entry, across restarts, too: wall time in ms, or one more than the last. */
  readonly id: number;
  readonly node: string;
  readonly sentence: string;
  readonly record: StepRecord;
}

export interface Journal extends AsyncDisposable {
  /** Undefined if the record is there already: a director that starts again is told of the last steps again. */
  append(record: StepRecord, sentence: string): JournalEntry | undefined;
  /** Oldest first; `sinceId` itself is not among them. */
  entries(query?: { readonly sinceId?: number | undefined }): readonly JournalEntry[];
  /** Failed writes since the start. */
  failures(): number;
  /** What keeps the events from the disk now, in words. */
  problem(): string | undefined;
}

export interface JournalOptions {
  readonly stateDir: string;
  readonly pair: string;
  readonly node: string;
  /** Called once when writing begins to fail, and once with undefined when it works again. */
  readonly onProblem: (problem: string | undefined) => void;
}

/** So many are kept in memory: with a record of some 3 KB that is a few MB. */
export const keptEntries = 1000;

/** A disk that does not answer delays the start no longer than this. */
const restorePatienceMs = 1000;

/**
 * Keeps the notable steps in memory and on disk. Memory comes first: a disk that is full or hangs costs
 * the file some lines, never the process. What an earlier life wrote is there again after a restart.
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { stateDir, pair, node } = options;
  const file = openJournalFile({
    directory: stateDir,
    name: `${pair}.${node}.events.jsonl`,
    onProblem: options.onProblem,
  });
  const restored = await file.readTail(keptEntries, AbortSignal.timeout(restorePatienceMs));
  const entries = inOrder(restored.flatMap(parseEntry));
  let lastId = entries.at(-1)?.id ?? 0;
  return {
    append(record, sentence) {
      if (entries.some((entry) => isSameStep(entry.record, record))) {
        return undefined;
      }
      lastId = Math.max(lastId + 1, record.wallMs);
      const entry = { id: lastId, node, sentence, record };
      entries.push(entry);
      if (entries.length > keptEntries) {
        entries.shift();
      }
      file.append(`${JSON.stringify(entry)}\n`);
      return entry;
    },
    entries: ({ sinceId = 0 } = {}) => entries.filter(({ id }) => id > sinceId),
    failures: () => file.failures(),
    problem: () => file.problem(),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

/** Numbers begin anew with each life of the pulse; with the instant they are unique. */
function isSameStep(a: StepRecord, b: StepRecord): boolean {
  return a.number === b.number && a.wallMs === b.wallMs;
}

/** A write that failed halfway was done again as a whole, so a line may be there twice. */
function inOrder(entries: readonly JournalEntry[]): JournalEntry[] {
  let lastId = 0;
  return entries.filter(({ id }) => {
    const isNew = id > lastId;
    lastId = Math.max(lastId, id);
    return isNew;
  });
}

/** A line that is torn or is not ours is passed over. */
function parseEntry(line: string): readonly JournalEntry[] {
  try {
    const entry: unknown = JSON.parse(line);
    return isEntry(entry) ? [entry] : [];
  } catch {
    return [];
  }
}

function isEntry(value: unknown): value is JournalEntry {
  return (
    isObject(value) &&
    Number.isSafeInteger(value['id']) &&
    typeof value['node'] === 'string' &&
    typeof value['sentence'] === 'string' &&
    isObject(value['record']) &&
    typeof value['record']['wallMs'] === 'number' &&
    isState(value['record']['before']) &&
    isState(value['record']['after']) &&
    isObject(value['record']['event']) &&
    Array.isArray(value['record']['effects'])
  );
}

function isState(value: unknown): boolean {
  return isObject(value) && isObject(value['office']) && isObject(value['why']);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
