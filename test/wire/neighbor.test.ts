import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseAddress, type IpAddress } from '../../src/core/address.ts';
import { neighborProbe, parseNeighbor, unsolicitedAdvertisement } from '../../src/wire/neighbor.ts';

const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
const anyMac = fc.uint8Array({ minLength: 6, maxLength: 6 });
const anyUnicast = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .filter((bytes) => bytes[0] !== 0xff && bytes.some((byte) => byte !== 0))
  .map((bytes): IpAddress => ({ family: 6, bytes }));

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

const target = address('2001:db8::10');
const targetHex = '20010db8000000000000000000000010';
const allNodesHex = 'ff020000000000000000000000000001';

describe('neighbour discovery frames', () => {
  it('announce an address to all nodes, overriding what they have', () => {
    assert.equal(
      unsolicitedAdvertisement({ mac, address: target, isRouter: true }).toString('hex'),
      octets(
        `333300000001 020000000001 86dd 60000000 0020 3aff ${targetHex} ${allNodesHex}`,
        `8800 790c a0000000 ${targetHex} 0201 020000000001`,
      ),
    );
    assert.equal(unsolicitedAdvertisement({ mac, address: target, isRouter: false })[58], 0x20);
  });

  it('probe from no address, to the group that the target is in', () => {
    assert.equal(
      neighborProbe({ mac, target }).toString('hex'),
      octets(
        `3333ff000010 020000000001 86dd 60000000 0018 3aff ${'00'.repeat(16)}`,
        `ff0200000000000000000001ff000010 8700 4ccf 00000000 ${targetHex}`,
      ),
    );
  });

  it('are read as they were written', () => {
    fc.assert(
      fc.property(anyMac, anyUnicast, anyUnicast, fc.boolean(), (sourceMac, owner, sender, isRouter) => {
        assert.deepEqual(
          parseNeighbor(unsolicitedAdvertisement({ mac: sourceMac, address: owner, isRouter })),
          {
            ok: true,
            value: {
              kind: 'advertisement',
              sourceMac,
              source: owner,
              destination: address('ff02::1'),
              target: owner,
              linkLayer: sourceMac,
              isRouter,
              isSolicited: false,
              isOverride: true,
            },
          },
        );
        const question = parseNeighbor(neighborProbe({ mac: sourceMac, target: owner, sender }));
        assert.ok(question.ok);
        assert.equal(question.value.kind, 'solicitation');
        assert.deepEqual(question.value.target, owner);
        assert.deepEqual(question.value.source, sender);
        assert.deepEqual(question.value.linkLayer, sourceMac);
        const blank = parseNeighbor(neighborProbe({ mac: sourceMac, target: owner }));
        assert.ok(blank.ok);
        assert.equal(blank.value.linkLayer, undefined);
      }),
    );
  });

  it('are refused after any single bit of the message was turned', () => {
    const whole = unsolicitedAdvertisement({ mac, address: target, isRouter: true });
    fc.assert(
      fc.property(fc.integer({ min: 22 * 8, max: whole.length * 8 - 1 }), (bit) => {
        const bytes = Buffer.from(whole);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.equal(parseNeighbor(bytes).ok, false);
      }),
      { numRuns: 500 },
    );
  });

  it('are refused with a reason when they are cut, from elsewhere or something else', () => {
    const whole = unsolicitedAdvertisement({ mac, address: target, isRouter: true });
    const changed = (offset: number, value: number): unknown => {
      const bytes = Buffer.from(whole);
      bytes[offset] = value;
      const parsed = parseNeighbor(bytes);
      return parsed.ok ? parsed : parsed.reason;
    };
    assert.equal(changed(12, 8), 'not-neighbor');
    assert.equal(changed(14, 0x40), 'not-neighbor');
    assert.equal(changed(20, 17), 'not-neighbor');
    assert.equal(changed(54, 128), 'not-neighbor');
    assert.equal(changed(19, 0x21), 'too-short');
    assert.equal(changed(19, 0x10), 'too-short');
    assert.equal(changed(21, 254), 'malformed');
    for (let length = 0; length < whole.length; length += 1) {
      assert.equal(parseNeighbor(whole.subarray(0, length)).ok, false);
    }
  });

  it('are refused when a rightly summed message is wrong in itself', () => {
    const group = unsolicitedAdvertisement({ mac, address: address('ff02::5'), isRouter: true });
    assert.deepEqual(parseNeighbor(group), { ok: false, reason: 'malformed' });
    const nobody = unsolicitedAdvertisement({ mac, address: address('::'), isRouter: true });
    assert.deepEqual(parseNeighbor(nobody), { ok: false, reason: 'malformed' });

    // An option of length zero; the two bytes of difference go into the checksum.
    const endless = unsolicitedAdvertisement({ mac, address: target, isRouter: true });
    endless[79] = 0;
    endless.writeUInt16BE(endless.readUInt16BE(56) + 1, 56);
    assert.deepEqual(parseNeighbor(endless), { ok: false, reason: 'malformed' });
    endless[79] = 2;
    endless.writeUInt16BE(endless.readUInt16BE(56) - 2, 56);
    assert.deepEqual(parseNeighbor(endless), { ok: false, reason: 'malformed' });
  });

  it('may be any bytes without an exception', () => {
    const start = unsolicitedAdvertisement({ mac, address: target, isRouter: true }).subarray(0, 55);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (bytes, isNear) => {
        parseNeighbor(isNear ? Buffer.concat([start, bytes]) : bytes);
      }),
    );
  });
});

/** Hexadecimal digits, apart for reading. */
function octets(...parts: readonly string[]): string {
  return parts.join('').replaceAll(' ', '');
}
