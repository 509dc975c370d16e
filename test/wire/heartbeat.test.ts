import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { refusals } from '../../src/core/state.ts';
import {
  activeRoleByte,
  formatHeartbeat,
  heartbeatBytes,
  magic,
  magicOffset,
  pairIdOf,
  parseHeartbeat,
  roleOffset,
  versionOffset,
  type Heartbeat,
} from '../../src/wire/heartbeat.ts';
import { createKey, parseKeyFile } from '../../src/wire/key.ts';

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
const expectation = { pairId, ownNodeId: 2 };

const golden: Heartbeat = {
  pairId,
  nodeId: 1,
  keyId: 7,
  bootId: 0x0199_0000_0001_beefn,
  sequence: 0x0102_0304_0506,
  link: 2,
  intervalMs: 50,
  leaseMs: 200,
  deadMs: 300.5,
  advertisement: {
    role: 'active',
    term: 42,
    priority: 150,
    refusal: 'none',
    isMaintenance: false,
    isResigning: true,
    handoverRequest: 3,
    isHandoverForced: false,
    handoverAnswer: 9,
    handoverRefusal: 'path-down',
    wantsOffice: true,
    hears: [true, false, true],
    pathsOk: [false, true],
    configDigest: 0xdeadbeef,
  },
  acknowledged: { bootId: 0x0198n, sequence: 77, link: 2, sentAtUs: 5_000_000_123, heldUs: 31_000 },
  floatingMacs: ['02:00:00:00:00:01', '02:00:00:00:00:02'],
  sentAtUs: 1_234_567_890,
};

/** Made by this program once, then read against the layout by hand. It changes only with the version. */
const goldenHex =
  '7669707201020107a1cb100f57e971ca' +
  '021a96000309030305020002deadbeef' +
  '00000000002a0102030405060000c35000030d40000495d4019900000001beef' +
  '00000000499602d2000000000000019800000000004d0202000000012a05f27b00007918' +
  '020000000001020000000002000000000000000000000000000000000000000000000000000000000000000000000000' +
  '064e10a72cbac264f217f1413c1c87c2';

const uint48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const byte = fc.integer({ min: 0, max: 255 });
const microseconds = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const durationMs = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((us) => us / 1000);
const refusal = fc.constantFrom(...refusals);
const mac = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((bytes) => Array.from(bytes, (octet) => octet.toString(16).padStart(2, '0')).join(':'));
const plain = { noNullPrototype: true } as const;
const heartbeats: fc.Arbitrary<Heartbeat> = fc.record(
  {
    pairId: fc.constant(pairId),
    nodeId: fc.constant(1),
    keyId: fc.constant(7),
    bootId: uint64,
    sequence: uint48,
    link: fc.integer({ min: 0, max: 7 }),
    intervalMs: durationMs,
    leaseMs: durationMs,
    deadMs: durationMs,
    advertisement: fc.record(
      {
        role: fc.constantFrom('initialize', 'backup', 'active'),
        term: uint48,
        priority: fc.integer({ min: 0, max: 254 }),
        refusal,
        isMaintenance: fc.boolean(),
        isResigning: fc.boolean(),
        handoverRequest: byte,
        isHandoverForced: fc.boolean(),
        handoverAnswer: byte,
        handoverRefusal: refusal,
        wantsOffice: fc.boolean(),
        hears: fc.array(fc.boolean(), { maxLength: 8 }),
        pathsOk: fc.array(fc.boolean(), { maxLength: 16 }),
        configDigest: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      },
      plain,
    ),
    acknowledged: fc.option(
      fc.record(
        {
          bootId: uint64,
          sequence: uint48,
          link: fc.integer({ min: 0, max: 7 }),
          sentAtUs: microseconds,
          heldUs: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        },
        plain,
      ),
      { nil: undefined },
    ),
    floatingMacs: fc.array(mac, { maxLength: 8 }),
    sentAtUs: microseconds,
  },
  plain,
);

