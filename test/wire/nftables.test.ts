import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseAddress } from '../../src/core/address.ts';
import { type NetlinkMessage, attribute, parseMessages } from '../../src/wire/netlink.ts';
import {
  gateChains,
  gateComment,
  installBatch,
  isGateComment,
  muteBatch,
  timesBatch,
  type GateRuleset,
} from '../../src/wire/gate-ruleset.ts';
import { newTable, parseChain, parseExpiration, parseNotice, parseTable } from '../../src/wire/nftables.ts';
import { text, u32 } from '../../src/wire/nftables-expressions.ts';

const ruleset: GateRuleset = {
  table: 'vipair_edge',
  comment: gateComment('edge', 'vipair_edge'),
  pairId: 0xa1cb_100f_57e9_71can,
  floating: [
    { address: parseAddress('192.0.2.10')!, interfaceName: 'eth0' },
    { address: parseAddress('10.99.0.1')!, interfaceName: 'eth1' },
  ],
  links: [
    { interfaceName: 'eth0', destination: parseAddress('239.192.112.1')!, source: undefined, port: 3694 },
    { interfaceName: 'eth2', destination: parseAddress('10.98.0.3')!, source: undefined, port: 3694 },
  ],
  leaseMs: 200,
  userId: 0,
  dropsForwarded: true,
};

const kinds: Readonly<Record<number, string>> = {
  0x10: 'begin',
  0x11: 'end',
  0xa00: 'table',
  0xa02: 'delete table',
  0xa03: 'chain',
  0xa06: 'rule',
  0xa09: 'set',
  0xa0c: 'elements',
  0xa0e: 'flush',
};

function kindsOf(batch: readonly Buffer[]): readonly string[] {
  const messages = parseMessages(Buffer.concat(batch));
  assert.ok(messages.ok);
  return messages.value.map(({ type }) => kinds[type] ?? String(type));
}

function notice(type: number, body: Buffer): NetlinkMessage {
  return { type: 0xa00 | type, flags: 0, sequence: 0, body };
}

const generic = Buffer.from([5, 0, 0, 0]);

describe('the messages of the gate', () => {
  it('make a table byte by byte as the kernel reads it', () => {
    // Read against linux/nfnetlink.h and nf_tables.h by hand.
    const expected =
      '28000000' +
      '000a' +
      '0504' +
      '00000000' +
      '00000000' +
      '05000000' + // header, CREATE|ACK|REQUEST, netdev
      '06000100' +
      '74000000' + // name "t"
      '0c000600' +
      '0006' +
      '68656c6c6f00'; // user data: comment "hello"
    assert.equal(newTable('t', 'hello').toString('hex'), expected);
  });

  it('replace a table of the name in one batch and put the gate up shut', () => {
    const batch = kindsOf(installBatch(ruleset, [], { speakMs: 0, serveMs: 0 }));
    assert.deepEqual(batch, [
      'begin',
      'table',
      'delete table',
      'table',
      ...['set', 'set', 'set', 'set'],
      'elements',
      'end',
    ]);
  });

  it('put it up with what is left of the lease, in whole milliseconds', () => {
    const elements = (times: { speakMs: number; serveMs: number }): number =>
      kindsOf(installBatch(ruleset, [], times)).filter((kind) => kind === 'elements').length - 1;
    assert.equal(elements({ speakMs: 150.4, serveMs: 150.4 }), 2);
    assert.equal(elements({ speakMs: 0, serveMs: 150 }), 1);
    assert.equal(elements({ speakMs: 0.9, serveMs: 0.9 }), 0);
  });

  it('open by emptying both sets before both are filled, for adding again would not refresh', () => {
    const open = timesBatch('t', { speakMs: 200, serveMs: 200 });
    assert.deepEqual(kindsOf(open), ['begin', 'flush', 'flush', 'elements', 'elements', 'end']);
    assert.deepEqual(kindsOf(timesBatch('t', { speakMs: 0, serveMs: 0 })), [
      'begin',
      'flush',
      'flush',
      'end',
    ]);
    assert.deepEqual(kindsOf(muteBatch('t')), ['begin', 'flush', 'end']);
  });

  it('give each interface chains of its own: both ways where there is an address, out where there is a link', () => {
    assert.deepEqual(
      gateChains(ruleset).map(({ name }) => name),
      ['in_eth0', 'in_eth1', 'out_eth0', 'out_eth1', 'out_eth2'],
    );
  });

  it('name chains apart whatever the interfaces are called', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 15 }), { maxLength: 8 }), (names) => {
        const address = parseAddress('192.0.2.10')!;
        const floating = names.map((interfaceName) => ({ address, interfaceName }));
        const chains = gateChains({ ...ruleset, floating, links: [] }).map(({ name }) => name);
        assert.equal(new Set(chains).size, 2 * names.length);
        assert.ok(chains.every((name) => /^[A-Za-z][A-Za-z0-9_.-]*$/.test(name)));
      }),
    );
  });

  it('know their own table by its comment and no other', () => {
    assert.ok(isGateComment(gateComment('edge', 'vipair_edge')));
    assert.ok(!isGateComment(undefined));
    assert.ok(!isGateComment('my table'));
  });
});

describe('what the kernel answers about the gate', () => {
  it('is read as a change of a table', () => {
    const body = Buffer.concat([generic, attribute(1, text('vipair_edge'))]);
    assert.deepEqual(parseNotice(notice(2, body)), {
      kind: 'change',
      table: 'vipair_edge',
      isElement: false,
    });
    assert.deepEqual(parseNotice(notice(14, body)), {
      kind: 'change',
      table: 'vipair_edge',
      isElement: true,
    });
  });

  it('is not read as one when it concerns another family', () => {
    const body = Buffer.concat([Buffer.from([1, 0, 0, 0]), attribute(1, text('vipair_edge'))]);
    assert.equal(parseNotice(notice(2, body)), undefined);
  });

  it('names the program that made a transaction', () => {
    const body = Buffer.concat([
      Buffer.alloc(4),
      attribute(1, u32(7)),
      attribute(2, u32(4711)),
      attribute(3, text('nft')),
    ]);
    assert.deepEqual(parseNotice(notice(15, body)), {
      kind: 'generation',
      processId: 4711,
      by: 'nft (pid 4711)',
    });
  });

  it('may be any bytes, and is refused without a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(0xffff), (bytes, type) => {
        const message = { type, flags: 0, sequence: 0, body: Buffer.from(bytes) };
        parseNotice(message);
        parseTable(message);
        parseChain(message);
        parseExpiration(message);
      }),
      { numRuns: 2000 },
    );
  });
});
