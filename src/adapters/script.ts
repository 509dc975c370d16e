import { type ChildProcess, spawn } from 'node:child_process';
import { type Readable } from 'node:stream';
import { fail, ok, type Result } from '../core/result.ts';

/** Enough to see what a script complained of, and no more than that. */
const KEPT_OUTPUT_BYTES = 4096;

/** Who holds a dead script's output open left its group on purpose; nobody waits for that one. */
const FAREWELL_MS = 50;

/** Where the output is the result, a busy machine gets the time to read what is still in the pipes. */
const RESULT_FAREWELL_MS = 2000;

export interface Script {
  /** Program and arguments; there is no shell. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
  /** All of it: nothing of this process's environment is passed on. */
  readonly environment: Readonly<Record<string, string>>;
}

export type ScriptReason =
  'exit-code' | 'signal' | 'timeout' | 'aborted' | 'not-found' | 'not-executable' | 'cannot-start';

/**
 * Runs a program to its end: all is well when it ends with 0 in time; the value is the end of what it
 * printed, which on failure is in the detail.
 *
 * It leads a process group of its own. When it ends, however it ends, the whole group is killed: neither a
 * process that it left behind nor an open pipe outlives the run.
 */
export async function runScript(script: Script, signal: AbortSignal): Promise<Result<string, ScriptReason>> {
  const lastWords = keepEnd();
  const listen = ({ stdout, stderr }: ChildProcess) => {
    stdout?.on('data', lastWords.take);
    stderr?.on('data', lastWords.take);
  };
  const { ending } = await run(script, { input: undefined, farewellMs: FAREWELL_MS, listen }, signal);
  const text = lastWords.text().trim();
  const words = [ending.ok ? undefined : ending.detail, text].filter(Boolean).join(': ');
  return ending.ok ? ok(text) : fail(ending.reason, words === '' ? undefined : words);
}

export interface Program extends Script {
  /** What it reads; then its input ends. */
  readonly input: string;
  /** Of each of its outputs, counted from the beginning. */
  readonly keptBytes: number;
}

export interface ProgramEnd {
  readonly ending: Result<undefined, ScriptReason>;
  /** Undefined when it did not end by itself. */
  readonly exitCode: number | undefined;
  readonly output: string;
  readonly complaints: string;
  /** Whether that is all it printed. */
  readonly isWhole: boolean;
}

/** Like `runScript`, for a program whose output is a result, and whatever its end. */
export async function runProgram(program: Program, signal: AbortSignal): Promise<ProgramEnd> {
  const output = keepBeginning(program.keptBytes);
  const complaints = keepBeginning(program.keptBytes);
  const listen = (child: ChildProcess) => {
    output.listen(child.stdout);
    complaints.listen(child.stderr);
  };
  const { input } = program;
  const end = await run(program, { input, farewellMs: RESULT_FAREWELL_MS, listen }, signal);
  return {
    ...end,
    output: output.text(),
    complaints: complaints.text(),
    isWhole: output.isWhole() && complaints.isWhole(),
  };
}

interface Pipes {
  /** Undefined: there is nothing to read. */
  readonly input: string | undefined;
  /** How long its pipes may stay open behind its end. */
  readonly farewellMs: number;
  readonly listen: (child: ChildProcess) => void;
}

async function run(
  script: Script,
  pipes: Pipes,
  signal: AbortSignal,
): Promise<Pick<ProgramEnd, 'ending' | 'exitCode'>> {
  if (signal.aborted) {
    return { ending: fail('aborted'), exitCode: undefined };
  }
  const child = start(script, pipes.input === undefined ? 'ignore' : 'pipe');
  if (child instanceof Error) {
    return { ending: cannotStart(child), exitCode: undefined };
  }
  pipes.listen(child);
  // A program that ends before it has read everything says why by its exit code.
  child.stdin?.on('error', () => undefined).end(pipes.input);
  const ending = await end(child, script.timeoutMs, signal);
  await farewell(child, pipes.farewellMs);
  return { ending, exitCode: child.exitCode ?? undefined };
}

