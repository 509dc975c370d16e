import assert from 'node:assert/strict';
import { advertisementOf } from '../../src/core/advertise.ts';
import { initialState, nextDeadlineMs, step } from '../../src/core/director.ts';
import { isNotable } from '../../src/core/record.ts';
import { type DirectorEvent, type DirectorState, statedRole } from '../../src/core/state.ts';
import {
  active,
  backup,
  better,
  claiming,
  heard,
  lesser,
  listening,
  now,
  outcome,
  peer,
  reason,
  state,
  stopped,
  tick,
} from './states.ts';

const handover = {
  request: 4,
  cause: 'operator',
  isForced: false,
  commandId: 'x',
  startedAtMs: now - 10,
  untilMs: now + 990,
} as const;
const wish = { commandId: 'x', untilMs: now } as const;
const quiet: DirectorState['peer'] = undefined;
const event = {
  started: { kind: 'started', atMs: now, isMaintenance: false },
  claimed: { kind: 'claimed', atMs: now },
  failed: { kind: 'claim-failed', atMs: now, reason: 'no-interface' },
  leaseLost: { kind: 'lease-lost', atMs: now },
  addressLost: { kind: 'address-lost', atMs: now, address: '192.0.2.10' },
  flooded: { kind: 'wire-flooded', atMs: now },
  stop: { kind: 'stop', atMs: now },
  carrierLost: { kind: 'carrier', atMs: now, interfaceName: 'eth1', isUp: false },
  carrierBack: { kind: 'carrier', atMs: now, interfaceName: 'eth1', isUp: true },
} as const satisfies Record<string, DirectorEvent>;

