import assert from 'node:assert/strict';
import { isCaughtUp } from '../../src/core/sync.ts';

describe('connections that both kernels know', () => {
  const rows: readonly [string, number, number | undefined, number, boolean][] = [
    ['are enough when nearly all are known', 900, 1000, 0, true],
    ['are not when more are missing', 899, 1000, 0, false],
    ['are enough where there are few', 0, 19, 0, true],
    ['are not where there are some', 0, 20, 0, false],
    ['are all that can be known of a peer that says nothing', 0, undefined, 0, true],
    ['are waited for no longer than two minutes, for idle ones are not told again', 0, 1000, 120_000, true],
    ['and not less', 0, 1000, 119_999, false],
  ];
  for (const [what, own, peer, sinceMs, expected] of rows) {
    it(what, () => {
      assert.equal(isCaughtUp(own, peer, sinceMs), expected);
    });
  }
});
