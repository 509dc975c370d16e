import assert from 'node:assert/strict';
import { type Fault } from '../../src/simulation/faults.ts';
import { describeFailure, runScenario, scenarioOf, shrink } from '../../src/simulation/scenario.ts';
import { deafStep } from './mutants.ts';

const seedCount = Number(process.env['VIPAIR_SEEDS'] ?? 2000);

describe('simulated faults', () => {
  it(`break nothing that must hold, in ${seedCount} seeds`, function () {
    this.timeout(100 * seedCount);
    for (let seed = 1; seed <= seedCount; seed += 1) {
      const scenario = scenarioOf(seed);
      const { violation } = runScenario(scenario);
      if (violation !== undefined) {
        const small = shrink(scenario, violation);
        assert.fail(describeFailure(small, runScenario(small).violation ?? violation));
      }
    }
  });

  it('give the same outcome for the same seed', () => {
    assert.deepEqual(runScenario(scenarioOf(7)), runScenario(scenarioOf(7)));
  });

  it('are thinned out to those that a failure needs, with the line that plays it again', () => {
    const mutation = { step: deafStep };
    const cut: Fault = { atMs: 3000, forMs: 2000, action: { kind: 'cut', from: 'a', link: undefined } };
    const flood: Fault = { atMs: 4000, forMs: 1, action: { kind: 'flood', node: 'a' } };
    const scenario = { ...scenarioOf(1), faults: [cut, flood] };
    const { violation } = runScenario(scenario, mutation);
    assert.ok(violation !== undefined);
    const small = shrink(scenario, violation, mutation);
    assert.deepEqual(small.faults, [cut]);
    assert.match(describeFailure(small, violation), /^npm run simulate -- --seed 1\n/);
  });
});
