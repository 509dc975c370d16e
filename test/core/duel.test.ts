import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ruleDuel } from '../../src/core/duel.ts';
import { step } from '../../src/core/director.ts';
import { type Advertisement, type DirectorEvent, type DirectorState } from '../../src/core/state.ts';
import { isPeerBetterPlaced } from '../../src/core/tracks.ts';
import { active, better, heard, lesser, now, outcome, peer, reason, said, state, tick } from './states.ts';

/** Active for long, in term 3, and so is the peer; both have been seen so since `forMs`. */
function duel(forMs: number | undefined, over: Partial<DirectorState> = {}): DirectorState {
  const duelAtMs = forMs === undefined ? undefined : now - forMs;
  return state(active({ duelAtMs }), { peer: peer({ role: 'active', term: 2 }), ...over });
}

describe('duel', () => {
  const both = (over: Partial<Advertisement> = {}) => heard({ role: 'active', term: 2, ...over });
  const rows: readonly [string, DirectorState, DirectorEvent, string, string?][] = [
    ['one heartbeat of an older term may be a late one', duel(undefined), both(), 'active'],
    ['the next is not', duel(25), both(), 'backup: release', 'lost-duel'],
    [
      'nor is one of a term that is as new',
      duel(undefined),
      both({ term: 3 }),
      'backup: release',
      'lost-duel',
    ],
    ['the higher priority stays', duel(50), both({ priority: 99 }), 'active'],
    ['of equal priorities the one longer in office', duel(50), both({ priority: 100, term: 4 }), 'active'],
    ['or not', duel(50), both({ priority: 100, term: 2 }), 'backup: release', 'lost-duel'],
    [
      'at last the second by name goes',
      duel(50),
      both({ priority: 100, term: 3 }),
      'backup: release',
      'lost-duel',
    ],
    [
      'one that slept goes before one that claimed meanwhile',
      duel(undefined, { listeningSinceMs: now - 299 }),
      both({ priority: 1, term: 4 }),
      'backup: release',
      'lost-duel',
    ],
    [
      'after dead it has slept no longer',
      duel(50, { listeningSinceMs: now - 300 }),
      both({ priority: 1, term: 4 }),
      'active',
    ],
    [
      'the winner leaves to a peer that is deaf',
      duel(300),
      both({ priority: 1, hears: [false, false] }),
      'backup: release',
      'lost-duel',
    ],
    ['when it was so for dead', duel(299), both({ priority: 1, hears: [false, false] }), 'active'],
    [
      'or to one that never proves itself',
      duel(300),
      heard({ role: 'active', term: 2, priority: 200 }, { isProven: false }),
      'backup: release',
      'lost-duel',
    ],
    [
      'which it does not believe before',
      duel(299),
      heard({ role: 'active', term: 2, priority: 200 }, { isProven: false }),
      'active',
    ],
    ['a peer that asks to be relieved is no contest', duel(900), both({ handoverRequest: 4 }), 'active'],
    ['when it lets go the neighbours are told', duel(50), heard(), 'active: announce'],
    [
      'or when it is heard no longer',
      { ...duel(900, { advertiseAtMs: now }), peer: peer({ role: 'active' }, { heardAtMs: now - 300 }) },
      tick(),
      'active: announce',
    ],
    ['there is none while the peer is backup', duel(undefined), heard(), 'active'],
  ];
  for (const [what, before, event, expected, why] of rows) {
    it(`${what}: ${expected}`, () => {
      assert.equal(outcome(before, event), expected);
      if (why !== undefined) {
        assert.equal(reason(before, event), why);
      }
    });
  }

  it('leaves to a higher term at once where a hand-over is under way', () => {
    const handover = {
      request: 4,
      cause: 'operator',
      isForced: false,
      commandId: 'x',
      startedAtMs: now - 3,
      untilMs: now + 900,
    } as const;
    const before = state(active({ handover }), { peer: peer() });
    assert.equal(outcome(before, both({ term: 4 })), 'backup: mute, answer done');
    assert.equal(
      outcome(before, both({ term: 4 }), { ...lesser, gate: 'address' }),
      'backup: release, answer done',
    );
    assert.equal(outcome(before, both({ term: 3, priority: 99 })), 'active', 'not to one as old');
  });

  const contestant = fc.record(
    { priority: fc.integer({ min: 0, max: 3 }), term: fc.integer({ min: 1, max: 3 }) },
    { noNullPrototype: true },
  );

  it('is ruled alike on both sides: one stays, one goes', () => {
    fc.assert(
      fc.property(contestant, contestant, (a, b) => {
        const rule = (own: typeof a, other: typeof b, settings: typeof better) =>
          ruleDuel(state(active(), { term: own.term }), own.priority, said(other), false, settings);
        const [first, second] = [rule(a, b, better), rule(b, a, lesser)];
        assert.notEqual(first.isWon, second.isWon);
        assert.equal(first.rule, second.rule);
      }),
    );
  });

  it('ends with one, whoever hears first', () => {
    fc.assert(
      fc.property(contestant, contestant, fc.boolean(), (a, b, isFirst) => {
        const side = (own: typeof a, settings: typeof better) =>
          state(
            active({ duelAtMs: now - 60 }),
            { term: own.term, peer: peer({ role: 'active' }) },
            { ...settings, priority: Math.max(1, own.priority) },
          );
        const hears = (own: typeof a, other: typeof b, settings: typeof better) =>
          step(
            side(own, settings),
            heard({ role: 'active', term: other.term, priority: Math.max(1, other.priority) }),
            { ...settings, priority: Math.max(1, own.priority) },
          )[0].office.role;
        const roles = isFirst
          ? [hears(a, b, better), hears(b, a, lesser)]
          : [hears(b, a, lesser), hears(a, b, better)];
        assert.deepEqual(roles.toSorted(), ['active', 'backup']);
      }),
    );
  });
});

