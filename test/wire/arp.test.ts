import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type IpAddress } from '../../src/core/address.ts';
import { arpProbe, formatArp, gratuitousReply, gratuitousRequest, parseArp } from '../../src/wire/arp.ts';

const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
const address: IpAddress = { family: 4, bytes: Uint8Array.of(192, 0, 2, 10) };
const padding = '00'.repeat(18);

const anyMac = fc.uint8Array({ minLength: 6, maxLength: 6 });
const anyAddress = fc
  .uint8Array({ minLength: 4, maxLength: 4 })
  .map((bytes): IpAddress => ({ family: 4, bytes }));

describe('ARP frames', () => {
  it('announce as a request for the own address', () => {
    assert.equal(
      formatArp(gratuitousRequest(mac, address)).toString('hex'),
      octets(
        'ffffffffffff 020000000001 0806 0001080006040001 020000000001 c000020a',
        `000000000000 c000020a ${padding}`,
      ),
    );
  });

  it('announce as a reply whose target hardware address is the own', () => {
    assert.equal(
      formatArp(gratuitousReply(mac, address)).toString('hex'),
      octets(
        'ffffffffffff 020000000001 0806 0001080006040002 020000000001 c000020a',
        `020000000001 c000020a ${padding}`,
      ),
    );
  });

  it('probe from no address, so that no cache learns from the question', () => {
    assert.equal(
      formatArp(arpProbe({ mac, target: address })).toString('hex'),
      octets(
        'ffffffffffff 020000000001 0806 0001080006040001 020000000001 00000000',
        `000000000000 c000020a ${padding}`,
      ),
    );
    const sender: IpAddress = { family: 4, bytes: Uint8Array.of(192, 0, 2, 2) };
    assert.equal(
      formatArp(arpProbe({ mac, target: address, sender }))
        .subarray(28, 32)
        .toString('hex'),
      'c0000202',
    );
  });

  it('are read as they were written', () => {
    const frames = fc.record(
      {
        destination: anyMac,
        source: anyMac,
        operation: fc.constantFrom('request' as const, 'reply' as const),
        senderMac: anyMac,
        senderAddress: anyAddress,
        targetMac: anyMac,
        targetAddress: anyAddress,
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(frames, (frame) => {
        const bytes = formatArp(frame);
        assert.equal(bytes.length, 60);
        assert.deepEqual(parseArp(bytes), { ok: true, value: frame });
        assert.deepEqual(parseArp(bytes.subarray(0, 42)), { ok: true, value: frame });
      }),
    );
  });

  it('are refused with a reason when they are something else', () => {
    const changed = (offset: number, value: number): ReturnType<typeof parseArp> => {
      const bytes = formatArp(gratuitousRequest(mac, address));
      bytes[offset] = value;
      return parseArp(bytes);
    };
    const rows: readonly [number, number, string][] = [
      [12, 0x86, 'not-arp'],
      [15, 6, 'not-ethernet-ipv4'],
      [16, 0x86, 'not-ethernet-ipv4'],
      [18, 8, 'not-ethernet-ipv4'],
      [19, 16, 'not-ethernet-ipv4'],
      [21, 3, 'other-operation'],
    ];
    for (const [offset, value, reason] of rows) {
      assert.deepEqual(changed(offset, value), { ok: false, reason });
    }
    assert.deepEqual(parseArp(new Uint8Array(41)), { ok: false, reason: 'too-short' });
  });

  it('may be any bytes without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        parseArp(bytes);
      }),
    );
  });
});

/** Hexadecimal digits, apart for reading. */
function octets(...parts: readonly string[]): string {
  return parts.join('').replaceAll(' ', '');
}
