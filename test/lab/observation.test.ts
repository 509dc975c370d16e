import assert from 'node:assert/strict';
import { firstRound, interruption, overlaps, ownerChanges, type Answer } from './observation.ts';

const series = (answered: readonly (number | null)[]) => ({
  sentAtMs: answered.map((_, at) => at),
  answeredAtMs: answered,
});
/** Probes each millisecond, answered at once except those of the range. */
const gap = (from: number, until: number, total = 200) =>
  series(Array.from({ length: total }, (_, at) => (at >= from && at < until ? null : at + 0.1)));

describe('observation', () => {
  it('calls silence the longest time between two answers', () => {
    const found = interruption(gap(50, 90), 0, 200, 10);
    assert.equal(Math.round(found.silenceMs), 41);
    assert.equal(found.lostCount, 40);
    assert.equal(Math.round(found.fromMs), 49);
  });

  it('counts silence that lasts until the end', () => {
    assert.ok(interruption(gap(50, 200), 0, 200).silenceMs > 150);
  });

  it('counts answers that came late, and does not take them for silence', () => {
    const answered = Array.from({ length: 100 }, (_, at) => (at >= 40 && at < 50 ? 50 + at / 100 : at + 0.1));
    const found = interruption(series(answered), 0, 100, 0);
    assert.equal(found.lostCount, 0);
    assert.equal(found.lateCount, 6);
    assert.equal(Math.round(found.silenceMs), 11);
  });

  it('does not judge probes whose answer may be on its way', () => {
    assert.equal(interruption(gap(190, 200), 0, 200, 50).lostCount, 0);
  });

  const answersOf = (mac: string, from: number, until: number): Answer[] =>
    Array.from({ length: Math.max(0, Math.ceil((until - from) / 5)) }, (_, at) => ({
      atMs: from + 5 * at,
      address: '192.0.2.10',
      mac,
    }));
  const inOrder = (...lists: Answer[][]) => lists.flat().sort((left, right) => left.atMs - right.atMs);

  it('sees no overlap when the owner changes once', () => {
    const answers = inOrder(answersOf('a', 0, 100), answersOf('b', 100.3, 200));
    assert.deepEqual(overlaps(answers, 5), []);
    assert.deepEqual(
      ownerChanges(answers, '192.0.2.10').map(({ mac }) => mac),
      ['a', 'b'],
    );
  });

  it('sees one overlap, from the first to the last question that both answered', () => {
    const found = overlaps(inOrder(answersOf('a', 0, 150), answersOf('b', 100.2, 200)), 5);
    assert.equal(found.length, 1);
    assert.equal(Math.round(found[0]!.fromMs), 100);
    assert.equal(Math.round(found[0]!.untilMs), 145);
  });

  it('sees an overlap of a single question', () => {
    assert.equal(overlaps(inOrder(answersOf('a', 0, 101), answersOf('b', 100.2, 200)), 5).length, 1);
  });

  it('takes a first round of announcements only when every address is in it', () => {
    const announcement = { interfaceName: 'eth0', style: 'request', mac: 'b' } as const;
    const first = { ...announcement, atMs: 10, address: 'x' };
    const second = { ...announcement, atMs: 10.1, address: 'y', style: 'reply' } as const;
    assert.equal(firstRound([first], ['x', 'y'], 0), undefined);
    assert.deepEqual(firstRound([first, second], ['x', 'y'], 0), {
      firstMs: 10,
      lastMs: 10.1,
      styles: ['reply', 'request'],
    });
    assert.equal(firstRound([first, second], ['x', 'y'], 10.05), undefined);
  });
});
