import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { initialState } from '../../src/core/director.ts';
import { advertisementOf } from '../../src/core/advertise.ts';
import { pairSettings } from '../../src/simulation/settings.ts';
import { admit, admitNote, type NewestNote, type Session } from '../../src/wire/admission.ts';
import {
  activeRoleByte,
  formatHeartbeat,
  heartbeatBytes,
  magic,
  magicOffset,
  pairIdOf,
  parseHeartbeat,
  version,
  type Heartbeat,
} from '../../src/wire/heartbeat.ts';
import { createKey } from '../../src/wire/key.ts';
import { fitsNote, formatNote, isNote, parseNote, type Note } from '../../src/wire/note.ts';

const key = createKey(
  7,
  Uint8Array.from({ length: 32 }, (_, index) => index),
);
const otherKey = createKey(
  8,
  Uint8Array.from({ length: 32 }, (_, index) => 255 - index),
);
const keys = { send: key, accept: [otherKey, key] };
const pairId = pairIdOf('edge');
const expectation = { pairId, ownNodeId: 2, mayAuthenticate: () => true };

const golden: Note = {
  pairId,
  nodeId: 1,
  keyId: 7,
  bootId: 0x0199_0000_0001_beefn,
  receiverBootId: 0x0199_0000_0002_cafen,
  tick: 0x0102_0304_0506,
  text: '10.0.0.7:80 is down – Grüße',
};

/** Made by this program once, then read against the layout by hand. It changes only with the version. */
const goldenHex =
  '7669706e01000107a1cb100f57e971ca' +
  '019900000001beef019900000002cafe010203040506001f' +
  '31302e302e302e373a383020697320646f776e20e28093204772c3bcc39f65' +
  'cda8d21845d71e864d70160a7d6b0e47';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 256 }),
  fc.string({ unit: 'grapheme-ascii', minLength: 1000, maxLength: 1024 }),
);
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const notes: fc.Arbitrary<Note> = fc.record(
  {
    pairId: fc.constant(pairId),
    nodeId: fc.constant(1),
    keyId: fc.constant(7),
    bootId: uint64,
    receiverBootId: uint64,
    tick: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    text,
  },
  { noNullPrototype: true },
);

function reasonOf(datagram: Uint8Array, expected = expectation): string {
  const parsed = parseNote(datagram, keys, expected);
  return parsed.ok ? 'ok' : parsed.reason;
}

/** Signs what only somebody who has the key can. */
function signed(body: Uint8Array): Buffer {
  return Buffer.concat([body, createHmac('sha256', key.secret).update(body).digest().subarray(0, 16)]);
}

function resigned(change: (bytes: Buffer) => void, note = golden): Buffer {
  const body = Buffer.from(formatNote(note, key)).subarray(0, -16);
  change(body);
  return signed(body);
}

/** An active heartbeat of node 1. */
const { a } = pairSettings();
const heartbeat: Heartbeat = {
  pairId,
  nodeId: 1,
  keyId: 7,
  bootId: golden.bootId,
  sequence: golden.tick,
  link: 0,
  intervalMs: 50,
  leaseMs: 200,
  deadMs: 300,
  advertisement: { ...advertisementOf(initialState(a), 0, a), role: 'active' },
  acknowledged: undefined,
  floatingMacs: [],
  sentAtUs: 0,
};

