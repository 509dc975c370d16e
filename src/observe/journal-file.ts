import { once } from 'node:events';
import { open, rename, stat, mkdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** Lines on disk, appended in order by one writer, rotated once to `.1`. */
export interface JournalFile extends AsyncDisposable {
  /** Returns at once; the line is written when the disk takes it. */
  append(line: string): void;
  /** The last lines of this file and the one before it; none if the signal comes first. */
  readTail(most: number, signal: AbortSignal): Promise<readonly string[]>;
  failures(): number;
  problem(): string | undefined;
}

export interface JournalFileOptions {
  readonly directory: string;
  readonly name: string;
  readonly onProblem: (problem: string | undefined) => void;
  readonly rotateAtBytes?: number;
  /** A write that takes longer than this is reported as one that hangs. */
  readonly hangMs?: number;
  /** The wait after a failed write. */
  readonly retryMs?: number;
}

/** Lines that wait for the disk; beyond that the oldest are dropped from the file, not from memory. */
const mostWaiting = 1000;
const closeGraceMs = 500;

export function openJournalFile(options: JournalFileOptions): JournalFile {
  const { directory, name, onProblem, rotateAtBytes = 1024 * 1024, hangMs = 5000, retryMs = 5000 } = options;
  const path = join(directory, name);
  let waiting: string[] = [];
  let isTorn = false;
  let writing: Promise<void> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let failures = 0;
  let problem: string | undefined;

  function report(now: string | undefined): void {
    const isNews = (now === undefined) !== (problem === undefined);
    problem = now;
    if (isNews) {
      onProblem(now);
    }
  }

  function start(): void {
    if (writing !== undefined || retry !== undefined || waiting.length === 0) {
      return;
    }
    writing = write().finally(() => {
      writing = undefined;
      start();
    });
  }

  async function write(): Promise<void> {
    const lines = waiting;
    waiting = [];
    const watch = setTimeout(() => {
      failures += 1;
      report(`${path} does not take what is written (${hangMs} ms)`);
    }, hangMs);
    watch.unref();
    try {
      // A write that failed halfway left half a line: end it, so that only that one is lost.
      await appendTo(path, (isTorn ? '\n' : '') + lines.join(''), rotateAtBytes);
      isTorn = false;
      report(undefined);
    } catch (error) {
      isTorn = true;
      failures += 1;
      waiting = [...lines, ...waiting].slice(-mostWaiting);
      report(`${path} cannot be written: ${messageOf(error)}`);
      retry = setTimeout(() => {
        retry = undefined;
        start();
      }, retryMs);
      retry.unref();
    } finally {
      clearTimeout(watch);
    }
  }

  return {
    append(line) {
      waiting.push(line);
      if (waiting.length > mostWaiting) {
        waiting.shift();
      }
      start();
    },
    async readTail(most, signal) {
      const late = new Promise<undefined>((resolve) => {
        signal.addEventListener('abort', () => {
          resolve(undefined);
        });
      });
      const read = async () => [
        await readLines(`${path}.1`, rotateAtBytes, report),
        await readLines(path, rotateAtBytes, report),
      ];
      const files = await Promise.race([read(), late]);
      if (files === undefined) {
        report(`${path} could not be read in time`);
        return [];
      }
      isTorn = files.at(-1)?.isTorn ?? false;
      return files.flatMap(({ lines }) => lines).slice(-most);
    },
    failures: () => failures,
    problem: () => problem,
    async [Symbol.asyncDispose]() {
      const grace = AbortSignal.timeout(closeGraceMs);
      const over = once(grace, 'abort');
      // What came while one write was under way is in the next one.
      while (writing !== undefined && !grace.aborted) {
        await Promise.race([writing, over]);
      }
      clearTimeout(retry);
    },
  };
}

async function appendTo(path: string, text: string, rotateAtBytes: number): Promise<void> {
  const size = await sizeOf(path);
  if (size > 0 && size + Buffer.byteLength(text) > rotateAtBytes) {
    await rename(path, `${path}.1`);
  }
  const file = await openToAppend(path);
  try {
    await file.appendFile(text);
  } finally {
    await file.close();
  }
}

async function openToAppend(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a', 0o640);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') {
      throw error;
    }
    await mkdir(join(path, '..'), { recursive: true, mode: 0o755 });
    return open(path, 'a', 0o640);
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      return 0;
    }
    throw error;
  }
}

/** The whole lines at the end of a file, and whether half a one follows. A file that is not there has none. */
async function readLines(
  path: string,
  mostBytes: number,
  report: (problem: string) => void,
): Promise<{ readonly lines: readonly string[]; readonly isTorn: boolean }> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const length = Math.min(size, mostBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const parts = buffer.toString('utf8', 0, bytesRead).split('\n');
    const rest = parts.pop() ?? '';
    // What is cut off at the front is no whole line and will not parse.
    return { lines: parts, isTorn: rest !== '' };
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') {
      report(`${path} cannot be read: ${messageOf(error)}`);
    }
    return { lines: [], isTorn: false };
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
