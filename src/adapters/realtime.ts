import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { describeErrno, openLibc } from './libc.ts';

/**
 * Puts the main thread under SCHED_FIFO, so that busy programs do not delay heartbeats, and keeps the garbage
 * collector on that thread. Children and threads made from here run as ordinary ones.
 *
 * `priority` is 1..99. Comes back with undefined, or with the problem in words and its remedy; then everything
 * still works, only later on a busy machine.
 */
export function enterRealtime(priority: number): string | undefined {
  collectGarbageAlone();
  const problem = schedule(priority);
  return problem === undefined
    ? undefined
    : `no real-time scheduling: ${problem}. Remedy: run as root or with CAP_SYS_NICE (systemd: ` +
        'AmbientCapabilities=CAP_SYS_NICE, LimitRTPRIO=99); in a container allow SYS_NICE; with cgroup v1 ' +
        'give the group some cpu.rt_runtime_us';
}

const SCHED_FIFO = 1;
const SCHED_RESET_ON_FORK = 0x40000000;

function schedule(priority: number): string | undefined {
  const libc = openLibc();
  if (!libc.ok) {
    return scheduleByCommand(priority);
  }
  const outcome = libc.value.setScheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, priority);
  // musl leaves the function out; `chrt` makes the system call by itself.
  if (outcome === -constants.errno.ENOSYS) {
    return scheduleByCommand(priority);
  }
  return outcome < 0 ? describeErrno(-outcome) : undefined;
}

/** A process id names its main thread, which is the one that this runs on. */
function scheduleByCommand(priority: number): string | undefined {
  const run = spawnSync('chrt', ['-f', '-R', '-p', String(priority), String(process.pid)], {
    encoding: 'utf8',
    timeout: 2000,
  });
  if (run.error !== undefined) {
    return `cannot run chrt: ${run.error.message}`;
  }
  return run.status === 0 ? undefined : run.stderr.trim().replace(/\s+/g, ' ');
}

/**
 * V8 shares a collection among helper threads, and the main thread waits for them. Those are ordinary
 * threads: on a busy machine a real-time thread would wait for one that gets no processor (measured: gaps
 * of 34 to 55 ms between heartbeats with helpers, 31 ms without). These are what `--single-threaded-gc`
 * implies; given to a running V8, that flag implies nothing.
 */
function collectGarbageAlone(): void {
  for (const flag of [
    '--single-threaded-gc',
    '--no-concurrent-marking',
    '--no-concurrent-sweeping',
    '--no-concurrent-array-buffer-sweeping',
    '--no-parallel-compaction',
    '--no-parallel-marking',
    '--no-parallel-pointer-update',
    '--no-parallel-scavenge',
  ]) {
    setFlagsFromString(flag);
  }
}
