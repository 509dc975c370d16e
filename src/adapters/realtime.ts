import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { describeErrno, openLibc } from './libc.ts';

/**
 * Puts the main thread under SCHED_FIFO, so that busy programs do not delay heartbeats. Children and threads
 * made from here run as ordinary ones.
 *
 * `priority` is 1..99. Comes back with undefined, or with the problem in words and its remedy; then everything
 * still works, only later on a busy machine.
 *
 * A real-time thread still waits for V8's ordinary helper threads when they share a garbage collection. Start
 * Node with `--single-threaded-gc` against that. It cannot be set from here: a running V8 that is told to do
 * without concurrent marking aborts in a later collection (seen on Node 20.20).
 */
export function enterRealtime(priority: number): string | undefined {
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
