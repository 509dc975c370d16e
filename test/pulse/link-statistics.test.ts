import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  acknowledge,
  countsOf,
  noStatistics,
  recordArrival,
  type LinkStatistics,
} from '../../src/pulse/link-statistics.ts';
import { type Acknowledgement, type Heartbeat } from '../../src/wire/heartbeat.ts';

const ownBootId = 77n;

interface Arrived {
  readonly sequence: number;
  readonly atUs?: number;
  readonly sentAtUs?: number;
  readonly bootId?: bigint;
  readonly acknowledged?: Acknowledgement;
}

function fold(arrivals: readonly Arrived[], from = noStatistics): LinkStatistics {
  return arrivals.reduce(
    (statistics, { atUs = 0, ...fields }) => recordArrival(statistics, heartbeat(fields), atUs, ownBootId),
    from,
  );
}

function heartbeat(fields: Omit<Arrived, 'atUs'>): Heartbeat {
  return {
    pairId: 1n,
    nodeId: 1,
    keyId: 1,
    bootId: 1n,
    link: 0,
    intervalMs: 50,
    leaseMs: 200,
    deadMs: 300,
    advertisement: {
      role: 'backup',
      term: 1,
      priority: 100,
      refusal: 'none',
      isMaintenance: false,
      isResigning: false,
      handoverRequest: 0,
      isHandoverForced: false,
      handoverAnswer: 0,
      handoverRefusal: 'none',
      wantsOffice: false,
      hears: [],
      pathsOk: [],
      configDigest: 0,
    },
    acknowledged: undefined,
    floatingMacs: [],
    sentAtUs: 0,
    ...fields,
  };
}

function sequences(...numbers: number[]): Arrived[] {
  return numbers.map((sequence) => ({ sequence }));
}

function run(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

describe('link statistics', () => {
  it('knows nothing before the first heartbeat', () => {
    assert.deepEqual(countsOf(noStatistics), {
      received: 0,
      lost: 0,
      lastHeardAtMs: undefined,
      jitterMs: undefined,
      roundTripMs: undefined,
    });
  });

  it('counts a gap as lost once it cannot be mere reordering', () => {
    const rows: [string, Arrived[], number][] = [
      ['all there', sequences(...run(1, 50)), 0],
      ['what was sent before the first is not missed', sequences(...run(1000, 1050)), 0],
      ['one missing, not yet late enough', sequences(...run(1, 9), ...run(11, 25)), 0],
      ['one missing for good', sequences(...run(1, 9), ...run(11, 26)), 1],
      ['one that came late', sequences(...run(1, 9), ...run(11, 25), 10, ...run(26, 60)), 0],
      ['a long silence', sequences(1, 1001, ...run(1002, 1020)), 999],
      ['the boot ended with a gap', [...sequences(1, 2, 5), { sequence: 1, bootId: 2n }], 2],
    ];
    for (const [name, arrivals, lost] of rows) {
      assert.equal(fold(arrivals).lost, lost, name);
      assert.equal(fold(arrivals).received, arrivals.length, name);
    }
  });

  it('never counts down, and accounts for every number of a boot in the end', () => {
    const order = fc.tuple(fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), fc.nat(7));
    fc.assert(
      fc.property(order, ([numbers, spread]) => {
        // Displaced by less than the window of reordering, so none is late.
        const arrived = numbers
          .map((sequence, index) => ({ sequence, at: sequence + ((index * 5) % (spread + 1)) }))
          .sort((a, b) => a.at - b.at)
          .map(({ sequence }) => ({ sequence }));
        let statistics = noStatistics;
        for (const arrival of arrived) {
          const next = fold([arrival], statistics);
          assert.ok(next.lost >= statistics.lost);
          statistics = next;
        }
        const first = arrived[0]!.sequence;
        const last = Math.max(...numbers);
        const early = numbers.filter((sequence) => sequence < first).length;
        const end = fold([{ sequence: last + 1000 }, { sequence: 1, bootId: 2n }], statistics);
        assert.equal(end.lost, last + 999 - first + 1 - (numbers.length - early));
      }),
    );
  });

  it('smooths the change of the transit time as RFC 3550 does, whatever the two clocks say', () => {
    const steady = run(1, 20).map((sequence) => ({
      sequence,
      sentAtUs: sequence * 50_000,
      atUs: 9e12 + sequence * 50_000,
    }));
    assert.equal(countsOf(fold(steady)).jitterMs, 0);
    const late = { sequence: 21, sentAtUs: 21 * 50_000, atUs: 9e12 + 21 * 50_000 + 16_000 };
    assert.equal(countsOf(fold([...steady, late])).jitterMs, 1);
  });

  it('does not take a new boot of the peer for jitter', () => {
    const arrivals = [
      { sequence: 1, sentAtUs: 1_000_000, atUs: 5_000_000 },
      { sequence: 2, sentAtUs: 1_050_000, atUs: 5_050_000 },
      { sequence: 1, sentAtUs: 10, atUs: 6_000_000, bootId: 2n },
    ];
    assert.equal(fold(arrivals).jitterUs, 0);
  });

  it('takes the time that the peer held the echo off the round trip, and smooths it', () => {
    const echo = { bootId: ownBootId, sequence: 5, link: 0, sentAtUs: 1000, heldUs: 30_000 };
    const first = { sequence: 1, atUs: 31_400, acknowledged: echo };
    const second = { sequence: 2, atUs: 31_400 + 800, acknowledged: echo };
    assert.equal(countsOf(fold([first])).roundTripMs, 0.4);
    assert.equal(countsOf(fold([first, second])).roundTripMs, 0.5);
  });

  it('measures no round trip by an echo of another boot or another link', () => {
    const echo = { bootId: ownBootId, sequence: 5, link: 0, sentAtUs: 1000, heldUs: 30 };
    for (const acknowledged of [
      { ...echo, bootId: 1n },
      { ...echo, link: 1 },
    ]) {
      assert.equal(fold([{ sequence: 1, atUs: 5000, acknowledged }]).roundTripUs, undefined);
    }
  });
});

describe('acknowledgement', () => {
  it('is absent while nothing was heard', () => {
    assert.equal(acknowledge([noStatistics, noStatistics], 0, 1), undefined);
  });

  it('echoes what was heard on the same link', () => {
    const links = [
      fold([{ sequence: 10, sentAtUs: 1, atUs: 100 }]),
      fold([{ sequence: 10, sentAtUs: 2, atUs: 300 }]),
    ];
    assert.deepEqual(acknowledge(links, 0, 1100), {
      bootId: 1n,
      sequence: 10,
      link: 0,
      sentAtUs: 1,
      heldUs: 1000,
    });
    assert.equal(acknowledge(links, 1, 1100)?.link, 1);
  });

  it('echoes another link where its own hears nothing, or not lately, or an ended boot', () => {
    const heard = fold([{ sequence: 20, atUs: 500 }]);
    for (const own of [
      noStatistics,
      fold([{ sequence: 12, atUs: 100 }]),
      fold([{ sequence: 30, atUs: 100, bootId: 0n }]),
    ]) {
      const echo = acknowledge([own, heard], 0, 600);
      assert.deepEqual([echo?.link, echo?.sequence, echo?.bootId], [1, 20, 1n]);
    }
  });

  it('ends when the silence is longer than its field can say', () => {
    const links = [fold([{ sequence: 1, atUs: 0 }])];
    assert.notEqual(acknowledge(links, 0, 2 ** 32 - 1), undefined);
    assert.equal(acknowledge(links, 0, 2 ** 32), undefined);
  });
});
