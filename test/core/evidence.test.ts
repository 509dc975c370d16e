import assert from 'node:assert/strict';
import { nextDeadlineMs, step } from '../../src/core/director.ts';
import { type DirectorEvent, type DirectorState, type Evidence, type Peer } from '../../src/core/state.ts';
import {
  active,
  asked,
  backup,
  better,
  claiming,
  heard,
  lesser,
  macs,
  now,
  type OfficeOf,
  outcome,
  peer,
  reason,
  state,
  tick,
} from './states.ts';

const path = {
  name: 'up',
  interfaceName: 'eth0',
  address: '192.0.2.1',
  source: 'wire',
  isRequired: true,
  score: 0,
} as const;
const watching = { ...lesser, paths: [path] };
const neighbor = { interfaceName: 'eth0', address: '192.0.2.99', seenAtMs: now - 100 };

/** A backup of an active peer that has been silent for so long, and what the wire has said. */
function silent(
  silentMs: number,
  evidence: Partial<Evidence> | undefined,
  office: Partial<OfficeOf<'backup'>> = {},
  over: Partial<DirectorState> = {},
): DirectorState {
  return state(backup({ evidence: evidence === undefined ? undefined : asked(evidence), ...office }), {
    peer: peer({ role: 'active' }, { heardAtMs: now - silentMs }),
    ...over,
  });
}

function frame(mac: string, address = '192.0.2.10', interfaceName = 'eth0'): DirectorEvent {
  return { kind: 'answer-heard', atMs: now, interfaceName, address, mac };
}
const [peerMac = ''] = macs;

