import assert from 'node:assert/strict';
import { type Fault } from '../../src/simulation/faults.ts';
import { type Invariant } from '../../src/simulation/invariants.ts';
import { type Mutation, runScenario, type Scenario, scenarioOf } from '../../src/simulation/scenario.ts';
import { pairSettings } from '../../src/simulation/settings.ts';
import { deafStep, forgetfulStep, quietStep, sleepyStep, stubbornStep } from './mutants.ts';

const mostSeeds = 400;
const owners: readonly Invariant[] = ['one-owner', 'no-claim-from-a-live-owner'];

describe('a simulation that is worth its while notices', () => {
  const rows: readonly [string, Mutation, readonly Invariant[]][] = [
    ['a backup that claims although the peer answers', { step: deafStep }, owners],
    ['an order in which both win', { step: stubbornStep }, owners],
    ['a director that forgets its maintenance', { step: forgetfulStep }, ['maintenance']],
    ['neighbours that are told once only', { step: quietStep }, ['neighbors-know']],
  ];
  for (const [what, mutation, wanted] of rows) {
    it(what, function () {
      this.timeout(120_000);
      const seeds = Array.from({ length: mostSeeds }, (_, index) => index + 1);
      assert.ok(seeds.some((seed) => wanted.includes(brokenIn(scenarioOf(seed), mutation) ?? 'crash')));
    });
  }

  it('a lease that opens again after it has ended, when a process stalls twice', () => {
    const scenario = scenarioWith([
      { atMs: 4000, forMs: 1000, action: { kind: 'stall', node: 'a', before: 'advertise' } },
      { atMs: 4500, forMs: 1000, action: { kind: 'stall', node: 'a', before: 'release' } },
    ]);
    assert.equal(brokenIn(scenario), undefined);
    assert.equal(brokenIn(scenario, { latches: false }), 'one-owner');
  });

  it('a director that does not notice that it slept over its claim', () => {
    const scenario = scenarioWith([
      { atMs: 4000, forMs: 3000, action: { kind: 'stall', node: 'b', before: 'claim' } },
      { atMs: 4001, forMs: 400, action: { kind: 'host-down', node: 'a' } },
    ]);
    assert.equal(brokenIn(scenario), undefined);
    assert.equal(brokenIn(scenario, { step: sleepyStep }), 'one-owner');
  });
});

function brokenIn(scenario: Scenario, mutation: Mutation = {}): Invariant | undefined {
  return runScenario(scenario, mutation).violation?.invariant;
}

function scenarioWith(faults: readonly Fault[]): Scenario {
  return {
    seed: 1,
    settings: pairSettings(),
    latenessMs: 0,
    startMs: { a: 0, b: 0 },
    faults,
    wholeFromMs: 9000,
  };
}
