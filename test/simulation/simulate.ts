import { describeFailure, runScenario, scenarioOf, shrink } from '../../src/simulation/scenario.ts';

/**
 * `npm run simulate -- [--seeds N] [--from N] [--seed N]`: plays seeds and prints the first failures, each with
 * its faults thinned out and the line that plays it again.
 */
const mostFailures = 5;

function optionOf(name: string, preset: number): number {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? preset : Number(process.argv[at + 1]);
  if (!Number.isInteger(value) || value < 0) {
    throw new Error(`--${name} needs a whole number`);
  }
  return value;
}

const only = optionOf('seed', 0);
const from = only === 0 ? optionOf('from', 1) : only;
const count = only === 0 ? optionOf('seeds', 100_000) : 1;
const begunMs = performance.now();
let failures = 0;
let stepCount = 0;
let longestOverlapMs = 0;
for (let seed = from; seed < from + count && failures < mostFailures; seed += 1) {
  const scenario = scenarioOf(seed);
  const outcome = runScenario(scenario);
  stepCount += outcome.stepCount;
  longestOverlapMs = Math.max(longestOverlapMs, outcome.seen.longestOverlapMs);
  if (outcome.violation !== undefined) {
    failures += 1;
    const small = shrink(scenario, outcome.violation);
    const { violation = outcome.violation } = runScenario(small);
    console.error(describeFailure(small, violation));
  }
}
const seconds = ((performance.now() - begunMs) / 1000).toFixed(1);
console.log(
  `${count} ${count === 1 ? 'seed' : 'seeds'}, ${stepCount} steps in ${seconds} s; the longest that both answered, excuses aside: ${longestOverlapMs.toFixed(1)} ms`,
);
process.exitCode = failures === 0 ? 0 : 1;
