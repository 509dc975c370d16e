import { setTimeout as wait } from 'node:timers/promises';
import { type ApiClient } from '../api/client.ts';
import { type Status } from '../api/contract.ts';
import { reachDaemon, reject } from './daemon.ts';
import { exitCode } from './exit-codes.ts';
import { untilInterrupted } from './interrupt.ts';
import { printJson } from './print.ts';
import { type Io, type StatusOptions } from './run-options.ts';
import { statusText } from './status-text.ts';

const redrawMs = 1000;
const clearScreen = '\u001b[H\u001b[2J';
const hideCursor = '\u001b[?25l';
const showCursor = '\u001b[?25h';

/** The pair as this director sees it: once, or redrawn until ^C. */
export async function statusCommand(options: StatusOptions, io: Io): Promise<number> {
  const daemon = await reachDaemon(options, io);
  if (typeof daemon === 'number') {
    return daemon;
  }
  if (options.watch) {
    return untilInterrupted((signal) => watch(daemon, options, io, signal));
  }
  const answer = await daemon.status();
  if (!answer.ok) {
    return reject(answer, io, options);
  }
  if (options.json) {
    printJson(io, answer.value);
  } else {
    io.out(statusText(answer.value, io));
  }
  return exitCode('ok');
}

/** Draws every second and on every event. A daemon that is away is shown as such: it may come back. */
async function watch(
  daemon: ApiClient,
  { json }: StatusOptions,
  io: Io,
  signal: AbortSignal,
): Promise<number> {
  let wake: () => void = () => undefined;
  const following = followAgain(
    daemon,
    () => {
      wake();
    },
    signal,
  );
  if (io.isTty) {
    io.out(hideCursor);
  }
  while (!signal.aborted) {
    const answer = await daemon.status();
    const text = answer.ok
      ? draw(answer.value, json, io)
      : `${answer.error.error}. Remedy: ${answer.error.remedy}\n`;
    io.out(io.isTty ? clearScreen + text : text);
    const news = new Promise<void>((resolve) => {
      wake = resolve;
    });
    await Promise.race([news, wait(redrawMs, undefined, { signal }).catch(() => undefined)]);
  }
  if (io.isTty) {
    io.out(showCursor);
  }
  await following;
  return exitCode('ok');
}

function draw(status: Status, json: boolean, io: Io): string {
  return json ? `${JSON.stringify(status)}\n` : statusText(status, io);
}

/** Listens for events; a stream that ends is taken up again a little later. */
async function followAgain(daemon: ApiClient, onEvent: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await daemon.follow(0, onEvent, signal);
    await wait(redrawMs, undefined, { signal }).catch(() => undefined);
  }
}
