/** The process that is measured by the benchmark of checks: a checker and nothing else. */
import { runCheck } from '../../src/adapters/checks.ts';
import { type CheckedTarget, createChecker } from '../../src/director/checker.ts';
import { createHistogram } from '../../src/pulse/histogram.ts';
import { nowMs, pause } from '../lab/eventually.ts';
import { type ChecksRun, type ChecksToRun } from './checks.ts';

const { check, addresses, ports, warmUpMs, measureMs } = JSON.parse(process.argv[2] ?? '') as ChecksToRun;

const latenessMs: number[] = [];
const durationMs: number[] = [];
const failures: Record<string, number> = {};
const histogram = createHistogram([]);
const targets = addresses.flatMap((address) =>
  ports.map((port): CheckedTarget => ({ id: `tcp ${address}:${port}`, check, target: { address, port } })),
);
using checker = createChecker({
  run: runCheck,
  onResult: (_id, result) => {
    durationMs.push(result.durationMs);
    if (!result.ok) {
      failures[result.reason] = (failures[result.reason] ?? 0) + 1;
    }
  },
  nowMs: () => performance.now(),
  lateness: {
    observe: (valueMs) => {
      histogram.observe(valueMs);
      latenessMs.push(valueMs);
    },
    snapshot: () => histogram.snapshot(),
  },
});
checker.set(targets);
await pause(warmUpMs);
latenessMs.length = 0;
durationMs.length = 0;
for (const reason of Object.keys(failures)) {
  failures[reason] = 0;
}
const [startedAtMs, before] = [nowMs(), process.cpuUsage()];
await pause(measureMs);
const { user, system } = process.cpuUsage(before);
const elapsedMs = nowMs() - startedAtMs;
const result: ChecksRun = {
  perSecond: (1000 * durationMs.length) / elapsedMs,
  failures,
  latenessMs: figures(latenessMs),
  durationMs: figures(durationMs),
  processorShare: (user + system) / 1000 / elapsedMs,
  systemShare: system / 1000 / elapsedMs,
  residentMiB: process.memoryUsage.rss() / 1024 / 1024,
};
process.stdout.write(`${JSON.stringify(result)}\n`);

/** Median, 99th percentile and maximum, by the nearest rank. */
function figures(values: readonly number[]): number[] {
  const sorted = [...values].sort((left, right) => left - right);
  return [0.5, 0.99, 1].map((share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN);
}
