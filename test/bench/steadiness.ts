import { spawn } from 'node:child_process';
import { nowMs, pause } from '../lab/eventually.ts';
import { privateFloating, publicFloating } from '../lab/lab.ts';
import { interruption, ownerChanges } from '../lab/observation.ts';
import { type Contestant } from './contestants.ts';
import { openArena } from './trial.ts';

/** A pair left alone on a machine that is not: any takeover is a false one. */
export interface Steadiness {
  readonly contestant: string;
  readonly hogs: number;
  readonly minutes: number;
  /** Changes of the answering router, of the address that changed more often. */
  readonly falseTakeovers: number;
  /** The longest silence of client or real server; the eye's own pauses are in it. */
  readonly longestSilenceMs: number;
}

const SLICE_MS = 10_000;

export async function watchUnderLoad(
  contestant: Contestant,
  { hogs, minutes }: { readonly hogs: number; readonly minutes: number },
): Promise<Steadiness> {
  await using arena = await openArena(contestant);
  await using _hogs = startHogs(hogs);
  const changes = { [publicFloating]: 0, [privateFloating]: 0 };
  const last: Record<string, string | undefined> = {};
  let longestSilenceMs = 0;
  const untilMs = nowMs() + minutes * 60_000;
  await arena.eye.collect();
  for (let sinceMs = nowMs(); sinceMs < untilMs; sinceMs = nowMs()) {
    await pause(Math.min(SLICE_MS, untilMs - sinceMs));
    const seen = await arena.eye.collect();
    for (const address of [publicFloating, privateFloating] as const) {
      const owners = ownerChanges(seen.answers, address).map(({ mac }) => mac);
      const isNew = last[address] !== undefined && owners[0] !== undefined && owners[0] !== last[address];
      changes[address] += Math.max(0, owners.length - 1) + (isNew ? 1 : 0);
      last[address] = owners.at(-1) ?? last[address];
    }
    for (const series of Object.values(seen.probes)) {
      longestSilenceMs = Math.max(longestSilenceMs, interruption(series, sinceMs, nowMs() - 50).silenceMs);
    }
  }
  return {
    contestant: contestant.name,
    hogs,
    minutes,
    falseTakeovers: Math.max(...Object.values(changes)),
    longestSilenceMs,
  };
}

/** Busy loops, ended with the scope they are in. */
function startHogs(count: number): AsyncDisposable {
  const hogs = Array.from({ length: count }, () =>
    spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' }),
  );
  const end = () => {
    hogs.forEach((hog) => hog.kill('SIGKILL'));
  };
  process.once('exit', end);
  return {
    [Symbol.asyncDispose]: () => {
      process.off('exit', end);
      end();
      return Promise.resolve();
    },
  };
}
