import { type ChildProcess, fork } from 'node:child_process';
import { type ToDirector, type ToPulse } from './channel.ts';

export interface DirectorProcessOptions {
  /** The file to run and its arguments. */
  readonly modulePath: string;
  readonly args: readonly string[];
  readonly onMessage: (message: ToPulse) => void;
  /** A new director is there and knows nothing yet. */
  readonly onReady: () => void;
  /** It ended without being asked to, and is started again after a pause. */
  readonly onEnd: (how: string) => void;
}

export interface DirectorProcess extends AsyncDisposable {
  /** False when the director does not keep up and the message was dropped. */
  send(message: ToDirector): boolean;
  restarts(): number;
  pid(): number | undefined;
}

/** More than this on the way to a director that does not read is dropped: the pulse's memory is not its queue. */
const mostUnread = 512;
/** Notes give way early: they are written again, and a record is told once. */
const mostUnreadBeforeNote = 64;
const firstPauseMs = 100;
const longestPauseMs = 5000;
/** A director that ran this long was healthy: its end begins the back-off anew. */
const healthyAfterMs = 10_000;
const closeGraceMs = 1000;

/** Keeps a director process running beside the pulse; whatever becomes of it, the pulse goes on. */
export function startDirectorProcess(options: DirectorProcessOptions): DirectorProcess {
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let restarts = 0;
  let pauseMs = firstPauseMs;
  let isClosing = false;
  let unread = 0;
  let isReady = false;

  function start(): void {
    const startedMs = performance.now();
    const started = fork(options.modulePath, options.args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Not the pulse's flags: the director may collect garbage on other threads.
      execArgv: [],
    });
    let isOver = false;
    child = started;
    unread = 0;
    isReady = false;
    started.on('message', (message) => {
      // The child is this program in the same version: its messages have the type it was compiled with.
      options.onMessage(message as ToPulse);
    });
    started.once('spawn', () => {
      isReady = true;
      options.onReady();
    });
    const over = (how: string) => {
      if (isOver) {
        return;
      }
      isOver = true;
      child = undefined;
      if (isClosing) {
        return;
      }
      pauseMs = performance.now() - startedMs >= healthyAfterMs ? firstPauseMs : pauseMs;
      options.onEnd(how);
      timer = setTimeout(() => {
        restarts += 1;
        start();
      }, pauseMs);
      pauseMs = Math.min(2 * pauseMs, longestPauseMs);
    };
    started.once('exit', (code, signal) => {
      over(signal ?? `exit code ${String(code)}`);
    });
    started.once('error', (error) => {
      over(error.message);
    });
  }

  start();
  return {
    send(message) {
      if (!isReady) {
        // Whatever must not be missed is told in `onReady`.
        return true;
      }
      const most = message.kind === 'note' ? mostUnreadBeforeNote : mostUnread;
      if (child?.connected !== true || unread >= most) {
        return false;
      }
      unread += 1;
      child.send(message, () => {
        // A director that is ending is no error here: its exit is what is acted on.
        unread -= 1;
      });
      return true;
    },
    restarts: () => restarts,
    pid: () => child?.pid,
    async [Symbol.asyncDispose]() {
      isClosing = true;
      clearTimeout(timer);
      const last = child;
      if (last === undefined) {
        return;
      }
      const ended = new Promise<void>((resolve) =>
        last.once('exit', () => {
          resolve();
        }),
      );
      if (last.connected) {
        // The end of the channel is the director's word to finish.
        last.disconnect();
      }
      const grace = setTimeout(() => last.kill('SIGKILL'), closeGraceMs);
      await ended;
      clearTimeout(grace);
    },
  };
}