describe('note', () => {
  it('has the bytes that the layout says', () => {
    assert.equal(Buffer.from(formatNote(golden, key)).toString('hex'), goldenHex);
  });

  it('reads the golden datagram', () => {
    const parsed = parseNote(Buffer.from(goldenHex, 'hex'), keys, expectation);
    assert.deepEqual(parsed, { ok: true, value: golden });
  });

  it('reads what was written, whatever the values', () => {
    fc.assert(
      fc.property(
        notes.filter((note) => fitsNote(note.text)),
        (note) => {
          const datagram = formatNote(note, key);
          assert.ok(isNote(datagram));
          assert.deepEqual(parseNote(datagram, keys, expectation), { ok: true, value: note });
        },
      ),
    );
  });

  it('carries 1024 bytes of text and not one more, however few letters they are', () => {
    const longest = { ...golden, text: 'é'.repeat(512) };
    const datagram = formatNote(longest, key);
    assert.deepEqual(parseNote(datagram, keys, expectation), { ok: true, value: longest });
    // IPv6 and UDP headers and the least MTU of IPv6: such a note is never in pieces.
    assert.ok(datagram.length + 40 + 8 <= 1280);
    assert.ok(!fitsNote(`${longest.text}!`));
    assert.throws(() => formatNote({ ...golden, text: `${longest.text}!` }, key), RangeError);
  });

  it('can be empty', () => {
    const empty = { ...golden, text: '' };
    assert.deepEqual(parseNote(formatNote(empty, key), keys, expectation), { ok: true, value: empty });
  });

  it('refuses every flip of a single bit', () => {
    const datagram = formatNote(golden, key);
    for (let bit = 0; bit < datagram.length * 8; bit += 1) {
      const flipped = Uint8Array.from(datagram);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      assert.notEqual(reasonOf(flipped), 'ok', `bit ${bit}`);
    }
  });

  it('refuses every truncation and every extension', () => {
    const datagram = formatNote(golden, key);
    for (let length = 0; length < datagram.length; length += 1) {
      assert.equal(reasonOf(datagram.subarray(0, length)), 'wrong-size', `length ${length}`);
    }
    assert.equal(reasonOf(Buffer.concat([datagram, Buffer.alloc(1)])), 'wrong-size');
  });

  it('never throws, whatever the bytes are', () => {
    const head = fc.constantFrom(Buffer.alloc(0), Buffer.from(formatNote(golden, key)).subarray(0, 16));
    fc.assert(
      fc.property(head, fc.uint8Array({ maxLength: 1200 }), (begin, bytes) => {
        assert.notEqual(reasonOf(Buffer.concat([begin, bytes])), 'ok');
      }),
    );
  });

  it('never throws on what a faulty holder of the key may sign', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 22, maxLength: 22 }), fc.uint8Array(), (fields, bytes) => {
        const begin = Buffer.from(formatNote(golden, key)).subarray(0, 16);
        const length = Buffer.from([bytes.length >> 8, bytes.length & 255]);
        const reason = reasonOf(signed(Buffer.concat([begin, fields, length, bytes])));
        assert.ok(['ok', 'malformed'].includes(reason), reason);
      }),
    );
  });

  it('names the reason of a refusal', () => {
    const rows: [string, Uint8Array][] = [
      ['wrong-size', Buffer.alloc(0)],
      ['wrong-magic', Buffer.alloc(100)],
      ['wrong-version', resigned((bytes) => bytes.writeUInt8(2, 4))],
      ['wrong-size', resigned((bytes) => bytes.writeUInt16BE(0xffff, 38))],
      [
        'wrong-size',
        signed(
          Buffer.concat([
            resigned((bytes) => bytes.writeUInt16BE(1025, 38)).subarray(0, 40),
            Buffer.alloc(1025),
          ]),
        ),
      ],
      ['wrong-pair', formatNote({ ...golden, pairId: pairIdOf('core') }, key)],
      ['unknown-key', formatNote(golden, createKey(9, Buffer.alloc(32)))],
      ['bad-authentication', formatNote(golden, createKey(7, Buffer.alloc(32)))],
      ['from-self', formatNote({ ...golden, nodeId: 2 }, key)],
      ['malformed', resigned((bytes) => bytes.writeUInt8(activeRoleByte, 5))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(0, 6))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(3, 6))],
      // A byte that begins no letter, half a letter, a letter in more bytes than it takes, half a pair.
      ...['80', 'c3', 'c080', 'eda080'].map((hex): [string, Uint8Array] => [
        'malformed',
        resigned((bytes) => bytes.write(hex, 40, 'hex'), { ...golden, text: '.'.repeat(hex.length / 2) }),
      ]),
      ['ok', resigned(() => undefined)],
    ];
    for (const [index, [reason, datagram]] of rows.entries()) {
      assert.equal(reasonOf(datagram), reason, `row ${index}`);
    }
  });

  it('accepts either of two keys, so that they can be exchanged', () => {
    const parsed = parseNote(formatNote(golden, otherKey), keys, expectation);
    assert.deepEqual(parsed, { ok: true, value: { ...golden, keyId: 8 } });
  });

  it('asks whether it may before it authenticates, and not for what is of another pair or key anyway', () => {
    const asked = (datagram: Uint8Array) => {
      let times = 0;
      const mayAuthenticate = () => {
        times += 1;
        return false;
      };
      return [reasonOf(datagram, { ...expectation, mayAuthenticate }), times];
    };
    assert.deepEqual(asked(formatNote(golden, key)), ['too-many', 1]);
    assert.deepEqual(asked(formatNote({ ...golden, pairId: pairIdOf('core') }, key)), ['wrong-pair', 0]);
    assert.deepEqual(asked(formatNote(golden, createKey(9, Buffer.alloc(32)))), ['unknown-key', 0]);
  });

  it('throws at a value that does not fit, for that is a bug', () => {
    for (const wrong of [{ nodeId: 3 }, { tick: 2 ** 48 }, { tick: -1 }, { bootId: -1n }]) {
      assert.throws(() => formatNote({ ...golden, ...wrong }, key), RangeError);
    }
  });
});