/** RFC 9568 §6.4: what each role does with each event; the reasons that matter stand behind. */
const rows: readonly [string, DirectorState, DirectorEvent, string, string?][] = [
  // §6.4.1 Initialize: whatever an earlier life left behind goes, then it listens.
  ['a director that starts releases', initialState(lesser), event.started, 'initialize: release'],
  ['it listens', state(listening), tick(), 'initialize'],
  [
    'it hears the active one and is backup at once',
    state(listening),
    heard({ role: 'active' }),
    'backup: release',
    'heard-active-peer',
  ],
  ['it hears a backup and listens on', state(listening), heard(), 'initialize'],
  ['it has listened', state({ role: 'initialize', listensUntilMs: now }), tick(), 'backup', 'started'],
  ['it is told to stop', state(listening), event.stop, 'stopped: release, stop', 'stopped'],
  ['it has nothing to lose', state(listening), event.leaseLost, 'initialize'],
  ['a claim that comes true too late is given back', state(listening), event.claimed, 'initialize: release'],
  ['a claim that fails too late changes nothing', state(listening), event.failed, 'initialize'],
  // §6.4.2 Backup
  ['a backup hears the active one', state(backup()), heard({ role: 'active' }), 'backup'],
  ['it goes on without a word of it', state(backup()), tick(), 'backup'],
  ['it is told to stop', state(backup()), event.stop, 'stopped: release, stop'],
  ['it is told to stop while it serves on', state(backup({ servesUntilMs: now + 50 })), event.stop, 'backup'],
  [
    'it has served on, and stops',
    state(backup({ servesUntilMs: now }), { isStopping: true }),
    tick(),
    'stopped: release, stop',
  ],
  ['it has served on', state(backup({ servesUntilMs: now })), tick(), 'backup: release'],
  ['it serves on', state(backup({ servesUntilMs: now + 1 })), tick(), 'backup'],
  ['it was told to stop', state(backup(), { isStopping: true }), tick(), 'stopped: release, stop'],
  ['it has nothing to lose', state(backup()), event.leaseLost, 'backup'],
  ['an address that it does not hold is removed', state(backup()), event.addressLost, 'backup'],
  ['a claim that comes true too late is given back', state(backup()), event.claimed, 'backup: release'],
  ['a claim that fails too late changes nothing', state(backup()), event.failed, 'backup'],
  ['its wish was not answered', state(backup(), { takeOver: wish }), tick(), 'backup: answer no-answer'],
  // Claiming: the kernel has been asked and has not answered.
  ['the kernel gives the addresses', state(claiming()), event.claimed, 'active: announce', 'silence'],
  [
    'the operator who asked is told',
    state(claiming(), { takeOver: wish }),
    event.claimed,
    'active: announce, answer done',
  ],
  ['the kernel refuses', state(claiming()), event.failed, 'backup: release', 'claim-failed'],
  [
    'the operator who asked is told that it refuses',
    state(claiming(), { takeOver: wish }),
    event.failed,
    'backup: release, answer not-eligible/claim-failed',
  ],
  ['meanwhile it waits', state(claiming()), tick(), 'claiming'],
  ['and hears', state(claiming()), heard({ role: 'active' }), 'claiming'],
  ['it is told to stop and waits for the kernel', state(claiming()), event.stop, 'claiming'],
  [
    'the kernel answers one that stops',
    state(claiming(), { isStopping: true }),
    event.claimed,
    'stopped: release, stop',
  ],
  [
    'it slept over its claim',
    state(claiming(), { advertiseAtMs: now - 51 }),
    event.claimed,
    'backup: release, release',
    'overslept',
  ],
  ['it was hardly late', state(claiming(), { advertiseAtMs: now - 50 }), event.claimed, 'active: announce'],
  // §6.4.3 Active
  ['an active director goes on', state(active(), { peer: peer() }), tick(), 'active'],
  [
    'its announcement is due',
    state(active({ announceAtMs: now }), { peer: peer() }),
    tick(),
    'active: announce',
  ],
  ['its renewal is due', state(active({ renewAtMs: now }), { peer: peer() }), tick(), 'active: renew'],
  ['the lease is lost', state(active(), { peer: peer() }), event.leaseLost, 'backup: release', 'lease-lost'],
  [
    'an address was removed by somebody',
    state(active(), { peer: peer() }),
    event.addressLost,
    'active: claim',
  ],
  ['and is back', state(active(), { peer: peer() }), event.claimed, 'active: announce'],
  [
    'and cannot be had back',
    state(active(), { peer: peer() }),
    event.failed,
    'backup: release',
    'claim-failed',
  ],
  [
    'it slept as long as its lease',
    state(active(), { advertiseAtMs: now - 150 }),
    tick(),
    'backup: release',
    'overslept',
  ],
  ['it slept less', state(active(), { advertiseAtMs: now - 149 }), tick(), 'active'],
  ['it is told to stop and asks to be relieved', state(active(), { peer: peer() }), event.stop, 'active'],
  [
    'it is told to stop and nobody is there',
    state(active(), { peer: quiet }),
    event.stop,
    'stopped: release, stop',
  ],
  [
    'it was told to stop and was not relieved',
    state(active(), { isStopping: true }),
    tick(),
    'stopped: release, stop',
  ],
  [
    'it is told again',
    state(active(), { isStopping: true, peer: peer() }),
    event.stop,
    'stopped: release, stop',
  ],
  [
    'a peer comes back into hearing',
    state(active(), { peer: peer({}, { heardAtMs: now - 300 }) }),
    heard({ term: 3 }),
    'active: announce',
  ],
  [
    'a peer that began a new life',
    state(active(), { peer: peer() }),
    heard({ role: 'initialize', term: 0 }),
    'active: announce',
  ],
  [
    'a peer that held the office meanwhile',
    state(active(), { peer: peer() }),
    heard({ term: 4 }),
    'active: announce',
  ],
  ['says so again', state(active(), { peer: peer({ term: 4 }) }), heard({ term: 4 }), 'active'],
  [
    'nobody is heard, so the wire is asked',
    state(active({ askAtMs: now }), { peer: quiet, sinceMs: now - 5000 }),
    tick(),
    'active: probe',
  ],
  // Stopped: nothing moves it.
  ...[tick(), event.started, event.claimed, event.stop, event.leaseLost, heard({ role: 'active' })].map(
    (each): [string, DirectorState, DirectorEvent, string] => [
      `a stopped director does not mind ${each.kind}`,
      state(stopped),
      each,
      'stopped',
    ],
  ),
  // Whatever the role.
  ...[listening, backup(), claiming(), active()].flatMap(
    (office): [string, DirectorState, DirectorEvent, string][] => [
      [
        `${office.role}: a flooded wire proves nothing`,
        state(office, { peer: peer({ role: 'active' }, { heardAtMs: now - 10 }) }),
        event.flooded,
        office.role,
      ],
      [`${office.role}: a carrier goes`, state(office), event.carrierLost, office.role],
      [
        `${office.role}: a carrier comes`,
        state(office, { downInterfaces: ['eth1'] }),
        event.carrierBack,
        office.role === 'active' ? 'active: announce' : office.role,
      ],
    ],
  ),
];