describe('placement', () => {
  const paths = [
    { name: 'up', interfaceName: 'eth0', address: '192.0.2.1', source: 'wire', isRequired: true, score: 0 },
    {
      name: 'far',
      interfaceName: 'eth0',
      address: '192.0.2.2',
      source: 'wire',
      isRequired: false,
      score: 60,
    },
    { name: 'in', interfaceName: 'eth1', address: '10.99.0.9', source: 'wire', isRequired: true, score: 5 },
  ] as const;

  it('never lets both think that the other is better placed', () => {
    const tracks = fc.array(fc.boolean(), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(
        tracks,
        tracks,
        fc.integer({ min: 1, max: 254 }),
        fc.integer({ min: 1, max: 254 }),
        (a, b, priorityA, priorityB) => {
          const side = (ok: readonly boolean[], settings: typeof better): [DirectorState, number] => {
            const own = state(active(), {
              paths: paths.map((_, index) => ({ answeredAtMs: now, isUp: ok[index] === true })),
              downInterfaces: ['eth0', 'eth1'].filter((_, index) => ok[3 + index] !== true),
            });
            const lost = paths.reduce((sum, { score }, index) => sum + (ok[index] === true ? 0 : score), 0);
            return [own, Math.max(1, settings.priority - lost)];
          };
          const [settingsA, settingsB] = [
            { ...better, paths, priority: priorityA },
            { ...lesser, paths, priority: priorityB },
          ];
          const [[stateA, leftA], [stateB, leftB]] = [side(a, settingsA), side(b, settingsB)];
          const isA = isPeerBetterPlaced(stateA, said({ pathsOk: b, priority: leftB }), settingsA);
          const isB = isPeerBetterPlaced(stateB, said({ pathsOk: a, priority: leftA }), settingsB);
          assert.ok(!(isA && isB));
        },
      ),
    );
  });
});
