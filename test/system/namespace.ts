import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Network namespaces of a test's own, and processes inside them that answer line by line. */

let count = 0;

/** Why no namespace can be made here, with the remedy; undefined when one can. */
export function namespaceProblem(): string | undefined {
  if (process.getuid?.() !== 0) {
    return 'network namespaces need root. Remedy: run the tests as root';
  }
  const name = `vp${process.pid}-try`;
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (made.error !== undefined) {
    return 'there is no command ip. Remedy: apt-get install iproute2';
  }
  spawnSync('ip', ['netns', 'del', name]);
  return made.status === 0 ? undefined : `no network namespace can be made: ${made.stderr.trim()}`;
}

/** Skips the suite or test aloud. */
export function skipWithout(context: Mocha.Context, problem: string | undefined): void {
  if (problem !== undefined) {
    console.log(`      skipped: ${problem}`);
    context.skip();
  }
}

/** Makes `size` namespaces, each with its loopback up, and removes them whatever happens. */
export async function withNamespaces<Value>(
  size: number,
  use: (...names: string[]) => Promise<Value>,
): Promise<Value> {
  count += 1;
  const names = Array.from({ length: size }, (_, index) => `vp${process.pid}-${count}-${index}`);
  const remove = (): void => {
    for (const name of names) {
      spawnSync('ip', ['netns', 'del', name]);
    }
  };
  process.once('exit', remove);
  try {
    for (const name of names) {
      ip(['netns', 'add', name]);
      ip(['-n', name, 'link', 'set', 'lo', 'up']);
    }
    return await use(...names);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

/** Runs `ip` and returns what it printed; a failure is a failure of the test. */
export function ip(words: readonly string[]): string {
  return command('ip', words);
}

export function command(file: string, words: readonly string[]): string {
  const run = spawnSync(file, [...words], { encoding: 'utf8' });
  if (run.status !== 0) {
    throw new Error(`${file} ${words.join(' ')}: ${run.error?.message ?? run.stderr}`);
  }
  return run.stdout;
}

/** A pair of interfaces, up at both ends, without duplicate address detection. */
export function connect(near: readonly [string, string], far: readonly [string, string]): void {
  const [nearSpace, nearName] = near;
  const [farSpace, farName] = far;
  ip(['-n', nearSpace, 'link', 'add', nearName, 'type', 'veth', 'peer', 'name', farName, 'netns', farSpace]);
  for (const [space, name] of [near, far]) {
    command('ip', ['netns', 'exec', space, 'sysctl', '-qw', `net.ipv6.conf.${name}.accept_dad=0`]);
    ip(['-n', space, 'link', 'set', name, 'up']);
  }
}

export interface Worker extends AsyncDisposable {
  /** Calls a method over there. An exception over there is one here. */
  call(method: string, ...words: readonly unknown[]): Promise<unknown>;
}

/** Starts `kernel-worker` in a namespace; `prefix` is a command to start it by, such as `setpriv`. */
export function startWorker(
  space: string,
  environment: Readonly<Record<string, string>> = {},
  prefix: readonly string[] = [],
): Worker {
  const script = new URL('./kernel-worker.js', import.meta.url).pathname;
  const words = ['netns', 'exec', space, ...prefix, process.execPath, '--enable-source-maps', script];
  const child: ChildProcess = spawn('ip', words, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  const ended = new Promise<void>((resolve) =>
    child.once('close', () => {
      resolve();
    }),
  );
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return {
    call: async (method, ...parameters) => {
      child.stdin?.write(`${JSON.stringify({ method, parameters })}\n`);
      const line = await lines.next();
      if (line.done === true) {
        throw new Error(`the worker ended in ${method}`);
      }
      const answer = JSON.parse(line.value) as { value?: unknown; error?: string };
      if (answer.error !== undefined) {
        throw new Error(answer.error);
      }
      return answer.value;
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin?.end();
      await ended;
    },
  };
}

/** Asks again every 20 ms until the answer is true; fails after the limit. */
export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  limitMs = 3000,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) {
      throw new Error(`not within ${limitMs} ms: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