describe('director', () => {
  for (const [what, before, given, expected, why] of rows) {
    it(`${before.office.role}, ${given.kind}: ${what}`, () => {
      assert.equal(outcome(before, given), expected);
      if (why !== undefined) {
        assert.equal(reason(before, given), why);
      }
    });
  }

  it('numbers its claim above all that it knows, and stands so', () => {
    const [after] = step(state(claiming(), { peer: peer({ term: 8 }) }), event.claimed, lesser);
    assert.equal(after.term, 9);
    const [unknown] = step(
      state(claiming(), { peer: peer({ term: 8 }, { isProven: false }) }),
      event.claimed,
      lesser,
    );
    assert.equal(unknown.term, 4, 'what is not proven is not believed');
  });

  it('learns the term of a proven peer, unless it is active itself', () => {
    assert.equal(step(state(backup()), heard({ role: 'active', term: 8 }), lesser)[0].term, 8);
    assert.equal(
      step(state(backup()), heard({ role: 'active', term: 8 }, { isProven: false }), lesser)[0].term,
      3,
    );
    assert.equal(step(state(active(), { peer: peer() }), heard({ term: 8 }), lesser)[0].term, 3);
  });

  it('says a heartbeat when it is due, keeps its beat, and begins anew after a sleep', () => {
    const due = (advertiseAtMs: number) => step(state(backup(), { advertiseAtMs }), tick(), lesser);
    assert.deepEqual(due(now + 1)[1], []);
    assert.deepEqual(
      due(now)[1].map(({ kind }) => kind),
      ['advertise'],
    );
    assert.equal(due(now - 3)[0].advertiseAtMs, now + 47);
    assert.equal(due(now - 60)[0].advertiseAtMs, now + 50);
  });

  it('says nothing out of office in the step in which it claims', () => {
    const vacant = state(backup({ vacantAtMs: now - 10 }), {
      advertiseAtMs: now,
      peer: peer({}, { heardAtMs: now }),
    });
    const [after, effects] = step(vacant, tick(), lesser);
    assert.equal(after.office.role, 'claiming');
    assert.deepEqual(effects, [{ kind: 'claim' }]);
  });

  it('notes with its heartbeat that a link fell silent', () => {
    const links = [
      { heardAtMs: now - 300, isHeard: true },
      { heardAtMs: undefined, isHeard: false },
    ];
    const [after] = step(state(backup(), { links, advertiseAtMs: now }), tick(), lesser);
    assert.deepEqual(after.links, [{ heardAtMs: now - 300, isHeard: false }, links[1]]);
  });

  it('asks its paths with every heartbeat, where the wire can be asked', () => {
    const path = {
      name: 'up',
      interfaceName: 'eth0',
      address: '192.0.2.1',
      source: 'wire',
      isRequired: true,
      score: 0,
    } as const;
    const probing = { ...lesser, paths: [path] };
    const due = state(backup(), { advertiseAtMs: now }, probing);
    const targets = [{ interfaceName: 'eth0', address: '192.0.2.1' }];
    assert.deepEqual(step(due, tick(), probing)[1].at(-1), { kind: 'probe', asksFloating: false, targets });
    assert.equal(step(due, tick(), { ...probing, canProbe: false })[1].length, 1);
  });

  it('states what it is, and that it leaves', () => {
    assert.deepEqual([listening, backup(), claiming(), active(), stopped].map(statedRole), [
      'initialize',
      'backup',
      'backup',
      'active',
      'initialize',
    ]);
    const told = advertisementOf(state(stopped), now, lesser);
    assert.deepEqual(
      [told.role, told.isResigning, told.priority, told.refusal],
      ['initialize', true, 0, 'stopping'],
    );
    const asking = advertisementOf(state(active({ handover })), now, lesser);
    assert.deepEqual([asking.role, asking.handoverRequest, asking.isHandoverForced], ['active', 4, false]);
    assert.deepEqual(
      advertisementOf(
        state(backup(), {
          links: [
            { heardAtMs: now - 300, isHeard: true },
            { heardAtMs: undefined, isHeard: false },
          ],
        }),
        now,
        lesser,
      ).hears,
      [false, false],
    );
  });

  it('names the earliest of what is due', () => {
    const due = (office: DirectorState['office'], over: Partial<DirectorState> = {}) =>
      nextDeadlineMs(state(office, { advertiseAtMs: now + 40, ...over }), lesser);
    assert.equal(due(stopped), undefined);
    assert.equal(nextDeadlineMs(initialState(lesser), lesser), undefined);
    assert.equal(due({ role: 'initialize', listensUntilMs: now + 7 }), now + 7);
    assert.equal(due(backup({ servesUntilMs: now + 8 })), now + 8);
    assert.equal(due(backup(), { takeOver: { commandId: 'x', untilMs: now + 9 } }), now + 9);
    assert.equal(
      due(backup(), { peer: peer({ role: 'active' }, { heardAtMs: now - 50 }) }),
      now + 25,
      'the first probe',
    );
    assert.equal(due(claiming()), now + 40);
    assert.equal(due(active({ announceAtMs: now + 5 })), now + 5);
    assert.equal(due(active({ renewAtMs: now + 6 })), now + 6);
    assert.equal(due(active({ handover: { ...handover, untilMs: now + 4 } })), now + 4);
  });

  it('stays the same under an event that comes early', () => {
    for (const office of [listening, backup(), claiming(), active()]) {
      const before = state(office, { peer: peer({ role: office.role === 'active' ? 'backup' : 'active' }) });
      assert.deepEqual(step(before, tick(), lesser), [before, []]);
    }
  });

  it('lets the better one claim an office that nobody holds, and the lesser one wait', () => {
    const found = backup({ hasSeenActive: false, vacantAtMs: now - 10 });
    const [same] = [{ peer: peer({ priority: 100 }, { heardAtMs: now }) }];
    assert.equal(outcome(state(found, same, better), tick(), better), 'claiming: claim');
    assert.equal(outcome(state(found, { peer: peer({ priority: 150 }) }), tick()), 'backup');
  });
});

