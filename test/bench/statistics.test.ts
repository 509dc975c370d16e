import assert from 'node:assert/strict';
import { figuresOf } from './statistics.ts';

describe('statistics of the benchmark', () => {
  it('names only values that were seen', () => {
    assert.deepEqual(figuresOf([5, 1, 4, 2, 3, 6, 7, 8, 9, 10]), {
      count: 10,
      min: 1,
      median: 5,
      p90: 9,
      max: 10,
    });
  });

  it('has no figures of nothing', () => {
    assert.equal(figuresOf([]), undefined);
  });
});
