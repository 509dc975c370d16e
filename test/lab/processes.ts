import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/** The processes of a namespace, by pid; none when the namespace is gone. */
export function processesIn(namespace: string): number[] {
  let inode: number;
  try {
    inode = statSync(`/run/netns/${namespace}`).ino;
  } catch {
    return [];
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/ns/net`) === `net:[${inode}]`;
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** The process and everything it started, the process first. */
export function familyOf(pid: number): number[] {
  let children: number[] = [];
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
  return [pid, ...children.flatMap(familyOf)];
}

/** Sends the signal to each that still is. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended by itself.
    }
  }
}

/** SIGKILL, which a stopped process obeys, too; then waits, bounded, until the kernel has let go of them. */
export function endAll(pids: readonly number[]): void {
  signalAll(pids, 'SIGKILL');
  const untilMs = performance.now() + 2000;
  while (pids.some(isRunning) && performance.now() < untilMs) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
  }
}

/** A zombie holds nothing any more: it counts as ended. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