function reasonOf(datagram: Uint8Array, expected = expectation): string {
  const parsed = parseHeartbeat(datagram, keys, expected);
  return parsed.ok ? 'ok' : parsed.reason;
}

/** Changes a datagram as only somebody who has the key can. */
function resigned(change: (bytes: Buffer) => void): Uint8Array {
  const forged = Buffer.from(formatHeartbeat(golden, key));
  change(forged);
  const body = forged.subarray(0, heartbeatBytes - 16);
  forged.set(createHmac('sha256', key.secret).update(body).digest().subarray(0, 16), heartbeatBytes - 16);
  return forged;
}

describe('heartbeat', () => {
  it('has the bytes that the layout says', () => {
    assert.equal(Buffer.from(formatHeartbeat(golden, key)).toString('hex'), goldenHex);
  });

  it('reads the golden datagram', () => {
    assert.deepEqual(parseHeartbeat(Buffer.from(goldenHex, 'hex'), keys, expectation), {
      ok: true,
      value: golden,
    });
  });

  it('keeps magic, version and role where the gate of the kernel looks for them', () => {
    const datagram = formatHeartbeat(golden, key);
    assert.deepEqual([...datagram.subarray(magicOffset, magicOffset + 4)], magic);
    assert.equal(datagram[versionOffset], 1);
    assert.equal(datagram[roleOffset], activeRoleByte);
  });

  it('reads what was written, whatever the values', () => {
    fc.assert(
      fc.property(heartbeats, (heartbeat) => {
        const datagram = formatHeartbeat(heartbeat, key);
        assert.equal(datagram.length, heartbeatBytes);
        assert.deepEqual(parseHeartbeat(datagram, keys, expectation), { ok: true, value: heartbeat });
      }),
    );
  });

  it('refuses every flip of a single bit', () => {
    const datagram = formatHeartbeat(golden, key);
    for (let bit = 0; bit < heartbeatBytes * 8; bit += 1) {
      const flipped = Uint8Array.from(datagram);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      assert.notEqual(reasonOf(flipped), 'ok', `bit ${bit}`);
    }
  });

  it('refuses every truncation and every extension', () => {
    const datagram = formatHeartbeat(golden, key);
    for (let length = 0; length < heartbeatBytes; length += 1) {
      assert.equal(reasonOf(datagram.subarray(0, length)), 'wrong-size', `length ${length}`);
    }
    assert.equal(reasonOf(Buffer.concat([datagram, Buffer.alloc(1)])), 'wrong-size');
  });

  it('never throws, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        assert.notEqual(reasonOf(bytes), 'ok');
      }),
    );
  });

  it('never throws on what a faulty holder of the key may sign', () => {
    const bytesOfFields = fc.uint8Array({ minLength: 132, maxLength: 132 });
    fc.assert(
      fc.property(bytesOfFields, fc.array(fc.nat({ max: 131 })), (bytes, blanks) => {
        blanks.forEach((index) => (bytes[index] = 0));
        const reason = reasonOf(
          resigned((datagram) => {
            datagram.set(bytes, 16);
          }),
        );
        assert.ok(['ok', 'malformed'].includes(reason), reason);
      }),
    );
  });

  it('names the reason of a refusal', () => {
    const rows: [string, Uint8Array][] = [
      ['wrong-size', Buffer.alloc(0)],
      ['wrong-magic', Buffer.alloc(heartbeatBytes)],
      ['wrong-version', resigned((bytes) => bytes.writeUInt8(2, 4))],
      ['wrong-version', Buffer.concat([resigned((bytes) => bytes.writeUInt8(2, 4)), Buffer.alloc(8)])],
      ['wrong-pair', formatHeartbeat({ ...golden, pairId: pairIdOf('core') }, key)],
      ['unknown-key', formatHeartbeat(golden, createKey(9, Buffer.alloc(32)))],
      ['bad-authentication', formatHeartbeat(golden, createKey(7, Buffer.alloc(32)))],
      ['from-self', formatHeartbeat({ ...golden, nodeId: 2 }, key)],
      ['malformed', resigned((bytes) => bytes.writeUInt8(3, 5))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(0, 6))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(8, 16))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(0x20, 17))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(255, 18))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(refusals.length, 19))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(refusals.length, 22))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(0xff, 24))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(17, 25))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(0xff, 64))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(0, 17))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(9, 87))],
      ['malformed', resigned((bytes) => bytes.writeUInt8(1, 147))],
      ['ok', resigned(() => undefined)],
    ];
    for (const [index, [reason, datagram]] of rows.entries()) {
      assert.equal(reasonOf(datagram), reason, `row ${index}`);
    }
  });

  it('accepts either of two keys, so that they can be exchanged', () => {
    const parsed = parseHeartbeat(formatHeartbeat(golden, otherKey), keys, expectation);
    assert.deepEqual(parsed, { ok: true, value: { ...golden, keyId: 8 } });
  });

  it('throws at a value that does not fit, for that is a bug', () => {
    const wrong: Heartbeat[] = [
      { ...golden, nodeId: 3 },
      { ...golden, link: 8 },
      { ...golden, floatingMacs: ['02:00'] },
      { ...golden, floatingMacs: new Array<string>(9).fill('02:00:00:00:00:01') },
      { ...golden, advertisement: { ...golden.advertisement, priority: 255 } },
      { ...golden, advertisement: { ...golden.advertisement, hears: new Array<boolean>(9).fill(false) } },
      { ...golden, advertisement: { ...golden.advertisement, pathsOk: new Array<boolean>(17).fill(false) } },
    ];
    for (const heartbeat of wrong) {
      assert.throws(() => formatHeartbeat(heartbeat, key), RangeError);
    }
  });
});

