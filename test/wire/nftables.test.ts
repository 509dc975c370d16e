import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseAddress } from '../../src/core/address.ts';
import { type NetlinkMessage, attribute, parseMessages } from '../../src/wire/netlink.ts';
import { gateTable, leaseSets, muteBatch, renewBatch, timesBatch } from '../../src/wire/gate-lease.ts';
import {
  gateChains,
  gateComment,
  gateMark,
  installBatch,
  isGateComment,
} from '../../src/wire/gate-ruleset.ts';
import { type GateRuleset } from '../../src/wire/gate-rules.ts';
import {
  newTable,
  parseChain,
  parseExpiration,
  parseNotice,
  parseSetComment,
  parseTable,
} from '../../src/wire/nftables.ts';
import { text, u32 } from '../../src/wire/nftables-expressions.ts';

const ruleset: GateRuleset = {
  hooks: 'egress',
  pair: 'edge',
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
    assert.equal(newTable({ family: 'netdev', name: 't' }, 'hello').toString('hex'), expected);
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
    const open = timesBatch(ruleset, { speakMs: 200, serveMs: 200 });
    assert.deepEqual(kindsOf(open), ['begin', 'flush', 'flush', 'elements', 'elements', 'end']);
    assert.deepEqual(kindsOf(timesBatch(ruleset, { speakMs: 0, serveMs: 0 })), [
      'begin',
      'flush',
      'flush',
      'end',
    ]);
    assert.deepEqual(kindsOf(muteBatch(ruleset)), ['begin', 'flush', 'end']);
  });

  it('reach all copies of the lease in one batch where there are three tables', () => {
    const three = { ...ruleset, hooks: 'output' as const };
    assert.deepEqual(
      leaseSets(three).map(({ table, set }) => `${table.family} ${set}`),
      ['arp speak', 'inet speak', 'netdev serve', 'inet serve'],
    );
    const [deletions, additions] = [Array<string>(4).fill('flush'), Array<string>(4).fill('elements')];
    const whole = ['begin', ...deletions, ...additions, 'end'];
    assert.deepEqual(kindsOf(renewBatch(three, 150.7)), whole);
    assert.deepEqual(kindsOf(timesBatch(three, { speakMs: 1, serveMs: 1 })), whole);
    assert.deepEqual(kindsOf(muteBatch(three)), ['begin', 'flush', 'flush', 'end']);
    const families = muteBatch(three).map((message) => message[16]);
    assert.deepEqual(families, [0, 3, 1, 0], 'each message names the family of its table');
  });

  it('hook what goes out once for all interfaces where there is no egress hook', () => {
    assert.deepEqual(
      gateChains({ ...ruleset, hooks: 'output' }).map(
        ({ table, name, hook }) => `${table.family} ${name} ${hook}`,
      ),
      ['netdev in_eth0 ingress', 'netdev in_eth1 ingress', 'arp out output', 'inet out postrouting'],
    );
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
    assert.ok(isGateComment('edge', gateComment('edge', gateTable('edge', 'arp'))));
    assert.ok(isGateComment('edge', gateMark('edge')));
    assert.ok(!isGateComment('edge', undefined));
    assert.ok(!isGateComment('edge', 'my table'));
    assert.ok(!isGateComment('edge', gateComment('edge2', gateTable('edge2', 'arp'))));
  });
});

describe('what the kernel answers about the gate', () => {
  it('is read as a change of a table', () => {
    const body = Buffer.concat([generic, attribute(1, text('vipair_edge'))]);
    assert.deepEqual(parseNotice(notice(2, body)), {
      kind: 'change',
      table: { family: 'netdev', name: 'vipair_edge' },
      isElement: false,
    });
    assert.deepEqual(parseNotice(notice(14, body)), {
      kind: 'change',
      table: { family: 'netdev', name: 'vipair_edge' },
      isElement: true,
    });
  });

  it('is not read as one when it concerns a family in which the gate has no table', () => {
    const of = (family: number) =>
      parseNotice(
        notice(2, Buffer.concat([Buffer.from([family, 0, 0, 0]), attribute(1, text('vipair_edge'))])),
      );
    assert.equal(of(2), undefined);
    assert.deepEqual(of(3), {
      kind: 'change',
      table: { family: 'arp', name: 'vipair_edge' },
      isElement: false,
    });
  });

  it('tells the comment of a set from what else nft notes of it', () => {
    const comment = (userData: string): string | undefined => {
      const parsed = parseSetComment(
        notice(9, Buffer.concat([generic, attribute(13, Buffer.from(userData, 'hex'))])),
      );
      return parsed.ok ? parsed.value : 'malformed';
    };
    assert.equal(comment('0703686900'), 'hi');
    assert.equal(comment('000402000000' + '0703686900'), 'hi');
    assert.equal(comment('000402000000'), undefined);
    assert.equal(comment('07ff6869'), 'hi', 'a length that is too great reads no further than there is');
    assert.equal(comment('00'), undefined);
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
        parseSetComment(message);
      }),
      { numRuns: 2000 },
    );
  });
});
