import assert from 'node:assert/strict';
import { fail, ok } from '../../src/core/result.ts';
import { type DirectorEvent } from '../../src/core/state.ts';
import { createPerformer, type EffectPorts } from '../../src/pulse/perform.ts';

function performer(overrides: Partial<EffectPorts>) {
  const events: DirectorEvent[] = [];
  const done: string[] = [];
  const note = (what: string) => () => {
    done.push(what);
    return ok(undefined);
  };
  const perform = createPerformer(
    {
      nowMs: () => 7,
      sendAdvertisement: note('advertise'),
      claim: note('claim'),
      renew: note('renew'),
      mute: note('mute'),
      release: note('release'),
      announce: note('announce'),
      probe: note('probe'),
      answer: note('answer'),
      stop: note('stop'),
      onTrouble: (what, { reason }) => done.push(`${what}: ${reason}`),
      ...overrides,
    },
    (event) => events.push(event),
  );
  return { perform, events, done };
}

describe('performer', () => {
  it('reports a claim that succeeded at once, as an event', () => {
    const { perform, events } = performer({});
    perform({ kind: 'claim' });
    assert.deepEqual(events, [{ kind: 'claimed', atMs: 7 }]);
  });

  it('reports a claim that failed with the words of the kernel', () => {
    const { perform, events } = performer({ claim: () => fail('refused', 'no such interface') });
    perform({ kind: 'claim' });
    assert.deepEqual(events, [{ kind: 'claim-failed', atMs: 7, reason: 'no such interface' }]);
  });

  it('does one thing after the other on the addresses when they take time', async () => {
    let finishClaim: () => void = () => undefined;
    const claiming = new Promise<void>((resolve) => {
      finishClaim = resolve;
    });
    const { perform, events, done } = performer({ claim: () => claiming.then(() => ok(undefined)) });
    perform({ kind: 'claim' });
    perform({ kind: 'release' });
    perform({ kind: 'advertise', advertisement: undefined as never });
    assert.deepEqual(done, ['advertise'], 'heartbeats never wait');
    const released = new Promise<void>((resolve) => {
      perform({ kind: 'stop' });
      void claiming.then(() => setImmediate(resolve));
    });
    finishClaim();
    await released;
    assert.deepEqual(events, [{ kind: 'claimed', atMs: 7 }]);
    assert.deepEqual(done, ['advertise', 'release', 'stop']);
  });

  it('tells of trouble that no decision hangs on', () => {
    const { perform, events, done } = performer({ renew: () => fail('refused') });
    perform({ kind: 'renew' });
    assert.deepEqual(events, []);
    assert.deepEqual(done, ['renew: refused']);
  });
});
