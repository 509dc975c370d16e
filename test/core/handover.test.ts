import assert from 'node:assert/strict';
import { meet } from '../../src/core/active.ts';
import { step } from '../../src/core/director.ts';
import { giveUpHandover, startHandover } from '../../src/core/handover.ts';
import {
  type Command,
  type CommandOutcome,
  type DirectorEvent,
  type DirectorState,
  type Handover,
  type Refusal,
} from '../../src/core/state.ts';
import {
  active,
  backup,
  claiming,
  heard,
  lesser,
  listening,
  macs,
  now,
  outcome,
  peer,
  state,
  tick,
} from './states.ts';

const settings = { ...lesser, failback: { kind: 'auto', delayMs: 500 } } as const;
const pending: Handover = {
  request: 4,
  cause: 'operator',
  isForced: false,
  commandId: 'x',
  startedAtMs: now - 3,
  untilMs: now + 900,
};
const quiet = { peer: undefined };
const fit = { peer: peer() };

function command(given: Command): Extract<DirectorEvent, { kind: 'command' }> {
  return { kind: 'command', atMs: now, commandId: 'x', command: given };
}
const failover = (isForced = false) => command({ kind: 'failover', isForced });
const maintenance = (isOn: boolean, isForced = false) => command({ kind: 'maintenance', isOn, isForced });
const takeOver = command({ kind: 'take-over' });