describe('record', () => {
  const before = state(backup());
  const same = { event: tick(), before, after: before, effects: [] };
  it('is worth keeping when something changed that a person would ask about', () => {
    const [link, ...links] = before.links;
    assert.ok(link !== undefined);
    const changes: readonly Partial<DirectorState>[] = [
      { office: active() },
      { peer: peer({ role: 'backup' }) },
      { peer: peer({ role: 'active' }, { isProven: false }) },
      { isMaintenance: true },
      { links: [{ ...link, isHeard: false }, ...links] },
      { foreignCount: 1 },
      { contestCount: 1 },
    ];
    assert.equal(isNotable(same), false);
    for (const change of changes) {
      assert.ok(isNotable({ ...same, after: { ...before, ...change } }), JSON.stringify(change));
    }
    const path = { answeredAtMs: 1, isUp: true };
    assert.ok(
      isNotable({
        ...same,
        before: { ...before, paths: [path] },
        after: { ...before, paths: [{ ...path, isUp: false }] },
      }),
    );
    for (const kind of ['release', 'mute'] as const) {
      assert.ok(isNotable({ ...same, effects: [{ kind }] }), kind);
    }
    assert.equal(isNotable({ ...same, effects: [{ kind: 'announce' }] }), false);
    for (const each of [event.carrierLost, event.addressLost, event.failed, event.stop]) {
      assert.ok(isNotable({ ...same, event: each }), each.kind);
    }
  });
});