/** Some failures to start are thrown, others told by an event. */
function start({ command, environment }: Script, input: 'ignore' | 'pipe'): ChildProcess | Error {
  const [program = '', ...args] = command;
  try {
    return spawn(program, args, {
      detached: true,
      cwd: '/',
      env: { ...environment },
      stdio: [input, 'pipe', 'pipe'],
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error) {
      return error;
    }
    throw error;
  }
}

async function end(
  child: ChildProcess,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Result<undefined, ScriptReason>> {
  let cause: 'timeout' | 'aborted' | undefined;
  const stop = (why: 'timeout' | 'aborted') => () => {
    cause ??= why;
    endGroup(child.pid);
  };
  const abort = stop('aborted');
  const timer = setTimeout(stop('timeout'), timeoutMs);
  signal.addEventListener('abort', abort, { once: true });
  const ended = await new Promise<Result<undefined, ScriptReason>>((resolve) => {
    child.once('error', (error) => {
      resolve(cannotStart(error));
    });
    child.once('exit', (code, killedBy) => {
      resolve(judge(code, killedBy));
    });
  });
  clearTimeout(timer);
  signal.removeEventListener('abort', abort);
  endGroup(child.pid);
  switch (cause) {
    case undefined:
      return ended;
    case 'timeout':
      return fail('timeout', `took longer than ${timeoutMs} ms and was killed`);
    case 'aborted':
      return fail('aborted');
  }
}

function judge(code: number | null, killedBy: NodeJS.Signals | null): Result<undefined, ScriptReason> {
  if (code === 0) {
    return ok(undefined);
  }
  return code === null
    ? fail('signal', `was ended by ${killedBy ?? 'a signal'}`)
    : fail('exit-code', `ended with exit code ${code}`);
}

function cannotStart(error: Error): Result<never, ScriptReason> {
  const code = 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return fail('not-found', 'does not exist, or its interpreter does not');
    case 'EACCES':
      return fail('not-executable', 'may not be executed. Remedy: chmod +x');
    default:
      return fail('cannot-start', `cannot be started: ${error.message}`);
  }
}

/** What was printed last is still in the pipes when the end is told. */
async function farewell(child: ChildProcess, farewellMs: number): Promise<void> {
  // Where no descriptor is left, Node gives a child without them, whatever its type says.
  const given: readonly (Readable | null | undefined)[] = [child.stdout, child.stderr];
  const pipes = given.filter((pipe) => pipe !== null && pipe !== undefined);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, farewellMs);
  });
  const closed = pipes.map(
    (pipe) =>
      new Promise<void>((resolve) => {
        if (pipe.closed) {
          resolve();
        } else {
          pipe.once('close', resolve);
        }
      }),
  );
  await Promise.race([Promise.all(closed), late]);
  clearTimeout(timer);
  for (const pipe of pipes) {
    pipe.destroy();
  }
  child.stdin?.destroy();
}

/** Reads all that is printed, so that nobody blocks on a full pipe, and keeps the end of it. */
function keepEnd(): { take: (chunk: Buffer) => void; text: () => string } {
  let kept = Buffer.alloc(0);
  return {
    take: (chunk) => {
      kept = Buffer.from(Buffer.concat([kept, chunk]).subarray(-KEPT_OUTPUT_BYTES));
    },
    text: () => kept.toString('utf8'),
  };
}

/** The same, with the beginning; `isWhole` when nothing was left out and the end was seen. */
function keepBeginning(bytes: number): {
  listen: (pipe: ChildProcess['stdout']) => void;
  text: () => string;
  isWhole: () => boolean;
} {
  const chunks: Buffer[] = [];
  let room = bytes;
  let isWhole = false;
  return {
    listen: (pipe) => {
      pipe?.on('data', (chunk: Buffer) => {
        if (room > 0) {
          chunks.push(chunk.subarray(0, room));
        }
        room -= chunk.byteLength;
      });
      pipe?.once('end', () => {
        isWhole = room >= 0;
      });
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
    isWhole: () => isWhole,
  };
}

/** Also a group of which only children are left; no group, or one that is not ours to end, is no error. */
function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) {
      process.kill(-pid, 'SIGKILL');
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'ESRCH' || error.code === 'EPERM'))) {
      throw error;
    }
  }
}
