import assert from 'node:assert/strict';
import fc from 'fast-check';
import { initialState, nextDeadlineMs, step } from '../../src/core/director.ts';
import { explain } from '../../src/core/explain.ts';
import {
  type Advertisement,
  type DirectorEffect,
  type DirectorEvent,
  type DirectorState,
  refusals,
  type Settings,
} from '../../src/core/state.ts';
import { better, lesser } from './states.ts';

const path = {
  name: 'up',
  interfaceName: 'eth0',
  address: '192.0.2.1',
  source: 'wire',
  isRequired: true,
  score: 7,
} as const;
const script = {
  name: 'ready',
  interfaceName: '',
  address: '',
  source: 'reported',
  isRequired: false,
  score: 60,
} as const;

const settingsOf = fc.constantFrom<Settings>(
  better,
  lesser,
  { ...better, canProbe: false, gate: 'address' },
  { ...lesser, paths: [path, script], failback: { kind: 'auto', delayMs: 200 } },
  { ...lesser, contested: { kind: 'claim-after', afterMs: 100 } },
);

const advertisement: fc.Arbitrary<Advertisement> = fc.record(
  {
    role: fc.constantFrom('initialize', 'backup', 'active', 'active'),
    term: fc.integer({ min: 0, max: 9 }),
    priority: fc.constantFrom(0, 1, 100, 150, 254),
    refusal: fc.constantFrom(...refusals, 'none', 'none'),
    isMaintenance: fc.boolean(),
    isResigning: fc.boolean(),
    handoverRequest: fc.constantFrom(0, 0, 1, 2),
    isHandoverForced: fc.boolean(),
    handoverAnswer: fc.constantFrom(0, 1, 2),
    handoverRefusal: fc.constantFrom(...refusals),
    wantsOffice: fc.boolean(),
    hears: fc.constantFrom([true, true], [false, false]),
    pathsOk: fc.array(fc.boolean(), { minLength: 2, maxLength: 4 }),
    configDigest: fc.constantFrom(7, 7, 8),
  },
  { noNullPrototype: true },
);

type Happening = (atMs: number) => DirectorEvent;

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Happening>((atMs) => ({ kind: 'deadline', atMs })) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(advertisement, fc.boolean(), fc.constantFrom(0, 1))
      .map(([said, isProven, link]): Happening => (atMs) => ({
        kind: 'advertisement',
        atMs,
        link,
        isProven,
        advertisement: said,
        macs: ['m'],
      })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom('192.0.2.10', '192.0.2.1', '192.0.2.9'), fc.constantFrom('m', 'other'))
      .map(([address, mac]): Happening => (atMs) => ({
        kind: 'answer-heard',
        atMs,
        interfaceName: 'eth0',
        address,
        mac,
      })),
  },
  fc
    .tuple(fc.constantFrom('eth0', 'eth1'), fc.boolean())
    .map(([interfaceName, isUp]): Happening => (atMs) => ({ kind: 'carrier', atMs, interfaceName, isUp })),
  fc
    .tuple(fc.constantFrom(0, 1, 2), fc.boolean())
    .map(([index, isUp]): Happening => (atMs) => ({ kind: 'path-reported', atMs, index, isUp })),
  fc.constantFrom<Happening>(
    (atMs) => ({ kind: 'wire-flooded', atMs }),
    (atMs) => ({ kind: 'lease-lost', atMs }),
    (atMs) => ({ kind: 'address-lost', atMs, address: '192.0.2.10' }),
    (atMs) => ({ kind: 'command', atMs, commandId: 'x', command: { kind: 'failover', isForced: false } }),
    (atMs) => ({ kind: 'command', atMs, commandId: 'x', command: { kind: 'failover', isForced: true } }),
    (atMs) => ({ kind: 'command', atMs, commandId: 'x', command: { kind: 'take-over' } }),
    (atMs) => ({
      kind: 'command',
      atMs,
      commandId: 'x',
      command: { kind: 'maintenance', isOn: true, isForced: true },
    }),
    (atMs) => ({
      kind: 'command',
      atMs,
      commandId: 'x',
      command: { kind: 'maintenance', isOn: false, isForced: false },
    }),
  ),
  { weight: 1, arbitrary: fc.constant<Happening>((atMs) => ({ kind: 'stop', atMs })) },
);

/** What happens, and after how long. The kernel answers claims, mostly at once. */
const story = fc.array(fc.tuple(happening, fc.constantFrom(0, 1, 4, 20, 25, 50, 120, 400)), {
  maxLength: 60,
});

interface Told {
  readonly before: DirectorState;
  readonly event: DirectorEvent;
  readonly after: DirectorState;
  readonly effects: readonly DirectorEffect[];
}

function tell(happenings: readonly (readonly [Happening, number])[], settings: Settings): readonly Told[] {
  const told: Told[] = [];
  let state = initialState(settings);
  const take = (event: DirectorEvent) => {
    const [after, effects] = step(state, event, settings);
    told.push({ before: state, event, after, effects });
    state = after;
    if (effects.some(({ kind }) => kind === 'claim')) {
      const { atMs } = event;
      take(told.length % 5 === 0 ? { kind: 'claim-failed', atMs, reason: 'no' } : { kind: 'claimed', atMs });
    }
  };
  take({ kind: 'started', atMs: 1000, isMaintenance: false });
  let atMs = 1000;
  for (const [make, afterMs] of happenings) {
    atMs += afterMs;
    // The driver wakes the director on time, but for what is late.
    for (let due = nextDeadlineMs(state, settings); afterMs < 120 && due !== undefined && due < atMs;) {
      take({ kind: 'deadline', atMs: due });
      due = nextDeadlineMs(state, settings);
    }
    take(make(atMs));
  }
  return told;
}

