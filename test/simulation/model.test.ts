import assert from 'node:assert/strict';
import { exploreModel } from '../../src/simulation/model.ts';
import { pairSettings } from '../../src/simulation/settings.ts';
import { deafStep } from './mutants.ts';

/** One link, and times in which a lease and a silence are few intervals. */
const settings = pairSettings({
  links: [{ name: 'only', interfaceName: 'eth0' }],
  floating: [{ address: '192.0.2.10', interfaceName: 'eth0' }],
  intervalMs: 50,
  leaseMs: 150,
  deadMs: 230,
  listenMs: 1000,
});

describe('model', () => {
  // `VIPAIR_MODEL=14:3` explores another depth and number of faults: 14 and 3 are 240,000 states.
  const ways = process.env['VIPAIR_MODEL']?.split(' ') ?? ['26:1', '9:3', '13:2'];
  for (const [depth = 0, faultBudget = 0] of ways.map((way) => way.split(':').map(Number))) {
    it(`keeps one owner in every world that ${faultBudget} faults in ${depth} intervals can make`, function () {
      this.timeout(600_000);
      const { stateCount, transitionCount, violation } = exploreModel({ settings, depth, faultBudget });
      assert.equal(violation, undefined, JSON.stringify(violation, undefined, 2));
      console.log(`      ${stateCount} states, ${transitionCount} transitions`);
    });
  }

  it('finds the shortest way to two owners where an answer is not heard', function () {
    this.timeout(60_000);
    const { violation } = exploreModel({ settings, depth: 12, faultBudget: 3, step: deafStep });
    assert.equal(violation?.what, 'both answer for the addresses');
    assert.ok(violation.way.length <= 4, violation.way.join('\n'));
  });
});
