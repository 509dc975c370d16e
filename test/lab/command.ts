import { spawnSync } from 'node:child_process';

/** Runs a program to its end and returns what it printed; throws with its own words when it fails. */
export function run(argv: readonly [string, ...string[]], input = ''): string {
  const done = attempt(argv, input);
  if (done.code !== 0) {
    throw new Error(`${argv.join(' ')} ended with ${done.code}: ${done.stderr.trim()}\n${input}`);
  }
  return done.stdout;
}

/** Like `run`, for programs that may fail. A program that is missing has the code 127. */
export function attempt(
  argv: readonly [string, ...string[]],
  input = '',
  environment: Readonly<Record<string, string>> = {},
): { readonly code: number; readonly stdout: string; readonly stderr: string } {
  const [program, ...rest] = argv;
  const done = spawnSync(program, rest, {
    input,
    encoding: 'utf8',
    env: { ...process.env, ...environment },
    timeout: 30_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (done.error !== undefined && 'code' in done.error && done.error.code === 'ENOENT') {
    return { code: 127, stdout: '', stderr: `${program} is not installed` };
  }
  return { code: done.status ?? 128, stdout: done.stdout, stderr: done.stderr };
}

/** `ip -batch`: every line is one command; the first that fails ends it. */
export function ipBatch(namespace: string | undefined, lines: readonly string[]): void {
  const where = namespace === undefined ? [] : ['-n', namespace];
  run(['ip', ...where, '-batch', '-'], lines.join('\n') + '\n');
}