function holds(law: (told: readonly Told[], settings: Settings) => void): void {
  fc.assert(
    fc.property(story, settingsOf, (happenings, settings) => {
      law(tell(happenings, settings), settings);
    }),
    { numRuns: 300 },
  );
}

describe('every story of a director', () => {
  it('is told by the same steps when it is told again, and no step changes what it was given', () => {
    holds((told, settings) => {
      for (const { before, event, after, effects } of told) {
        const frozen = freeze(structuredClone(before));
        assert.deepEqual(step(frozen, freeze(structuredClone(event)), settings), [after, effects]);
      }
    });
  });

  it('never lowers the term, and raises it with every office', () => {
    holds((told) => {
      for (const { before, after } of told) {
        assert.ok(after.term >= before.term);
        if (before.office.role !== 'active' && after.office.role === 'active') {
          assert.ok(after.term > before.term);
        }
      }
    });
  });

  it('claims before it is active, and lets go when it is active no longer', () => {
    holds((told) => {
      let holdsAddresses = false;
      for (const { before, after, effects, event } of told) {
        const [from, to] = [before.office.role, after.office.role];
        holdsAddresses ||= event.kind === 'claimed';
        if (to === 'active' && from !== 'active') {
          assert.equal(from, 'claiming');
        }
        if (effects.some(({ kind }) => kind === 'release')) {
          holdsAddresses = false;
        }
        const isServing = after.office.role === 'backup' && after.office.servesUntilMs !== undefined;
        if (to !== 'active' && to !== 'claiming' && !isServing) {
          assert.equal(holdsAddresses, false, `${from} to ${to} by ${event.kind}`);
        }
      }
    });
  });

  it('is quiet in maintenance unless the peer insists', () => {
    holds((told) => {
      for (const { before, after } of told) {
        if (after.office.role === 'claiming' && before.office.role !== 'claiming' && after.isMaintenance) {
          assert.deepEqual(after.office.why, { kind: 'handover-taken', isForced: true });
        }
      }
    });
  });

  it('believes nothing of a peer that has not proved itself but that it is there', () => {
    holds((told) => {
      for (const { before, after, event } of told) {
        if (event.kind === 'advertisement' && !event.isProven && event.advertisement.role !== 'active') {
          assert.ok(
            before.office.role === after.office.role ||
              after.office.role !== 'claiming' ||
              after.office.why.kind === 'vacant-too-long',
          );
          assert.equal(after.term, before.term);
        }
      }
    });
  });

  it('never asks to be woken in the past, so that time goes on', () => {
    holds((told, settings) => {
      for (const { after, event } of told) {
        const dueMs = nextDeadlineMs(after, settings);
        if (event.kind === 'deadline' && dueMs !== undefined && after.office.role !== 'claiming') {
          assert.ok(dueMs > event.atMs, `${after.office.role} at ${event.atMs} wants ${dueMs}`);
        }
      }
    });
  });

  it('stays as it is under a deadline that comes early', () => {
    holds((told, settings) => {
      for (const { after, event } of told) {
        const dueMs = nextDeadlineMs(after, settings);
        const earlyMs = (event.atMs + (dueMs ?? event.atMs)) / 2;
        if (dueMs !== undefined && dueMs > event.atMs && after.office.role !== 'claiming') {
          const [early, effects] = step(after, { kind: 'deadline', atMs: earlyMs }, settings);
          // A wish to return is forgotten whenever it is seen that the peer fell silent.
          const { preferredAtMs } = early;
          assert.deepEqual([early, effects], [{ ...after, preferredAtMs }, []]);
        }
      }
    });
  });

  it('ends: a director that is told to stop has stopped within two patiences', () => {
    holds((told, settings) => {
      const last = told.at(-1);
      let state = last?.after ?? initialState(settings);
      let atMs = last?.event.atMs ?? 0;
      const take = (event: DirectorEvent) => {
        const [after, effects] = step(state, event, settings);
        state = after;
        if (effects.some(({ kind }) => kind === 'claim')) {
          take({ kind: 'claimed', atMs });
        }
      };
      take({ kind: 'stop', atMs });
      const limitMs = atMs + 2 * 1000 + settings.leaseMs;
      for (
        let due = nextDeadlineMs(state, settings);
        due !== undefined;
        due = nextDeadlineMs(state, settings)
      ) {
        atMs = Math.max(atMs, due);
        assert.ok(atMs <= limitMs, state.office.role);
        take({ kind: 'deadline', atMs });
      }
      assert.equal(state.office.role, 'stopped');
    });
  });

  it('answers every command once', () => {
    holds((told) => {
      let open = 0;
      for (const { event, effects } of told) {
        open += event.kind === 'command' ? 1 : 0;
        open -= effects.filter(({ kind }) => kind === 'answer').length;
        assert.ok(open >= 0);
      }
    });
  });

  it('can be told to a person', () => {
    holds((told, settings) => {
      for (const { before, event, after, effects } of told) {
        const sentence = explain({ before, event, after, effects, number: 1, wallMs: 0 }, settings);
        assert.ok(sentence.endsWith('.') && !sentence.includes('undefined'), sentence);
        assert.ok(before.office.role === after.office.role || sentence !== 'Nothing changed.');
      }
    });
  });
});

function freeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}
