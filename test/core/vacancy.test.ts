import assert from 'node:assert/strict';
import { step } from '../../src/core/director.ts';
import { type Advertisement, type DirectorState, type Peer } from '../../src/core/state.ts';
import {
  backup,
  better,
  heard,
  lesser,
  now,
  type OfficeOf,
  outcome,
  peer,
  reason,
  state,
  tick,
} from './states.ts';

/** A backup that heard its peer just now, out of office; nobody has held it for `vacantMs`. */
function vacant(
  vacantMs: number,
  office: Partial<OfficeOf<'backup'>> = {},
  said: Partial<Advertisement> = {},
  of: Partial<Peer> = {},
): DirectorState {
  return state(backup({ vacantAtMs: now - vacantMs, hasSeenActive: false, ...office }), {
    peer: peer(said, { heardAtMs: now, ...of }),
  });
}

describe('vacancy', () => {
  // listen 1000, dead 300, and 100 more for the lesser one.
  const rows: readonly [string, DirectorState, string][] = [
    ['the lesser one waits for the better', vacant(1399), 'backup'],
    ['but not for ever', vacant(1400), 'vacant-too-long'],
    ['the better one goes at once', vacant(0, {}, { priority: 99 }), 'vacant-and-better'],
    ['of two alike the second waits', vacant(1399, {}, { priority: 100 }), 'backup'],
    ['one that saw the peer leave is next', vacant(0, { hasSeenActive: true }), 'peer-left-office'],
    [
      'one that left itself lets the peer go first',
      vacant(1399, { hasSeenActive: true, hasLeftOffice: true }),
      'backup',
    ],
    ['but not for ever', vacant(1400, { hasSeenActive: true, hasLeftOffice: true }), 'vacant-too-long'],
    ['the peer is leaving for good', vacant(0, {}, { isResigning: true }), 'peer-resigned'],
    [
      'the peer cannot hold the addresses',
      vacant(0, {}, { priority: 0, refusal: 'maintenance' }),
      'peer-resigned',
    ],
    [
      'the peer has yet to prove itself',
      vacant(1399, { hasSeenActive: true }, {}, { isProven: false }),
      'backup',
    ],
    ['and took too long', vacant(1400, { hasSeenActive: true }, {}, { isProven: false }), 'vacant-too-long'],
    [
      'what the peer said before is not believed',
      vacant(5, { hasSeenActive: true }, {}, { heardAtMs: now - 6 }),
      'backup',
    ],
    [
      'a silent peer is asked for, not guessed at',
      vacant(2000, { hasSeenActive: true }, {}, { heardAtMs: now - 300 }),
      'backup: probe',
    ],
    ['somebody is active', state(backup()), 'backup'],
    ['one that serves on waits', vacant(2000, { hasSeenActive: true, servesUntilMs: now + 1 }), 'backup'],
    [
      'one in maintenance does not go',
      { ...vacant(2000, { hasSeenActive: true }), isMaintenance: true },
      'backup',
    ],
    [
      'one whose claim failed waits',
      { ...vacant(2000, { hasSeenActive: true }), holdUntilMs: now + 1 },
      'backup',
    ],
    ['and tries again', { ...vacant(2000, { hasSeenActive: true }), holdUntilMs: now }, 'peer-left-office'],
    [
      'one that slept does not believe its backlog',
      { ...vacant(2000, { hasSeenActive: true }), listeningSinceMs: now - 49 },
      'backup',
    ],
    [
      'but what is said then',
      { ...vacant(2000, { hasSeenActive: true }), listeningSinceMs: now - 50 },
      'peer-left-office',
    ],
  ];
  for (const [what, before, expected] of rows) {
    it(`${what}: ${expected}`, () => {
      const isClaim = outcome(before, tick()) === 'claiming: claim';
      assert.equal(isClaim ? reason(before, tick()) : outcome(before, tick()), expected);
    });
  }

  it('goes to the lesser one later than to the better, whatever both wait for', () => {
    const mine = vacant(0, { hasLeftOffice: true }, { priority: 100 });
    const first = { ...mine, office: backup({ vacantAtMs: now - 1300, hasLeftOffice: true }) };
    assert.equal(outcome(first, tick(), better), 'claiming: claim');
    assert.equal(outcome(first, tick(), lesser), 'backup');
  });

  it('counts the priority that is left to both', () => {
    const path = {
      name: 'up',
      interfaceName: 'eth0',
      address: '192.0.2.1',
      source: 'wire',
      isRequired: false,
      score: 60,
    } as const;
    const settings = { ...better, paths: [path], canProbe: false };
    const lost = { ...vacant(0, {}, { priority: 100 }), paths: [{ answeredAtMs: now, isUp: false }] };
    assert.equal(outcome(lost, tick(), settings), 'backup');
    assert.equal(
      outcome({ ...lost, paths: [{ answeredAtMs: now, isUp: true }] }, tick(), settings),
      'claiming: claim',
    );
  });

  it('is over for the one whose turn the peer took', () => {
    const left = state(backup({ vacantAtMs: now - 500, hasLeftOffice: true }), {
      peer: peer({}, { heardAtMs: now - 50 }),
    });
    const [after] = step(left, heard({ role: 'active' }), lesser);
    assert.ok(after.office.role === 'backup');
    assert.deepEqual([after.office.hasLeftOffice, after.office.vacantAtMs], [false, undefined]);
    assert.equal(outcome(after, heard({ role: 'backup' })), 'claiming: claim');
  });

  it('is not over for the one that reads of it in a backlog', () => {
    const left = state(backup({ vacantAtMs: now, hasLeftOffice: true }), { listeningSinceMs: now });
    const [after] = step(left, heard({ role: 'active' }), lesser);
    assert.ok(after.office.role === 'backup' && after.office.hasLeftOffice);
  });

  it('does not make a peer that started anew one that left', () => {
    const [started] = step(state(backup()), heard({ role: 'initialize' }, { atMs: now - 5 }), {
      ...lesser,
      listenMs: 5000,
    });
    assert.equal(started.office.role, 'claiming', 'while it listens it cannot claim');
    const meanwhile = state(backup({ vacantAtMs: now - 9 }), { peer: peer({ role: 'initialize' }) });
    assert.equal(outcome(meanwhile, heard()), 'backup');
  });

  describe('without a wire to ask', () => {
    const deaf = { ...lesser, canProbe: false };
    const rows: readonly [string, DirectorState, string][] = [
      [
        'an active peer is silent for dead',
        state(backup(), { peer: peer({ role: 'active' }, { heardAtMs: now - 300 }) }),
        'silence',
      ],
      ['or not yet', state(backup(), { peer: peer({ role: 'active' }, { heardAtMs: now - 299 }) }), 'backup'],
      [
        'silence counts from a late tick',
        state(backup(), {
          peer: peer({ role: 'active' }, { heardAtMs: now - 900 }),
          listeningSinceMs: now - 299,
        }),
        'backup',
      ],
      [
        'nobody was ever heard',
        state(backup(), { peer: undefined, listeningSinceMs: now - 1000 }),
        'nobody-answered',
      ],
      [
        'the lesser one waits longer for a silent backup',
        state(backup(), { peer: peer({}, { heardAtMs: now - 399 }) }),
        'backup',
      ],
      ['and goes', state(backup(), { peer: peer({}, { heardAtMs: now - 400 }) }), 'silence'],
    ];
    for (const [what, before, expected] of rows) {
      it(`${what}: ${expected}`, () => {
        const isClaim = outcome(before, tick(), deaf) === 'claiming: claim';
        assert.equal(isClaim ? reason(before, tick(), deaf) : outcome(before, tick(), deaf), expected);
      });
    }
  });
});
