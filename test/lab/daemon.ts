import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { atRemoval, type Host, type Lab } from './lab.ts';
import { familyOf, signalAll } from './processes.ts';

/** A long-running program in a namespace. It ends with its lab at the latest. */
export interface Daemon {
  readonly host: Host;
  /** `ip netns exec` replaces itself, so this is the program's own pid. */
  readonly pid: number;
  /** The program and all that it started. */
  family(): number[];
  /** To the program only. */
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL for the whole family at once: nothing of it can tidy up. */
  kill(): Promise<Ending>;
  freeze(): void;
  thaw(): void;
  /** SIGTERM, and waits for the end, 10 s at most: then it throws. */
  stop(): Promise<Ending>;
  readonly ended: Promise<Ending>;
  isRunning(): boolean;
  /** What it has written to standard output and standard error so far. */
  log(): string;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export function startDaemon(
  lab: Lab,
  host: Host,
  argv: readonly string[],
  options: { readonly name: string; readonly environment?: Readonly<Record<string, string>> },
): Daemon {
  const file = join(lab.directory, `${options.name}.log`);
  const fd = openSync(file, 'a');
  // A session of its own: ^C at the terminal reaches the lab's owner, who then ends this in order.
  const child = spawn('ip', ['netns', 'exec', lab.hosts[host], ...argv], {
    stdio: ['ignore', fd, fd],
    detached: true,
    env: { ...process.env, ...options.environment },
  });
  closeSync(fd);
  const { pid } = child;
  if (pid === undefined) {
    throw new Error(`could not start ${argv.join(' ')} in ${host}`);
  }
  let isEnded = false;
  const ended = new Promise<Ending>((resolve) => {
    child.once('exit', (code, signal) => {
      isEnded = true;
      resolve({ code, signal });
    });
  });
  const family = () => (isEnded ? [] : familyOf(pid));
  atRemoval(lab, () => {
    signalAll(family(), 'SIGKILL');
  });
  return {
    host,
    pid,
    family,
    signal: (signal) => {
      signalAll(isEnded ? [] : [pid], signal);
    },
    kill: () => {
      signalAll(family(), 'SIGKILL');
      return ended;
    },
    freeze: () => {
      signalAll(family(), 'SIGSTOP');
    },
    thaw: () => {
      signalAll(family(), 'SIGCONT');
    },
    stop: () => {
      signalAll(isEnded ? [] : [pid], 'SIGTERM');
      return within(ended, `${options.name} ends after SIGTERM`);
    },
    ended,
    isRunning: () => !isEnded,
    log: () => readFileSync(file, 'utf8'),
  };
}

async function within(ended: Promise<Ending>, what: string): Promise<Ending> {
  let ending: Ending | undefined;
  void ended.then((value) => {
    ending = value;
  });
  return eventually(what, () => ending, 10_000);
}
