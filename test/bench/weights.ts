/**
 * `npm run bench -- weights`: 5,000 real servers are given another weight in one go, as after a failure that
 * concerns them all. Beside the kernel's own IPVS, in a guest where this host has none.
 */
import { fileURLToPath } from 'node:url';
import { findGround, whyNoGround } from '../lvs/ground.ts';
import { machineFacts } from './report.ts';
import { figuresOf } from './statistics.ts';

export interface WeightsRun {
  readonly changes: number;
  readonly readMs: number;
  readonly compareMs: number;
  readonly applyMs: number;
}

/** What is promised, from the reading to the last change. */
const MOST_MS = 1000;
const LIMIT_MS = 120_000;

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
  const total = figuresOf(runs.map(({ readMs, compareMs, applyMs }) => readMs + compareMs + applyMs));
  if (code !== 0 || total === undefined) {
    say(`bench: the program ended with ${code ?? 'no code'}: ${console.slice(-2000)}`);
    return 1;
  }
  say(`in all, on a ${ground.value.kind}: median ${ms(total.median)}, ${ms(total.max)} at most`);
  return total.median < MOST_MS ? 0 : 1;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