describe('evidence', () => {
  const unproven = { provenBy: undefined, provenAtMs: undefined };
  const rows: readonly [string, DirectorState, string][] = [
    ['one and a half intervals are waited for', silent(74, undefined), 'backup'],
    ['then the wire is asked', silent(75, undefined), 'backup: probe'],
    [
      'sooner where a link has no carrier',
      silent(50, undefined, {}, { downInterfaces: ['eth1'] }),
      'backup: probe',
    ],
    ['and again after 4 ms', silent(90, { probeAtMs: now + 1 }), 'backup'],
    ['two intervals must be missed', silent(99, {}), 'backup: probe'],
    ['three probes, 12 ms, a neighbour', silent(100, {}), 'evidence'],
    ['two probes are not enough', silent(100, { unansweredCount: 2 }), 'backup: probe'],
    ['nor 11 ms', silent(100, { unansweredFromMs: now - 11 }), 'backup: probe'],
    ['nor a neighbour of long ago', silent(100, { provenAtMs: now - 17 }), 'backup: probe'],
    ['without a neighbour dead decides', silent(300, unproven), 'silence'],
    ['and not before', silent(299, unproven), 'backup: probe'],
    [
      'a peer that was never heard',
      state(backup({ evidence: asked({}) }), { peer: undefined, listeningSinceMs: now - 1100 }),
      'nobody-answered',
    ],
    [
      'for which the lesser one listens longer',
      state(backup({ evidence: asked({}) }), { peer: undefined, listeningSinceMs: now - 1099 }),
      'backup: probe',
    ],
    [
      'a vacant office is in no hurry',
      silent(399, {}, {}, { peer: peer({}, { heardAtMs: now - 399 }) }),
      'backup: probe',
    ],
    ['but is taken', silent(400, {}, {}, { peer: peer({}, { heardAtMs: now - 400 }) }), 'evidence'],
    [
      'later by the one that left it',
      silent(499, {}, { hasLeftOffice: true }, { peer: peer({}, { heardAtMs: now - 499 }) }),
      'backup: probe',
    ],
    [
      'which goes in the end',
      silent(500, {}, { hasLeftOffice: true }, { peer: peer({}, { heardAtMs: now - 500 }) }),
      'evidence',
    ],
    [
      'without any carrier nothing is evidence',
      silent(900, {}, {}, { downInterfaces: ['eth0', 'eth1'] }),
      'backup: probe',
    ],
    ['nothing is asked in maintenance', silent(900, {}, {}, { isMaintenance: true }), 'backup'],
    ['nor while a claim has just failed', silent(900, {}, {}, { holdUntilMs: now + 1 }), 'backup'],
    [
      'answers after dead are a contest',
      silent(300, { answeredAtMs: now - 4, unansweredCount: 0 }),
      'backup: probe',
    ],
    [
      'which lasts while they come',
      silent(900, { unansweredCount: 2 }, { contestedAtMs: now - 500 }),
      'backup: probe',
    ],
    [
      'and is over when they end',
      silent(900, { provenAtMs: now - 30 }, { contestedAtMs: now - 500 }),
      'contest-over',
    ],
  ];
  for (const [what, before, expected] of rows) {
    it(`${what}: ${expected}`, () => {
      const isClaim = outcome(before, tick()) === 'claiming: claim';
      assert.equal(isClaim ? reason(before, tick()) : outcome(before, tick()), expected);
    });
  }

  it('gives a peer two intervals to answer where no gate shuts with its lease', () => {
    for (const gate of ['address', 'off'] as const) {
      const ungated = { ...lesser, gate };
      const asking = (unansweredMs: number) =>
        silent(250, { unansweredCount: 20, unansweredFromMs: now - unansweredMs, provenAtMs: now - 1 });
      assert.equal(outcome(asking(99), tick(), ungated), 'backup: probe');
      assert.equal(outcome(asking(100), tick(), ungated), 'claiming: claim');
    }
  });

  it('goes at the moment that was waited for, which lies between two probes', () => {
    const before = silent(80, { unansweredFromMs: now - 8, probeAtMs: now + 4, provenAtMs: now + 10 });
    assert.equal(nextDeadlineMs(before, lesser), now + 4);
    const proven = silent(98, { probeAtMs: now + 4 });
    assert.equal(nextDeadlineMs(proven, lesser), now + 2);
    assert.equal(reason(proven, tick(now + 2)), 'evidence');
  });

  it('asks anew when it wakes too late to believe what a neighbour proved', () => {
    const before = silent(98, { probeAtMs: now + 18, provenAtMs: now - 1 });
    assert.equal(outcome(before, tick(now + 16)), 'backup: probe');
  });

  it('believes the better one of a vacant office after dead', () => {
    const before = silent(300, {}, {}, { peer: peer({ priority: 100 }, { heardAtMs: now - 300 }) });
    assert.equal(reason(before, tick(), better), 'evidence');
  });

  it('proves nothing to one whose own path is down, however long the silence', () => {
    const before = silent(5000, unproven);
    assert.equal(outcome(before, tick(), watching), 'backup: probe');
    assert.equal(reason(silent(100, {}), tick(), watching), 'evidence');
  });

  it('asks the targets of paths, or else the neighbours that were seen lately', () => {
    const before = silent(
      80,
      undefined,
      {},
      { neighbors: [neighbor, { ...neighbor, address: '192.0.2.98', seenAtMs: now - 60_000 }] },
    );
    const targetsFor = (settings: typeof lesser) => step(before, tick(), settings)[1][0];
    assert.deepEqual(targetsFor(lesser), {
      kind: 'probe',
      asksFloating: true,
      targets: [{ interfaceName: 'eth0', address: '192.0.2.99' }],
    });
    assert.deepEqual(targetsFor(watching), {
      kind: 'probe',
      asksFloating: true,
      targets: [{ interfaceName: 'eth0', address: '192.0.2.1' }],
    });
  });

  it('asks whom this host has spoken to after those that were seen, and never the addresses themselves', () => {
    const targets = ['192.0.2.99', '192.0.2.10', '192.0.2.1'].map((address) => ({
      interfaceName: 'eth0',
      address,
    }));
    const known: DirectorEvent = { kind: 'neighbors-known', atMs: now, targets };
    const before = state(backup(), { neighbors: [neighbor] });
    assert.deepEqual(
      step(before, known, lesser)[0].neighbors.map(({ address }) => address),
      ['192.0.2.99', '192.0.2.1'],
    );
    assert.equal(step(before, known, watching)[0].neighbors, before.neighbors);
  });

  it('begins anew with every answer of the peer', () => {
    const [after] = step(silent(90, { probeAtMs: now + 1 }), frame(peerMac), lesser);
    assert.ok(after.office.role === 'backup');
    const { unansweredCount, unansweredFromMs, answeredAtMs } = after.office.evidence ?? asked();
    assert.deepEqual([unansweredCount, unansweredFromMs, answeredAtMs], [0, now, now]);
  });

  it('begins anew with the first neighbour after a gap', () => {
    const gap = (provenAtMs: number) => {
      const [after] = step(
        silent(90, { provenAtMs, probeAtMs: now + 1 }),
        frame('router', '192.0.2.99'),
        lesser,
      );
      return after.office.role === 'backup' ? after.office.evidence?.unansweredCount : undefined;
    };
    assert.deepEqual([gap(now - 50), gap(now - 51)], [3, 0]);
    const [first] = step(
      silent(90, { ...unproven, beganAtMs: now - 51, probeAtMs: now + 1 }),
      frame('router', '192.0.2.99'),
      lesser,
    );
    assert.ok(first.office.role === 'backup' && first.office.evidence?.unansweredCount === 0);
  });

  it('is forgotten when the peer is heard, when the wire is flooded, and after a late tick', () => {
    const before = silent(90, { probeAtMs: now + 1 });
    const late = { ...before, advertiseAtMs: now - 51 };
    for (const [from, event] of [
      [before, heard({ role: 'active' })],
      [before, { kind: 'wire-flooded', atMs: now }],
      [late, tick()],
    ] as const) {
      const [after] = step(from, event, lesser);
      assert.ok(after.office.role === 'backup', event.kind);
      // What is asked in this very step is the first question of a new silence.
      assert.ok((after.office.evidence?.unansweredCount ?? 0) <= 1, event.kind);
    }
  });

  it('counts a contest once', () => {
    const begins = silent(300, { answeredAtMs: now - 4, unansweredCount: 0 });
    const [contested] = step(begins, tick(), lesser);
    assert.ok(contested.office.role === 'backup');
    assert.deepEqual([contested.contestCount, contested.office.contestedAtMs], [1, now]);
    const [on] = step(contested, tick(now + 20), lesser);
    assert.equal(on.contestCount, 1);
  });

  it('gives a contest the time that the operator gave it', () => {
    const patient = { ...lesser, contested: { kind: 'claim-after', afterMs: 500 } } as const;
    const at = (contestedAtMs: number) =>
      silent(900, { unansweredCount: 0, answeredAtMs: now - 1 }, { contestedAtMs });
    assert.equal(outcome(at(now - 499), tick(), patient), 'backup: probe');
    assert.equal(reason(at(now - 500), tick(), patient), 'contest-timeout');
  });

  describe('of who is on the wire', () => {
    const after = (before: DirectorState, event: DirectorEvent, settings = lesser) =>
      step(before, event, settings)[0];

    it('takes any owner for the peer until the peer is known', () => {
      const [unknown] = [
        state(backup({ evidence: asked({ probeAtMs: now + 1 }) }), {
          peer: undefined,
          listeningSinceMs: now - 50,
        }),
      ];
      const heardIt = after(unknown, frame('stranger'));
      assert.ok(heardIt.office.role === 'backup' && heardIt.office.evidence?.answeredAtMs === now);
      assert.equal(heardIt.foreignCount, 0);
    });

    it('counts a stranger, once a second, and an active director announces against it', () => {
      const told = after(state(active(), { peer: peer() }), frame('stranger'));
      assert.deepEqual([told.foreignCount, told.foreign?.mac], [1, 'stranger']);
      assert.ok(told.office.role === 'active' && told.office.announcedCount === 1);
      const again = {
        ...state(backup()),
        foreign: { mac: 'stranger', address: 'x', atMs: now - 999 },
        foreignCount: 1,
      };
      assert.equal(after(again, frame('stranger')).foreignCount, 1);
      assert.equal(
        after({ ...again, foreign: { ...again.foreign, atMs: now - 1000 } }, frame('stranger')).foreignCount,
        2,
      );
      assert.equal(after(again, frame('another')).foreignCount, 2);
    });

    it('keeps the latest eight neighbours, each once, where no path is configured', () => {
      const many = Array.from({ length: 8 }, (_, index) => ({ ...neighbor, address: `192.0.2.${index}` }));
      const { neighbors } = after(state(backup(), { neighbors: many }), frame('router', '192.0.2.3'));
      assert.equal(neighbors.length, 8);
      assert.deepEqual([neighbors[0]?.address, neighbors[0]?.seenAtMs], ['192.0.2.3', now]);
      assert.equal(
        after(state(backup(), { neighbors: many }), frame('router', '192.0.2.50')).neighbors.length,
        8,
      );
      assert.deepEqual(after(state(backup()), frame('router', '192.0.2.3'), watching).neighbors, []);
    });

    it('does not take the peer for a neighbour, nor a neighbour that is no target for a proof', () => {
      assert.deepEqual(after(state(backup()), frame(peerMac, '192.0.2.3')).neighbors, []);
      const before = silent(90, { ...unproven, probeAtMs: now + 1 });
      const proven = after(before, frame('router', '192.0.2.3'), watching);
      assert.ok(proven.office.role === 'backup' && proven.office.evidence?.provenBy === undefined);
    });

    it('hears the peer without asking, and minds it only where it was asking', () => {
      for (const office of [backup(), claiming()]) {
        const before = state(office);
        assert.deepEqual(after(before, frame(peerMac)), before);
      }
    });
  });

  describe('of a second owner', () => {
    const alone = (over: Partial<Peer> = {}, priority = 150) =>
      state(active(), { peer: peer({ priority }, { heardAtMs: now - 100, ...over }), sinceMs: now - 9000 });
    const rows: readonly [string, DirectorState, string][] = [
      ['behind broken heartbeats the lesser one lets go', alone(), 'backup: release, probe'],
      ['and the better one stays, and tells the neighbours', alone({}, 99), 'active: announce'],
      ['of two alike the second lets go', alone({}, 100), 'backup: release, probe'],
      ['while heartbeats are heard, they decide', alone({ heardAtMs: now - 99 }), 'active'],
      ['what is not proven is not believed', alone({ isProven: false }), 'active'],
      [
        'who claimed in spite of it meant it',
        { ...alone(), why: { kind: 'contest-timeout', silentMs: 900 } },
        'active',
      ],
    ];
    for (const [what, before, expected] of rows) {
      it(`${what}: ${expected}`, () => {
        assert.equal(outcome(before, frame(peerMac)), expected);
      });
    }

    it('does not mind where else the peer is', () => {
      assert.equal(outcome(alone(), frame(peerMac, '192.0.2.77')), 'active');
    });

    it('is asked for often at first, and then once a second', () => {
      const next = (sinceMs: number) => {
        const [after] = step({ ...alone(), sinceMs, office: active({ askAtMs: now }) }, tick(), lesser);
        return after.office.role === 'active' ? after.office.askAtMs - now : undefined;
      };
      assert.deepEqual([next(now - 999), next(now - 1000)], [50, 1000]);
      assert.equal(
        outcome({ ...alone(), office: active({ askAtMs: now }) }, tick(), { ...lesser, canProbe: false }),
        'active',
      );
    });
  });
});
