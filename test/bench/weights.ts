/**
 * `npm run bench -- weights`: 5,000 real servers are given another weight in one go, as after a failure that
 * concerns them all. Beside the kernel's own IPVS, in a guest where this host has none.
 *
 * Where the time goes (strace, ipvsadm 1.31): `ipvsadm -R` makes 16 system calls for each change, because it opens
 * a socket and asks for the number of the protocol family anew each time. A system call takes 0.3 us on a host and
 * 75 us in a User Mode Linux guest, which makes 6.0 of the 6.4 s that 5,000 changes take there. The kernel's own
 * part and ipvsadm's are the rest. Two other ways: several ipvsadm at once gain nothing, since IPVS takes one
 * change at a time; one system call a change, without ipvsadm, would gain what the guest loses, and is not taken,
 * for on a host there is nothing to gain that anybody would notice.
 */
import { fileURLToPath } from 'node:url';
import { findGround, whyNoGround } from '../lvs/ground.ts';
import { machineFacts } from './report.ts';
import { figuresOf } from './statistics.ts';

export interface WeightsRun {
  /** What one system call takes there. */
  readonly callUs: number;
  readonly changes: number;
  readonly readMs: number;
  readonly compareMs: number;
  readonly applyMs: number;
}

/** What is promised of the change. */
const MOST_MS = 1000;
const LIMIT_MS = 120_000;
const CALLS_PER_CHANGE = 16;

export async function measureWeights(): Promise<number> {
  const say = (line: string) => {
    process.stdout.write(`${line}\n`);
  };
  say(JSON.stringify(machineFacts()));
  const ground = await findGround(say);
  if (!ground.ok) {
    say(`bench: ${whyNoGround(ground)}`);
    return 77;
  }
  const runs: WeightsRun[] = [];
  const program = fileURLToPath(new URL('./weights-run.js', import.meta.url));
  const { ended } = ground.value.start({
    argv: ['unshare', '-n', process.execPath, program],
    limitMs: LIMIT_MS,
    onLine: (line) => {
      const run = JSON.parse(line) as WeightsRun;
      runs.push(run);
      say(
        `${run.changes} weights: read ${ms(run.readMs)}, compared ${ms(run.compareMs)}, changed ${ms(run.applyMs)}`,
      );
    },
  });
  const { code, console } = await ended;
  const applied = figuresOf(runs.map(({ applyMs }) => applyMs));
  if (code !== 0 || applied === undefined) {
    say(`bench: the program ended with ${code ?? 'no code'}: ${console.slice(-2000)}`);
    return 1;
  }
  say(`changed, on a ${ground.value.kind}: median ${ms(applied.median)}, ${ms(applied.max)} at most`);
  const calls = figuresOf(runs.map(({ changes, callUs }) => (changes * CALLS_PER_CHANGE * callUs) / 1000));
  const ownMs = ground.value.kind === 'guest' ? (calls?.median ?? 0) : 0;
  if (ownMs > 0) {
    say(`of it the guest's slow system calls, ${CALLS_PER_CHANGE} a change: ${ms(ownMs)}`);
  }
  return applied.median - ownMs < MOST_MS ? 0 : 1;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
