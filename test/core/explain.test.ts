import assert from 'node:assert/strict';
import { explain, explainRefusal, explainWhy, formatMs, remedyFor } from '../../src/core/explain.ts';
import { type StepRecord } from '../../src/core/record.ts';
import { type CommandRefusal, type DirectorState, type Why } from '../../src/core/state.ts';
import { heard, play, settings, silenceStory } from '../observe/samples.ts';

describe('explain', () => {
  const rows: readonly [Why, string][] = [
    [{ kind: 'started' }, 'the daemon started'],
    [{ kind: 'heard-active-peer' }, 'lvs1 is active'],
    [
      { kind: 'nobody-answered', listenedMs: 1000 },
      'nothing was heard from lvs1 in 1000 ms of listening (dead 300 ms)',
    ],
    [
      { kind: 'silence', silentMs: 301.4, linkCount: 3 },
      'nothing was heard from lvs1 on 3 links for 301 ms (dead 300 ms)',
    ],
    [
      { kind: 'silence', silentMs: 301, linkCount: 1 },
      'nothing was heard from lvs1 on its only link for 301 ms (dead 300 ms)',
    ],
    [{ kind: 'peer-resigned', refusal: 'none' }, 'lvs1 gave the office up'],
    [{ kind: 'peer-resigned', refusal: 'maintenance' }, 'lvs1 gave the office up: it is in maintenance'],
    [{ kind: 'peer-left-office', peerRole: 'backup' }, 'lvs1 left office and is backup now'],
    [
      { kind: 'vacant-and-better', peerPriority: 50 },
      'nobody was active, and priority 100 is higher than the 50 of lvs1',
    ],
    [
      { kind: 'vacant-and-better', peerPriority: 100 },
      'nobody was active, both have priority 100, and lvs2 comes second by name',
    ],
    [
      { kind: 'vacant-too-long', vacantMs: 1300 },
      'nobody was active for 1300 ms, although lvs1 had the first claim',
    ],
    [{ kind: 'handover-taken', isForced: false }, 'lvs1 asked it to take over'],
    [{ kind: 'handover-taken', isForced: true }, 'lvs1 asked it to take over, by force'],
    [
      { kind: 'handed-over', cause: 'stop', tookMs: 7.34 },
      'it handed the addresses to lvs1 within 7.3 ms, because it was told to stop',
    ],
    [{ kind: 'claim-failed', reason: 'no-interface' }, 'the addresses could not be claimed (no-interface)'],
    [
      { kind: 'overslept', lateMs: 512 },
      'it woke 512 ms late (lease 200 ms), so lvs1 may hold the addresses already',
    ],
    [
      { kind: 'lost-duel', rule: 'priority', peerPriority: 150, peerTerm: 3 },
      'both were active, and the 150 of lvs1 is the higher priority (configured here: 100)',
    ],
    [
      { kind: 'lost-duel', rule: 'longer-in-office', peerPriority: 100, peerTerm: 3 },
      'both were active, and lvs1 was in office longer (term 3)',
    ],
    [
      { kind: 'lost-duel', rule: 'node-id', peerPriority: 100, peerTerm: 3 },
      'both were active, and lvs1 comes first by name',
    ],
    [
      { kind: 'lost-duel', rule: 'peer-is-deaf', peerPriority: 100, peerTerm: 3 },
      'both were active, and lvs1 does not hear this director and so will not yield',
    ],
    [
      { kind: 'left-by-force', cause: 'maintenance' },
      'it left office although lvs1 did not take over, because maintenance was asked for',
    ],
    [{ kind: 'stopped' }, 'it was stopped'],
  ];
  for (const [why, clause] of rows) {
    it(`says of ${JSON.stringify(why)} that ${clause}`, () => {
      assert.equal(explainWhy(why, settings), clause);
    });
  }

  it('tells a takeover as a story, step by step', () => {
    const sentences = play(silenceStory).map((record) => explain(record, settings));
    assert.deepEqual(
      sentences.filter((sentence) => sentence !== 'Nothing changed.'),
      [
        'lvs2 started.',
        'lvs2 became backup: lvs1 is active.',
        'lvs1 is heard on private.',
        'lvs2 claims the addresses: nothing was heard from lvs1 on 2 links for 301 ms (dead 300 ms).',
        'lvs2 became active: nothing was heard from lvs1 on 2 links for 301 ms (dead 300 ms).',
      ],
    );
  });

  it('says who asked, and what became of it', () => {
    const [, , command] = play([
      { kind: 'started', atMs: 0, isMaintenance: false },
      heard(10),
      {
        kind: 'command',
        atMs: 20,
        commandId: 'x',
        command: { kind: 'failover', isForced: false },
      },
    ]);
    assert.equal(explain(record(command), settings), 'The operator asked for a failover. It was so already.');
  });

  it('names the address that somebody else removed', () => {
    const active = play(silenceStory).at(-1)?.after;
    const [lost] = play([{ kind: 'address-lost', atMs: 405, address: '192.0.2.10' }], state(active));
    assert.equal(explain(record(lost), settings), 'Somebody else removed 192.0.2.10; it is put back.');
  });

  it('has a clause and a remedy for every refusal', () => {
    const reasons: readonly CommandRefusal[] = [
      'peer-silent',
      'peer-refused',
      'no-answer',
      'nobody-active',
      'starting',
      'stopping',
      'busy',
      'not-eligible',
    ];
    for (const reason of reasons) {
      assert.match(explainRefusal({ reason, refusal: 'maintenance' }, settings), /^[a-z].*[^.]$/);
      assert.match(remedyFor(reason, settings), /^[a-z].*[^.]$/);
    }
    assert.equal(
      explainRefusal({ reason: 'peer-refused', refusal: 'maintenance' }, settings),
      'lvs1 does not take over: it is in maintenance',
    );
  });

  it('writes lengths of time with as many digits as a person reads', () => {
    assert.deepEqual([0.26, 7, 99.94, 300.6, 12_345].map(formatMs), [
      '0.3 ms',
      '7 ms',
      '99.9 ms',
      '301 ms',
      '12.3 s',
    ]);
  });
});

function record(found: StepRecord | undefined): StepRecord {
  assert.ok(found);
  return found;
}

function state(found: DirectorState | undefined): DirectorState {
  assert.ok(found);
  return found;
}
