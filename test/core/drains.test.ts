import assert from 'node:assert/strict';
import { type Drain, latestStamp, mergeDrains, nextStamp } from '../../src/core/drains.ts';

function drain(index: number, isOn: boolean, stamp = index): Drain {
  return {
    server: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    service: undefined,
    isOn,
    stamp,
    by: 'lvs1',
    wallMs: 0,
  };
}

describe('drains', () => {
  const many = Array.from({ length: 250 }, (_, index) => drain(index, true));

  it('that end stay ended, however many others stand', () => {
    const known = mergeDrains([], many);
    const ended = mergeDrains(known, [drain(7, false, 1000)]);
    assert.equal(ended.length, 250);
    assert.equal(mergeDrains(ended, many), ended, 'the older word changes nothing');
  });

  it('that are over are forgotten, the oldest first, when they are too many', () => {
    const known = mergeDrains([], [...many.map((one) => ({ ...one, isOn: false })), drain(999, true, 0)]);
    assert.equal(known.length, 201);
    assert.ok(known.some(({ stamp, isOn }) => stamp === 0 && isOn));
    assert.ok(!known.some(({ stamp }) => stamp === 49));
  });

  it('are taken from a peer only as many as anybody may mean', () => {
    const flood = Array.from({ length: 20_000 }, (_, index) => drain(index, true));
    const known = mergeDrains([], flood);
    assert.ok(known.length < 11_000);
    assert.ok(mergeDrains(known, [drain(3, false, 30_000)]).some(({ isOn }) => !isOn));
  });

  it('have a stamp after all that are known, and never one that no date has', () => {
    assert.equal(nextStamp([], 5), 5);
    assert.equal(nextStamp([drain(1, true, 9)], 5), 10);
    assert.equal(nextStamp([drain(1, true, latestStamp)], 5), latestStamp);
  });
});
