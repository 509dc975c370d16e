import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  acknowledgedErrno,
  attribute,
  nested,
  netlinkMessage,
  parseAttributeList,
  parseAttributes,
  parseMessages,
  withSequence,
} from '../../src/wire/netlink.ts';

const payload = fc.uint8Array({ maxLength: 40 });

describe('netlink messages', () => {
  it('are laid out as the kernel wants them', () => {
    const message = netlinkMessage({ type: 0x14, flags: 0x605 }, attribute(3, Buffer.from('eth0\0')));
    assert.equal(
      withSequence(message, 7).toString('hex'),
      '1c000000' + '1400' + '0506' + '07000000' + '00000000' + '0900' + '0300' + '6574683000' + '000000',
    );
    assert.equal(nested(1, attribute(2, Buffer.of(9))).toString('hex'), '0c000180' + '05000200' + '09000000');
  });

  it('are read as they were written, several in one datagram', () => {
    const many = fc.array(
      fc.record(
        {
          type: fc.nat(0xffff),
          flags: fc.nat(0xffff),
          sequence: fc.nat(0xffffffff),
          attributes: fc.array(fc.record({ type: fc.nat(0x3fff), payload }, { noNullPrototype: true })),
        },
        { noNullPrototype: true },
      ),
    );
    fc.assert(
      fc.property(many, (written) => {
        const datagram = Buffer.concat(
          written.map(({ type, flags, sequence, attributes }) => {
            const parts = attributes.map((each) => attribute(each.type, each.payload));
            return withSequence(netlinkMessage({ type, flags }, ...parts), sequence);
          }),
        );
        const parsed = parseMessages(datagram);
        assert.ok(parsed.ok);
        const read = parsed.value.map(({ type, flags, sequence, body }) => {
          const list = parseAttributeList(body);
          assert.ok(list.ok);
          const attributes = list.value.map((each) => ({
            type: each.type,
            payload: Uint8Array.from(each.payload),
          }));
          return { type, flags, sequence, attributes };
        });
        assert.deepEqual(read, written);
      }),
    );
  });

  it('take any bytes without an exception, and never read past their end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(30), (bytes, offset) => {
        const messages = parseMessages(bytes);
        if (messages.ok) {
          const size = messages.value.reduce((sum, { body }) => sum + 16 + body.length, 0);
          assert.ok(size <= bytes.length);
          messages.value.forEach(acknowledgedErrno);
        }
        const attributes = parseAttributeList(bytes, offset);
        if (attributes.ok) {
          const size = attributes.value.reduce((sum, each) => sum + 4 + each.payload.length, offset);
          assert.ok(size <= bytes.length);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('are refused when a length does not fit', () => {
    const whole = netlinkMessage({ type: 16, flags: 0 }, attribute(1, Buffer.of(1, 2, 3, 4)));
    for (let length = 1; length < whole.length; length += 1) {
      assert.deepEqual(parseMessages(whole.subarray(0, length)), { ok: false, reason: 'malformed' });
    }
    for (const length of [0, 15, 25, 0xffffffff]) {
      const wrong = Buffer.from(whole);
      wrong.writeUInt32LE(length);
      assert.equal(parseMessages(wrong).ok, false, String(length));
    }
    for (const hex of ['00000000', '03000000', '0500000000', '05', '040001']) {
      const refused = hex !== '0500000000';
      assert.equal(parseAttributes(Buffer.from(hex, 'hex')).ok, !refused, hex);
    }
    assert.equal(parseAttributes(Buffer.alloc(3), 4).ok, false);
  });

  it('of which a type repeats, keep all in the list and the last in the map', () => {
    const body = Buffer.concat([attribute(1, Buffer.of(1)), attribute(1 | 0xc000, Buffer.of(2))]);
    const list = parseAttributeList(body);
    const map = parseAttributes(body);
    assert.ok(list.ok && map.ok);
    assert.deepEqual(
      list.value.map((each) => [each.type, each.payload[0]]),
      [
        [1, 1],
        [1, 2],
      ],
    );
    assert.deepEqual(
      [...map.value].map(([type, bytes]) => [type, bytes[0]]),
      [[1, 2]],
    );
  });

  it('carry an errno only in an error or at the end of a dump', () => {
    const message = (type: number, body: Buffer): number | undefined =>
      acknowledgedErrno({ type, flags: 0, sequence: 0, body });
    assert.equal(message(2, Buffer.from('edffffff', 'hex')), 19);
    assert.equal(message(2, Buffer.alloc(4)), 0);
    assert.equal(message(3, Buffer.alloc(4)), 0);
    assert.equal(message(3, Buffer.alloc(3)), undefined);
    assert.equal(message(16, Buffer.alloc(4)), undefined);
  });
});