describe('key file', () => {
  const hex = '00112233445566778899aabbccddeeff'.repeat(2);

  it('gives the first key to send with and both to accept', () => {
    const parsed = parseKeyFile(`# made in May\n\n12 ${hex}\r\n  3\t${hex.toUpperCase()}ff\n`);
    assert.ok(parsed.ok);
    assert.equal(parsed.value.send.id, 12);
    assert.deepEqual(
      parsed.value.accept.map(({ id, secret }) => [id, secret.export().toString('hex')]),
      [
        [12, hex],
        [3, `${hex}ff`],
      ],
    );
  });

  it('names the line and the reason, never the key', () => {
    const rows: [string, string, RegExp][] = [
      ['', 'no-key', /no line/],
      ['# nothing\n', 'no-key', /no line/],
      [hex, 'malformed-line', /line 1/],
      [`1 ${hex} ${hex}`, 'malformed-line', /line 1/],
      [`\n0 ${hex}`, 'bad-id', /line 2/],
      [`256 ${hex}`, 'bad-id', /line 1/],
      [`${hex} 1`, 'bad-id', /line 1/],
      [`1 ${hex}0`, 'bad-hex', /line 1/],
      [`1 ${hex}zz`, 'bad-hex', /line 1/],
      [`1 ${hex.slice(2)}`, 'key-too-short', /31 bytes/],
      [`1 ${hex}\n1 ${hex}`, 'duplicate-id', /line 2/],
      [`1 ${hex}\n2 ${hex}\n3 ${hex}`, 'too-many-keys', /line 3/],
    ];
    for (const [text, reason, detail] of rows) {
      const parsed = parseKeyFile(text);
      assert.ok(!parsed.ok);
      assert.equal(parsed.reason, reason);
      assert.match(parsed.detail ?? '', detail);
      assert.doesNotMatch(parsed.detail ?? '', /0011|zz/);
    }
  });

  it('shows a secret as [secret] to whoever prints it', () => {
    const shown = [JSON.stringify(keys), inspect(keys, { depth: 9, showHidden: true })];
    for (const text of shown) {
      assert.match(text, /\[secret\]/);
      assert.doesNotMatch(text, /00010203|0, 1, 2/);
    }
  });
});
