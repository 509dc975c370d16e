import assert from 'node:assert/strict';
import fc from 'fast-check';
import { admit, newBootId, type Session } from '../../src/wire/admission.ts';
import { type Acknowledgement, type Heartbeat } from '../../src/wire/heartbeat.ts';

const own = { bootId: 500n, sequence: 1000 };
const links = 2;

/** An echo of our latest tick unless told otherwise. */
function echo(sequence = own.sequence, bootId = own.bootId): Acknowledgement {
  return { bootId, sequence, link: 0, sentAtUs: 0, heldUs: 0 };
}

function heartbeat(
  bootId: bigint,
  sequence: number,
  { link = 0, acknowledged = undefined as Acknowledgement | undefined } = {},
): Heartbeat {
  return {
    pairId: 1n,
    nodeId: 1,
    keyId: 1,
    bootId,
    sequence,
    link,
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
    acknowledged,
    floatingMacs: [],
    sentAtUs: 0,
  };
}

/** What each heartbeat of a story is judged to be. */
function verdicts(story: readonly (Heartbeat | readonly [Heartbeat, number])[]): string[] {
  let session: Session | undefined;
  return story.map((line) => {
    const [heard, arrivedOnLink] = 'link' in line ? [line, line.link] : line;
    const admission = admit(session, heard, arrivedOnLink, own);
    if (!admission.verdict.ok) {
      assert.equal(admission.session, session, 'a refusal changes nothing');
      return admission.verdict.reason;
    }
    session = admission.session;
    const { isProven, isLatest } = admission.verdict.value;
    return `${isProven ? 'proven' : 'unproven'}${isLatest ? '' : ', older'}`;
  });
}