describe('a note and a heartbeat', () => {
  /** What the gate looks for in a datagram, see gate-ruleset.ts. */
  const renewing = Buffer.from([...magic, version, activeRoleByte]);

  it('are never mistaken for each other by the gate of the kernel', () => {
    fc.assert(
      fc.property(
        notes.filter((note) => fitsNote(note.text)),
        (note) => {
          const begin = Buffer.from(formatNote(note, key)).subarray(
            magicOffset,
            magicOffset + renewing.length,
          );
          // Neither in what names the kind, nor in where a heartbeat says that it is active.
          assert.notDeepEqual(begin.subarray(0, 4), renewing.subarray(0, 4));
          assert.notEqual(begin[5], renewing[5]);
        },
      ),
    );
    const begin = Buffer.from(formatHeartbeat(heartbeat, key)).subarray(0, renewing.length);
    assert.deepEqual(begin, renewing, 'an active heartbeat is what the gate looks for');
  });

  it('are never mistaken for each other by a director', () => {
    assert.equal(isNote(formatHeartbeat(heartbeat, key)), false);
    assert.equal(reasonOf(formatHeartbeat(heartbeat, key)), 'wrong-magic');
    const parsed = parseHeartbeat(formatNote(golden, key), keys, expectation);
    assert.equal(!parsed.ok && parsed.reason, 'wrong-magic');
  });

  it('cannot be made of each other without the key: the magic is signed', () => {
    const note = Buffer.from(formatNote({ ...golden, text: 'x'.repeat(heartbeatBytes - 56) }, key));
    assert.equal(note.length, heartbeatBytes);
    note.set(magic, magicOffset);
    const asHeartbeat = parseHeartbeat(note, keys, expectation);
    assert.equal(!asHeartbeat.ok && asHeartbeat.reason, 'bad-authentication');

    // A heartbeat whose bytes at 38 happen to be the length of a text of its size.
    const sequence = (heartbeatBytes - 56) * 2 ** 32;
    const bytes = Buffer.from(formatHeartbeat({ ...heartbeat, sequence }, key));
    bytes.set(formatNote(golden, key).subarray(0, 4), magicOffset);
    assert.equal(reasonOf(bytes), 'bad-authentication');
  });
});

describe('admission of notes', () => {
  const own = { bootId: golden.receiverBootId, sequence: 1000 };

  /** What is known after these heartbeats, each with an echo that proves it or without. */
  function heard(
    ...story: readonly { bootId: bigint; sequence: number; isProven: boolean }[]
  ): Session | undefined {
    let session: Session | undefined;
    for (const { bootId, sequence, isProven } of story) {
      const echo = { ...own, link: 0, sentAtUs: 0, heldUs: 0 };
      const acknowledged = isProven ? echo : undefined;
      const admission = admit(session, { ...heartbeat, bootId, sequence, acknowledged }, 0, own);
      assert.ok(admission.verdict.ok);
      ({ session } = admission);
    }
    return session;
  }

  /** What each note is judged to be, in this order. */
  function verdicts(session: Session | undefined, ...story: readonly Partial<Note>[]): string[] {
    let newest: NewestNote | undefined;
    return story.map((part) => {
      const note = { ...golden, ...part };
      const verdict = admitNote(session, newest, note, own.bootId);
      if (!verdict.ok) {
        return verdict.reason;
      }
      newest = verdict.value.isCopy ? newest : note;
      return verdict.value.isCopy ? 'copy' : 'new';
    });
  }

  it('takes each once, and none that is older than one it took', () => {
    const session = heard({ bootId: 5n, sequence: 10, isProven: true });
    const story = [10, 10, 12, 11, 10, 12, 13].map((tick) => ({ bootId: 5n, tick }));
    assert.deepEqual(verdicts(session, ...story), [
      'new',
      'copy',
      'new',
      'replayed',
      'replayed',
      'copy',
      'new',
    ]);
  });

  it('takes one that comes before the heartbeat it left with', () => {
    const session = heard({ bootId: 5n, sequence: 10, isProven: true });
    assert.deepEqual(verdicts(session, { bootId: 5n, tick: 11 }), ['new']);
  });

  it('takes none that was held back for a whole window of heartbeats, however new it is', () => {
    const session = heard({ bootId: 5n, sequence: 100, isProven: true });
    const story = [36, 37].map((tick) => ({ bootId: 5n, tick }));
    assert.deepEqual(verdicts(session, ...story), ['replayed', 'new']);
  });

  it('takes only those of the boot that heartbeats have proven', () => {
    const note = { bootId: 5n, tick: 11 };
    assert.deepEqual(verdicts(undefined, note), ['unproven']);
    assert.deepEqual(verdicts(heard({ bootId: 5n, sequence: 10, isProven: false }), note), ['unproven']);
    const displaced = heard(
      { bootId: 5n, sequence: 10, isProven: true },
      { bootId: 6n, sequence: 1, isProven: true },
    );
    assert.deepEqual(verdicts(displaced, note, { bootId: 6n, tick: 1 }), ['unproven', 'new']);
  });

  it('begins anew with another boot of the peer', () => {
    const before = heard({ bootId: 5n, sequence: 10, isProven: true });
    const after = heard({ bootId: 4n, sequence: 2, isProven: true });
    assert.deepEqual(verdicts(before, { bootId: 5n, tick: 10 }), ['new']);
    const verdict = admitNote(
      after,
      { bootId: 5n, tick: 10 },
      { ...golden, bootId: 4n, tick: 2 },
      own.bootId,
    );
    assert.deepEqual(verdict, { ok: true, value: { isCopy: false } });
  });

  it('takes none that was meant for an earlier boot of the receiver, whose memory is gone', () => {
    const session = heard({ bootId: 5n, sequence: 10, isProven: true });
    const recorded = { bootId: 5n, tick: 10, receiverBootId: own.bootId - 1n };
    assert.deepEqual(verdicts(session, recorded), ['other-receiver']);
  });
});
