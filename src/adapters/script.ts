import { type ChildProcess, spawn } from 'node:child_process';
import { fail, ok, type Result } from '../core/result.ts';

/** Enough to see what a script complained of, and no more than that. */
const KEPT_OUTPUT_BYTES = 4096;

/** Who holds a dead script's output open left its group on purpose; nobody waits for that one. */
const FAREWELL_MS = 50;

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
  if (signal.aborted) {
    return fail('aborted');
  }
  const child = start(script);
  if (!(child instanceof Error)) {
    const output = keepOutput(child);
    const ending = await end(child, script.timeoutMs, signal);
    const text = output().trim();
    const words = [ending.ok ? undefined : ending.detail, text].filter(Boolean).join(': ');
    return ending.ok ? ok(text) : fail(ending.reason, words === '' ? undefined : words);
  }
  return cannotStart(child);
}

/** Some failures to start are thrown, others told by an event. */
function start({ command, environment }: Script): ChildProcess | Error {
  const [program = '', ...args] = command;
  try {
    return spawn(program, args, {
      detached: true,
      cwd: '/',
      env: { ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
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
  await farewell(child);
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
async function farewell(child: ChildProcess): Promise<void> {
  const pipes = [child.stdout, child.stderr].filter((pipe) => pipe !== null);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FAREWELL_MS);
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
}

/** Reads all that is printed, so that nobody blocks on a full pipe, and keeps the end of it. */
function keepOutput(child: ChildProcess): () => string {
  let kept = Buffer.alloc(0);
  const take = (chunk: Buffer) => {
    kept = Buffer.from(Buffer.concat([kept, chunk]).subarray(-KEPT_OUTPUT_BYTES));
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  return () => kept.toString('utf8');
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
