import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import {
  compareAddresses,
  formatAddress,
  formatMac,
  formatPrefix,
  isLinkLocal,
  isMulticast,
  isUnspecified,
  parseAddress,
  parseMac,
  parsePrefix,
  prefixContains,
  type IpAddress,
} from '../../src/core/address.ts';

const anyAddress: fc.Arbitrary<IpAddress> = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => ({ family: 4 as const, bytes })),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => ({ family: 6 as const, bytes })),
  // Uniform bytes hardly ever hold a run of zeros, which is where IPv6 text is difficult.
  fc
    .array(fc.constantFrom(0, 0, 0, 1, 0xab), { minLength: 16, maxLength: 16 })
    .map((bytes) => ({ family: 6 as const, bytes: Uint8Array.from(bytes) })),
);

/** Text that is nearly an address. */
const nearAddress = fc
  .array(
    fc.constantFrom('0', '1', '9', '25', '255', '256', 'f', 'ffff', ':', '::', '.', '/', '%', '-', ' '),
    {
      maxLength: 20,
    },
  )
  .map((parts) => parts.join(''));

function canonical(text: string): string | undefined {
  const address = parseAddress(text);
  return address === undefined ? undefined : formatAddress(address);
}

describe('addresses', () => {
  const rows: readonly [string, string][] = [
    ['192.0.2.10', '192.0.2.10'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['FE80::1', 'fe80::1'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::ffff:192.0.2.128', '::ffff:192.0.2.128'],
    ['::ffff:c000:280', '::ffff:192.0.2.128'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['0:0:0:0:0:0:13.1.68.3', '::d01:4403'],
  ];
  for (const [text, expected] of rows) {
    it(`reads ${text} and writes ${expected}`, () => {
      assert.equal(canonical(text), expected);
    });
  }

  const refused = [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.04',
    '1.2.3.-4',
    '1.2.3. 4',
    '1.2.3.4 ',
    '1.2.3.0x4',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1::2::3',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '::1.2.3.4:5',
    '1.2.3.4::',
    '::1.2.3.256',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::ffff:1.2.3.4.5',
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.equal(parseAddress(text), undefined);
    });
  }

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(anyAddress, (address) => {
        assert.deepEqual(parseAddress(formatAddress(address)), address);
      }),
    );
  });

  it('agrees with Node about what an address is, zones excepted', () => {
    fc.assert(
      fc.property(fc.oneof(nearAddress, fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
        const expected = isIPv4(text) || (isIPv6(text) && !text.includes('%'));
        assert.equal(parseAddress(text) !== undefined, expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('orders by family, then by value, and calls only the same address equal', () => {
    const sorted = ['10.0.0.1', '9.0.0.1', '::2', '::1']
      .map((text) => parseAddress(text))
      .filter((address) => address !== undefined)
      .sort(compareAddresses)
      .map(formatAddress);
    assert.deepEqual(sorted, ['9.0.0.1', '10.0.0.1', '::1', '::2']);
    fc.assert(
      fc.property(anyAddress, anyAddress, (a, b) => {
        assert.equal(compareAddresses(a, b) === 0, formatAddress(a) === formatAddress(b));
        assert.equal(Math.sign(compareAddresses(a, b)) + Math.sign(compareAddresses(b, a)), 0);
      }),
    );
  });

  it('knows multicast, link-local and unspecified addresses', () => {
    const kinds = (text: string): boolean[] => {
      const address = parseAddress(text);
      assert.ok(address);
      return [isMulticast(address), isLinkLocal(address), isUnspecified(address)];
    };
    assert.deepEqual(kinds('239.192.112.1'), [true, false, false]);
    assert.deepEqual(kinds('223.255.255.255'), [false, false, false]);
    assert.deepEqual(kinds('ff02::1'), [true, false, false]);
    assert.deepEqual(kinds('fe80::1'), [false, true, false]);
    assert.deepEqual(kinds('febf::1'), [false, true, false]);
    assert.deepEqual(kinds('fec0::1'), [false, false, false]);
    assert.deepEqual(kinds('::'), [false, false, true]);
    assert.deepEqual(kinds('0.0.0.0'), [false, false, true]);
    assert.deepEqual(kinds('169.254.0.1'), [false, false, false]);
  });
});

describe('prefixes', () => {
  it('reads an address with and without a length', () => {
    const text = (prefix: string): string | undefined => {
      const parsed = parsePrefix(prefix);
      return parsed === undefined ? undefined : formatPrefix(parsed);
    };
    assert.equal(text('192.0.2.10/24'), '192.0.2.10/24');
    assert.equal(text('192.0.2.10'), '192.0.2.10/32');
    assert.equal(text('2001:DB8::1'), '2001:db8::1/128');
    assert.equal(text('::/0'), '::/0');
    for (const bad of ['192.0.2.10/33', '::/129', '::/', '::/01', '::/-1', '::/1/1', '/24', '1.2.3/8']) {
      assert.equal(text(bad), undefined, bad);
    }
  });

  it('contains the addresses of its network', () => {
    const contains = (prefix: string, address: string): boolean => {
      const [network, host] = [parsePrefix(prefix), parseAddress(address)];
      assert.ok(network && host);
      return prefixContains(network, host);
    };
    assert.equal(contains('192.0.2.10/24', '192.0.2.255'), true);
    assert.equal(contains('192.0.2.10/24', '192.0.3.0'), false);
    assert.equal(contains('192.0.2.10/31', '192.0.2.11'), true);
    assert.equal(contains('192.0.2.10/31', '192.0.2.12'), false);
    assert.equal(contains('192.0.2.10', '192.0.2.11'), false);
    assert.equal(contains('0.0.0.0/0', '255.0.0.1'), true);
    assert.equal(contains('0.0.0.0/0', '::1'), false);
    assert.equal(contains('2001:db8::/33', '2001:db8:7fff::1'), true);
    assert.equal(contains('2001:db8::/33', '2001:db8:8000::1'), false);
  });
});

describe('MAC addresses', () => {
  it('are read in both usual forms and written with colons', () => {
    for (const text of ['00:16:3e:aa:bb:cc', '00-16-3E-AA-BB-CC']) {
      const mac = parseMac(text);
      assert.ok(mac);
      assert.equal(formatMac(mac), '00:16:3e:aa:bb:cc');
    }
  });

  it('are refused in any other form', () => {
    for (const text of [
      '',
      '(incomplete)',
      '00:16:3e:aa:bb',
      '00:16:3e:aa:bb:cc:dd',
      '00:16-3e:aa:bb:cc',
      '0:1:2:3:4:5',
    ]) {
      assert.equal(parseMac(text), undefined, text);
    }
    fc.assert(fc.property(fc.string(), (text) => parseMac(text) === undefined || text.length === 17));
  });
});