describe('admission', () => {
  it('refuses what arrives on another link than it was sent on', () => {
    assert.deepEqual(verdicts([[heartbeat(1n, 1, { link: 0 }), 1]]), ['wrong-link']);
  });

  it('admits each heartbeat once per link', () => {
    const story = [
      heartbeat(1n, 1),
      heartbeat(1n, 1),
      heartbeat(1n, 1, { link: 1 }),
      heartbeat(1n, 1, { link: 1 }),
    ];
    assert.deepEqual(verdicts(story), ['unproven', 'replayed', 'unproven', 'replayed']);
  });

  it('admits what is late by less than the window, and says that it is older', () => {
    const story = [100, 37, 36, 99, 98, 99, 100].map((sequence) => heartbeat(1n, sequence));
    assert.deepEqual(verdicts(story), [
      'unproven',
      'unproven, older',
      'replayed',
      'unproven, older',
      'unproven, older',
      'replayed',
      'replayed',
    ]);
  });

  it('forgets the whole window after a leap, and nothing behind it comes back', () => {
    const story = [1, 2 ** 47, 2 ** 47 - 64, 2 ** 47 - 63, 1].map((sequence) => heartbeat(1n, sequence));
    assert.deepEqual(verdicts(story), ['unproven', 'unproven', 'replayed', 'unproven, older', 'replayed']);
  });

  it('refuses a recording of a silent link while the other one speaks', () => {
    const story = [
      heartbeat(1n, 500, { link: 0, acknowledged: echo() }),
      heartbeat(1n, 436, { link: 1 }),
      heartbeat(1n, 437, { link: 1 }),
    ];
    assert.deepEqual(verdicts(story), ['proven', 'replayed', 'proven, older']);
  });

  it('takes a boot for proven once it echoes a recent tick of this boot', () => {
    const rows: [Acknowledgement | undefined, string][] = [
      [undefined, 'unproven'],
      [echo(1000), 'proven'],
      [echo(937), 'proven'],
      [echo(936), 'unproven'],
      [echo(1001), 'unproven'],
      [echo(1000, 499n), 'unproven'],
    ];
    for (const [acknowledged, verdict] of rows) {
      assert.deepEqual(verdicts([heartbeat(1n, 1, { acknowledged })]), [verdict]);
    }
  });

  it('leaves a proven boot proven when its echoes end', () => {
    const story = [heartbeat(1n, 1), heartbeat(1n, 2, { acknowledged: echo() }), heartbeat(1n, 3)];
    assert.deepEqual(verdicts(story), ['unproven', 'proven', 'proven']);
  });

  it('takes a later boot as a sign of life, and the earlier one no more once that is proven', () => {
    const story = [
      heartbeat(10n, 100, { acknowledged: echo() }),
      heartbeat(11n, 1),
      heartbeat(10n, 101),
      heartbeat(11n, 2, { acknowledged: echo() }),
      heartbeat(10n, 102, { acknowledged: echo() }),
      heartbeat(11n, 3),
    ];
    assert.deepEqual(verdicts(story), ['proven', 'unproven', 'proven', 'proven', 'replayed', 'proven']);
  });

  it('believes a boot that proves itself though the clock of the peer has gone back', () => {
    const story = [
      heartbeat(10n, 100, { acknowledged: echo() }),
      heartbeat(9n, 1),
      heartbeat(9n, 2, { acknowledged: echo() }),
      heartbeat(10n, 103, { acknowledged: echo() }),
      heartbeat(10n, 104),
    ];
    assert.deepEqual(verdicts(story), ['proven', 'replayed', 'proven', 'replayed', 'replayed']);
  });

  it('does not let a replayed boot with a greater id displace the one that lives', () => {
    const story = [
      heartbeat(10n, 100, { acknowledged: echo() }),
      heartbeat(99n, 7),
      heartbeat(10n, 101),
      heartbeat(99n, 7),
      heartbeat(99n, 8),
      heartbeat(10n, 100),
    ];
    assert.deepEqual(verdicts(story), ['proven', 'unproven', 'proven', 'replayed', 'unproven', 'replayed']);
  });

  it('remembers what it heard of an unproven boot when another one is proven', () => {
    const story = [
      heartbeat(10n, 100, { acknowledged: echo() }),
      heartbeat(99n, 7),
      heartbeat(11n, 1, { acknowledged: echo() }),
      heartbeat(99n, 7),
      heartbeat(99n, 8),
    ];
    assert.deepEqual(verdicts(story), ['proven', 'unproven', 'proven', 'replayed', 'unproven']);
  });

  it('admits nothing twice and no dead boot after a live one, whatever is recorded and sent again', () => {
    // The peer starts anew now and then, with any boot id. Each of its ticks goes out on both links and may
    // be lost; whatever ever went out may be sent again at any time.
    const action = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ kind: fc.constant('tick' as const), heard: fc.integer({ min: 0, max: 3 }) }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant('replay' as const),
          pick: fc.nat(),
          link: fc.nat(links - 1),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('restart' as const),
          bootId: fc.integer({ min: 0, max: 1e6 }),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
        const sent: Heartbeat[] = [];
        const admitted = new Set<Heartbeat>();
        const usedBootIds = new Set([1n]);
        let bootId = 1n;
        let sequence = 0;
        let ownSequence = 0;
        let lastHeard: number | undefined;
        let provenLive = false;
        let session: Session | undefined;

        const hear = (heard: Heartbeat, link: number): void => {
          const admission = admit(session, heard, link, { bootId: own.bootId, sequence: ownSequence });
          session = admission.session;
          if (!admission.verdict.ok) {
            return;
          }
          assert.ok(!admitted.has(heard), 'admitted twice');
          assert.equal(heard.link, link);
          admitted.add(heard);
          if (provenLive && admission.verdict.value.isProven) {
            assert.equal(heard.bootId, bootId, 'an ended boot is obeyed after the living one was proven');
          }
          provenLive ||= heard.bootId === bootId && admission.verdict.value.isProven;
        };

        for (const step of actions) {
          switch (step.kind) {
            case 'tick': {
              ownSequence += 1;
              sequence += 1;
              // The peer hears us on every other tick.
              lastHeard = ownSequence % 2 === 0 ? ownSequence : lastHeard;
              const acknowledged = lastHeard === undefined ? undefined : echo(lastHeard);
              for (let link = 0; link < links; link += 1) {
                const tick = heartbeat(bootId, sequence, { link, acknowledged });
                sent.push(tick);
                if ((step.heard >> link) & 1) {
                  hear(tick, link);
                }
              }
              break;
            }
            case 'replay': {
              const replayed = sent[step.pick % Math.max(1, sent.length)];
              if (replayed !== undefined) {
                hear(replayed, step.link);
              }
              break;
            }
            case 'restart': {
              const next = BigInt(step.bootId);
              if (!usedBootIds.has(next)) {
                usedBootIds.add(next);
                bootId = next;
                sequence = 0;
                lastHeard = undefined;
                provenLive = false;
              }
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('boot id', () => {
  it('orders by start, then by chance', () => {
    assert.equal(newBootId(1, 0xffff), 0x1_ffffn);
    assert.equal(newBootId(1_700_000_000_000.9, 0x1234), (1_700_000_000_000n << 16n) | 0x1234n);
    assert.ok(newBootId(2, 0) > newBootId(1, 0xffff));
    assert.ok(newBootId(2 ** 48 - 1, 0xffff) < 2n ** 64n);
  });
});
