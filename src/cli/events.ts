import { createColors } from 'picocolors';
import { type EventView } from '../api/contract.ts';
import { reachDaemon, reject } from './daemon.ts';
import { exitCode } from './exit-codes.ts';
import { untilInterrupted } from './interrupt.ts';
import { type EventsOptions, type Io } from './run-options.ts';

/** What happened, oldest first; with `follow` also what happens, until ^C. */
export async function eventsCommand(options: EventsOptions, io: Io): Promise<number> {
  const { json, follow, limit } = options;
  const daemon = await reachDaemon(options, io);
  if (typeof daemon === 'number') {
    return daemon;
  }
  const print = (event: EventView) => {
    io.out(json ? `${JSON.stringify(event)}\n` : describe(event, io));
  };
  const answer = await daemon.events({ limit: Math.min(limit, 1000) });
  if (!answer.ok) {
    return reject(answer, io, { json });
  }
  answer.value.forEach(print);
  if (!follow) {
    return exitCode('ok');
  }
  const since = answer.value.at(-1)?.id ?? 0;
  const followed = await untilInterrupted((signal) => daemon.follow(since, print, signal));
  return followed.ok ? exitCode('ok') : reject(followed, io);
}

function describe({ at, sentence, from, to }: EventView, io: Io): string {
  const { bold, dim } = createColors(io.useColor);
  return `${dim(at)}  ${from === to ? sentence : bold(sentence)}\n`;
}
