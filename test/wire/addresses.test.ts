import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseAddress, type IpAddress } from '../../src/core/address.ts';
import { deleteAddress, dumpAddresses, newAddress, parseAddressNotice } from '../../src/wire/addresses.ts';
import { getLink, parseLink } from '../../src/wire/links.ts';
import { attribute, netlinkMessage, parseMessages, type NetlinkMessage } from '../../src/wire/netlink.ts';

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

function single(bytes: Buffer): NetlinkMessage {
  const parsed = parseMessages(bytes);
  assert.ok(parsed.ok);
  const [message] = parsed.value;
  assert.ok(message);
  return message;
}

const key = { interfaceIndex: 2, address: address('192.0.2.10'), prefixLength: 32 };

describe('addresses as messages', () => {
  it('add an IPv4 host address with label and lifetime, and without a prefix route', () => {
    assert.equal(
      newAddress({ ...key, label: 'eth0:1', validSeconds: 5 }).toString('hex'),
      octets(
        '50000000 1400 0505 00000000 00000000', // RTM_NEWADDR; request, acknowledge, create, replace
        '02 20 00 00 02000000', // AF_INET, /32, interface 2
        '0800 0200 c000020a', // IFA_LOCAL
        '0800 0100 c000020a', // IFA_ADDRESS
        '0800 0800 00020000', // IFA_FLAGS: no prefix route
        '1400 0600 00000000 05000000 00000000 00000000', // IFA_CACHEINFO: preferred 0 s, valid 5 s
        '0b00 0300 657468303a3100 00', // IFA_LABEL
      ),
    );
  });

  it('add an IPv6 address without duplicate address detection, a wider prefix with its route', () => {
    const flags = (prefixLength: number): string =>
      newAddress({
        interfaceIndex: 2,
        address: address('2001:db8::10'),
        prefixLength,
        label: undefined,
        validSeconds: 5,
      })
        .subarray(64, 72)
        .toString('hex');
    assert.equal(flags(128), '0800080002020000');
    assert.equal(flags(64), '0800080002000000');
  });

  it('are read from the kernel as they were asked for', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.ipV4(), fc.ipV6()),
        fc.nat(32),
        fc.integer({ min: 1, max: 0x7fffffff }),
        (text, prefixLength, interfaceIndex) => {
          const entry = { address: address(text), prefixLength, interfaceIndex };
          const added = newAddress({ ...entry, label: 'eth0:1', validSeconds: 60 });
          assert.deepEqual(parseAddressNotice(single(added)), {
            ok: true,
            value: { kind: 'present', ...entry, label: 'eth0:1' },
          });
          assert.deepEqual(parseAddressNotice(single(deleteAddress(entry))), {
            ok: true,
            value: { kind: 'removed', ...entry, label: undefined },
          });
        },
      ),
    );
  });

  it('take the own end of a point-to-point interface', () => {
    const header = Buffer.from('0220000002000000', 'hex');
    const message = netlinkMessage(
      { type: 20, flags: 0 },
      header,
      attribute(1, Buffer.of(10, 0, 0, 2)),
      attribute(2, Buffer.of(10, 0, 0, 1)),
    );
    const parsed = parseAddressNotice(single(message));
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.value.address, address('10.0.0.1'));
  });

  it('refuse what is no address, and any malformed body, without an exception', () => {
    assert.deepEqual(parseAddressNotice(single(dumpAddresses())), { ok: false, reason: 'not-an-address' });
    const body = (hex: string): NetlinkMessage => ({
      type: 20,
      flags: 0,
      sequence: 0,
      body: Buffer.from(hex, 'hex'),
    });
    assert.deepEqual(parseAddressNotice(body('')), { ok: false, reason: 'malformed' });
    assert.deepEqual(parseAddressNotice(body('0220000002000000')), { ok: false, reason: 'malformed' });
    assert.deepEqual(parseAddressNotice(body('0a80000002000000' + '0800020001020304')), {
      ok: false,
      reason: 'malformed',
    });
    assert.deepEqual(parseAddressNotice(body('1c20000002000000')), { ok: false, reason: 'not-an-address' });
    fc.assert(
      fc.property(fc.constantFrom(16, 17, 20, 21), fc.uint8Array({ maxLength: 80 }), (type, bytes) => {
        const message = { type, flags: 0, sequence: 0, body: Buffer.from(bytes) };
        parseAddressNotice(message);
        parseLink(message);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('links as messages', () => {
  it('are asked for by name and without statistics', () => {
    assert.equal(
      getLink('eth0').toString('hex'),
      octets(
        `34000000120001000000000000000000 ${'00'.repeat(16)} 0900030065746830 00000000`,
        '08001d0008000000',
      ),
    );
  });

  const link = (flags: number, carrier: number, hardware = 1): ReturnType<typeof parseLink> => {
    const header = Buffer.alloc(16);
    header.writeUInt16LE(hardware, 2);
    header.writeInt32LE(7, 4);
    header.writeUInt32LE(flags, 8);
    const mac = attribute(1, Buffer.from('020000000001', 'hex'));
    const rest = [attribute(3, Buffer.from('eth0\0')), attribute(16, Buffer.of(6)), mac];
    return parseLink(
      single(netlinkMessage({ type: 16, flags: 0 }, header, ...rest, attribute(33, Buffer.of(carrier)))),
    );
  };

  it('tell name, index, MAC and carrier', () => {
    assert.deepEqual(link(1, 1), {
      ok: true,
      value: {
        name: 'eth0',
        index: 7,
        mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
        isUp: true,
        carrier: true,
        operationalState: 6,
      },
    });
  });

  it('have no carrier while they are down, and no MAC unless they are Ethernet', () => {
    const [down, unplugged, tunnel] = [link(0, 1), link(1, 0), link(1, 1, 65534)];
    assert.ok(down.ok && unplugged.ok && tunnel.ok);
    assert.equal(down.value.carrier, false);
    assert.equal(unplugged.value.carrier, false);
    assert.equal(tunnel.value.mac, undefined);
  });

  it('are refused without a name, or as another message', () => {
    const nameless = { type: 16, flags: 0, sequence: 0, body: Buffer.alloc(16) };
    assert.deepEqual(parseLink(nameless), { ok: false, reason: 'malformed' });
    assert.deepEqual(parseLink({ ...nameless, type: 20 }), { ok: false, reason: 'not-a-link' });
  });
});

/** Hexadecimal digits, apart for reading. */
function octets(...parts: readonly string[]): string {
  return parts.join('').replaceAll(' ', '');
}