describe('a command', () => {
  const rows: readonly [string, DirectorState, DirectorEvent, string][] = [
    // failover
    ['moves the office', state(active(), fit), failover(), 'active'],
    [
      'is refused while one is under way',
      state(active({ handover: pending }), fit),
      failover(),
      'active: answer busy',
    ],
    ['is refused when the peer is silent', state(active(), quiet), failover(), 'active: answer peer-silent'],
    [
      'is refused when the peer will not',
      state(active(), { peer: peer({ refusal: 'maintenance' }) }),
      failover(),
      'active: answer peer-refused/maintenance',
    ],
    [
      'is forced upon one that will not',
      state(active(), { peer: peer({ refusal: 'maintenance' }) }),
      failover(true),
      'active',
    ],
    [
      'but not upon one that stops',
      state(active(), { peer: peer({ refusal: 'stopping' }) }),
      failover(true),
      'active: answer peer-refused/stopping',
    ],
    [
      'nor upon one that has not proved itself',
      state(active(), { peer: peer({}, { isProven: false }) }),
      failover(true),
      'active: answer peer-refused/unproven',
    ],
    ['is done already where the peer is active', state(backup()), failover(), 'backup: answer already so'],
    ['has nothing to move', state(backup(), fit), failover(), 'backup: answer nobody-active'],
    [
      'has nothing to move in silence',
      state(backup(), { peer: peer({ role: 'active' }, { heardAtMs: now - 300 }) }),
      failover(),
      'backup: answer nobody-active, probe',
    ],
    ['waits for a claim', state(claiming()), failover(), 'claiming: answer busy'],
    ['waits for the start', state(listening), failover(), 'initialize: answer starting'],
    [
      'is too late',
      state(active(), { ...fit, isStopping: true }),
      failover(),
      'stopped: answer stopping, release, stop',
    ],
    [
      'of a signal needs no answer',
      state(active(), quiet),
      { ...failover(), commandId: undefined },
      'active',
    ],
    // take-over
    ['asks for the office', state(backup()), takeOver, 'backup'],
    ['is done where it is held', state(active(), fit), takeOver, 'active: answer already so'],
    ['waits for a claim of its own', state(claiming()), takeOver, 'claiming: answer busy'],
    ['waits for the listening', state(listening), takeOver, 'initialize: answer starting'],
    [
      'is not for one in maintenance',
      state(backup(), { isMaintenance: true }),
      takeOver,
      'backup: answer not-eligible/maintenance',
    ],
    ['has nobody to ask', state(backup(), fit), takeOver, 'backup: answer nobody-active'],
    [
      'is under way',
      state(backup(), { takeOver: { commandId: 'y', untilMs: now + 9 } }),
      takeOver,
      'backup: answer busy',
    ],
    // maintenance
    ['begins on a backup', state(backup()), maintenance(true), 'backup: answer done'],
    ['begins while it starts', state(listening), maintenance(true), 'initialize: answer done'],
    [
      'is so already',
      state(backup(), { isMaintenance: true }),
      maintenance(true),
      'backup: answer already so',
    ],
    ['hands over first', state(active(), fit), maintenance(true), 'active'],
    [
      'is refused with nobody to hand over to',
      state(active(), quiet),
      maintenance(true),
      'active: answer peer-silent',
    ],
    ['is forced', state(active(), quiet), maintenance(true, true), 'backup: release, answer done'],
    [
      'waits for a hand-over',
      state(active({ handover: pending }), fit),
      maintenance(true),
      'active: answer busy',
    ],
    ['waits for a claim, too', state(claiming()), maintenance(true), 'claiming: answer busy'],
    ['ends', state(backup(), { isMaintenance: true }), maintenance(false), 'backup: answer done'],
    ['has ended already', state(backup()), maintenance(false), 'backup: answer already so'],
  ];
  for (const [what, before, event, expected] of rows) {
    const { kind } = event.kind === 'command' ? event.command : event;
    it(`${kind} ${what}: ${expected}`, () => {
      assert.equal(outcome(before, event), expected);
    });
  }

  it('is told of when a stop takes its place', () => {
    const [after, effects] = step(
      state(active({ handover: pending }), fit),
      { kind: 'stop', atMs: now },
      lesser,
    );
    assert.ok(after.office.role === 'active' && after.office.handover?.cause === 'stop');
    assert.ok(
      effects.some(
        (effect) => effect.kind === 'answer' && !effect.outcome.ok && effect.outcome.reason === 'busy',
      ),
    );
  });

  it('counts its requests from 1 to 255 and never 0', () => {
    const request = (handoverCount: number) => {
      const [after] = step(state(active(), { ...fit, handoverCount }), failover(), lesser);
      return after.office.role === 'active' ? after.office.handover?.request : undefined;
    };
    assert.deepEqual([request(0), request(254), request(255)], [1, 255, 1]);
  });

  it('is told what becomes of it when the office is lost on the way', () => {
    const answerTo = (event: DirectorEvent): CommandOutcome | undefined => {
      const [, effects] = step(state(active({ handover: pending }), fit), event, lesser);
      const answer = effects.find((effect) => effect.kind === 'answer');
      return answer?.outcome;
    };
    assert.deepEqual(answerTo({ kind: 'lease-lost', atMs: now }), { ok: false, reason: 'no-answer' });
    assert.deepEqual(answerTo(heard({ role: 'active', term: 3 })), { ok: true, isChanged: true });
  });
});

