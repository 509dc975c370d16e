import assert from 'node:assert/strict';
import fc from 'fast-check';
import { noVerdict, weigh } from '../../src/core/hysteresis.ts';

function verdicts(results: readonly boolean[], rise: number, fall: number): (boolean | undefined)[] {
  let verdict = noVerdict;
  return results.map((isOk) => {
    verdict = weigh(verdict, isOk, { rise, fall });
    return verdict.isUp;
  });
}

describe('hysteresis', () => {
  it('says nothing until as many results in a row agree as are asked for', () => {
    assert.deepEqual(verdicts([true, true], 2, 2), [undefined, true]);
    assert.deepEqual(verdicts([false, true, false, false], 2, 2), [undefined, undefined, undefined, false]);
    assert.deepEqual(verdicts([false], 2, 1), [false]);
  });

  it('does not change its mind for fewer, and begins to count anew after each result that agrees', () => {
    assert.deepEqual(verdicts([true, false, false, true, false, false, false], 1, 3), [
      true,
      true,
      true,
      true,
      true,
      true,
      false,
    ]);
  });

  it('changes with the last of a whole run, never before and never after', () => {
    const times = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), times, times, (results, rise, fall) => {
        const said = verdicts(results, rise, fall);
        for (const [at, isUp] of said.entries()) {
          const before = said[at - 1];
          const run = (isOk: boolean, length: number) => {
            const last = results.slice(Math.max(0, at + 1 - length), at + 1);
            return last.length === length && last.every((result) => result === isOk);
          };
          assert.equal(isUp === true && before !== true, before !== true && run(true, rise));
          assert.equal(isUp === false && before !== false, before !== false && run(false, fall));
        }
      }),
    );
  });
});