describe('hand-over', () => {
  const asking = (over: Parameters<typeof heard>[0] = {}) =>
    heard({ role: 'active', handoverRequest: 4, ...over });
  const refusedAs = (before: DirectorState, event = asking(), of = lesser): Refusal =>
    step(before, event, of)[0].refused.refusal;

  it('is granted by claiming', () => {
    assert.equal(outcome(state(backup()), asking()), 'claiming: claim');
  });

  const refusals: readonly [string, DirectorState, ReturnType<typeof heard>, Refusal][] = [
    ['in maintenance', state(backup(), { isMaintenance: true }), asking(), 'maintenance'],
    ['after a claim that failed', state(backup(), { holdUntilMs: now + 1 }), asking(), 'claim-failed'],
    [
      'where the configuration differs',
      state(backup()),
      asking({ configDigest: 8 }),
      'configuration-differs',
    ],
    [
      'where a required path is down that the peer has',
      state(backup(), { downInterfaces: ['eth0'] }),
      asking(),
      'path-down',
    ],
    [
      'while the kernel does not know the connections of the peer’s',
      state(backup(), { isBehind: true }),
      asking(),
      'not-in-sync',
    ],
  ];
  for (const [what, before, event, expected] of refusals) {
    it(`is refused ${what}, in the next heartbeat and once, and not if it is forced`, () => {
      const [after] = step(before, event, lesser);
      assert.deepEqual(after.refused, { request: 4, refusal: expected });
      assert.deepEqual(step(after, event, lesser)[0].refused, after.refused);
      assert.ok(event.kind === 'advertisement');
      const forced = { ...event, advertisement: { ...event.advertisement, isHandoverForced: true } };
      assert.equal(outcome(before, forced), 'claiming: claim');
    });
  }

  it('is not granted to one that has not proved itself, nor out of a backlog, nor by one that listens', () => {
    assert.equal(
      outcome(state(backup()), heard({ role: 'active', handoverRequest: 4 }, { isProven: false })),
      'backup',
    );
    assert.equal(outcome(state(backup(), { listeningSinceMs: now - 49 }), asking()), 'backup');
    assert.equal(outcome(state(backup(), { listeningSinceMs: now - 50 }), asking()), 'claiming: claim');
    assert.equal(outcome(state(listening), asking()), 'backup: release');
    assert.equal(refusedAs(state(backup(), { isStopping: true })), 'stopping');
  });

  it('is granted in any case to a peer that stops, or has lost what it needs: no service is worse than a reset', () => {
    const behind = state(backup(), { isBehind: true });
    assert.equal(outcome(behind, asking({ refusal: 'stopping', priority: 0 })), 'claiming: claim');
    assert.equal(outcome(behind, asking({ pathsOk: [false, true] })), 'claiming: claim');
  });

  it('is known to be in sync, or not, by what is reported', () => {
    const told = (isCaughtUp: boolean) =>
      step(state(backup()), { kind: 'sync-reported', atMs: now, isCaughtUp }, lesser)[0].isBehind;
    assert.deepEqual([told(false), told(true)], [true, false]);
  });

  it('forgets what it refused when it is asked no longer', () => {
    const refused = { request: 4, refusal: 'maintenance' } as const;
    assert.deepEqual(step(state(backup(), { refused }), heard({ role: 'active' }), lesser)[0].refused, {
      request: 0,
      refusal: 'none',
    });
    assert.deepEqual(
      step(state(backup(), { refused }), heard({ role: 'backup', handoverRequest: 4 }), {
        ...lesser,
        priority: 1,
      })[0].refused,
      { request: 0, refusal: 'none' },
    );
  });

  describe('on the side that asked', () => {
    const waiting = (over: Partial<Handover> = {}, of: Partial<DirectorState> = {}) =>
      state(active({ handover: { ...pending, ...over } }), { ...fit, ...of });
    const rows: readonly [string, DirectorState, DirectorEvent, string][] = [
      ['waits', waiting(), heard(), 'active'],
      [
        'hears a refusal',
        waiting(),
        heard({ handoverAnswer: 4, handoverRefusal: 'path-down' }),
        'active: answer peer-refused/path-down',
      ],
      [
        'does not mind that of another request',
        waiting(),
        heard({ handoverAnswer: 3, handoverRefusal: 'path-down' }),
        'active',
      ],
      [
        'nor that of a peer unproven',
        waiting(),
        heard({ handoverAnswer: 4, handoverRefusal: 'path-down' }, { isProven: false }),
        'active',
      ],
      [
        'hears that the peer leaves',
        waiting(),
        heard({ isResigning: true }),
        'active: answer peer-refused/stopping',
      ],
      ['hears nothing in time', waiting({ untilMs: now }), tick(), 'active: answer no-answer'],
      [
        'hears nothing and must stop',
        waiting({ untilMs: now, cause: 'stop', commandId: undefined }),
        tick(),
        'stopped: release, stop',
      ],
      [
        'hears nothing and leaves by force',
        waiting({ untilMs: now, cause: 'maintenance', isForced: true }),
        tick(),
        'backup: release, answer done',
      ],
      [
        'stays where it was not forced',
        waiting({ untilMs: now, cause: 'maintenance' }),
        tick(),
        'active: answer no-answer',
      ],
      [
        'hears the announcement where the heartbeat is lost',
        waiting(),
        { kind: 'answer-heard', atMs: now, interfaceName: 'eth0', address: '192.0.2.10', mac: macs[0] ?? '' },
        'backup: mute, answer done',
      ],
      [
        'stops once it has served on',
        { ...waiting({ cause: 'stop', commandId: undefined }), isStopping: true },
        heard({ role: 'active', term: 4 }),
        'backup: mute',
      ],
    ];
    for (const [what, before, event, expected] of rows) {
      it(`it ${what}: ${expected}`, () => {
        assert.equal(outcome(before, event), expected);
      });
    }

    it('remembers that it is in maintenance when it left for it', () => {
      assert.ok(
        step(waiting({ cause: 'maintenance' }), heard({ role: 'active', term: 4 }), lesser)[0].isMaintenance,
      );
    });
  });

  it('and a duel are for a director in office: to any other they do nothing', () => {
    const wish = { cause: 'operator', isForced: false, commandId: 'x' } as const;
    for (const office of [backup(), claiming(), listening]) {
      const before = state(office);
      assert.deepEqual(startHandover(before, wish, now, lesser), [before, []]);
      assert.deepEqual(meet(before, now, lesser), [before, []]);
      const refused = { ok: false, reason: 'no-answer' } as const;
      assert.deepEqual(giveUpHandover(before, pending, refused, now, lesser), [before, []]);
    }
  });

  describe('as the peer wishes', () => {
    const wish = heard({ wantsOffice: true });
    const startedBy = (before: DirectorState, event = wish) => {
      const [after] = step(before, event, lesser);
      return after.office.role === 'active' ? after.office.handover?.cause : undefined;
    };

    it('begins, unless one came to nothing a moment ago', () => {
      assert.equal(startedBy(state(active(), fit)), 'failback');
      assert.equal(startedBy(state(active({ heedsWishAfterMs: now + 1 }), fit)), undefined);
      assert.equal(
        startedBy(state(active(), fit), heard({ wantsOffice: true }, { isProven: false })),
        undefined,
      );
      assert.equal(startedBy(state(active({ handover: pending }), fit)), 'operator');
    });

    it('is wished by the better one after its delay, or on the word of its operator', () => {
      const wishes = (over: Partial<DirectorState>, of: typeof lesser = settings) => {
        const [, effects] = step(state(backup(), { advertiseAtMs: now, ...over }), tick(), of);
        return effects.some((effect) => effect.kind === 'advertise' && effect.advertisement.wantsOffice);
      };
      const lower = { peer: peer({ role: 'active', priority: 50 }) };
      assert.equal(wishes({ ...lower, preferredAtMs: now - 500 }), true);
      assert.equal(wishes({ ...lower, preferredAtMs: now - 499 }), false);
      assert.equal(wishes({ ...lower }), false, 'its time begins now');
      assert.equal(wishes({ preferredAtMs: now - 500 }), false, 'the peer is the better one');
      assert.equal(wishes({ ...lower, preferredAtMs: now - 500 }, lesser), false, 'failback is manual');
      assert.equal(wishes({ takeOver: { commandId: 'x', untilMs: now + 9 } }, lesser), true);
    });

    it('forgets its time when it is fit no longer', () => {
      const preferredAt = (over: Partial<DirectorState>) =>
        step(state(backup(), { preferredAtMs: now - 100, ...over }), tick(), settings)[0].preferredAtMs;
      const lower = peer({ role: 'active', priority: 50 });
      assert.equal(preferredAt({ peer: lower }), now - 100);
      assert.equal(preferredAt({ peer: { ...lower, isProven: false } }), undefined);
      assert.equal(preferredAt({ peer: lower, isMaintenance: true }), undefined);
      assert.equal(preferredAt({ peer: lower, isBehind: true }), undefined);
    });
  });
});
