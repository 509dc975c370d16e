import { type IpAddress } from '../core/address.ts';
import { type GateHooks } from '../core/state.ts';
import { activeRoleByte, magic, magicOffset, version } from './heartbeat.ts';
import {
  addElements,
  batchBegin,
  batchEnd,
  deleteElement,
  deleteIfThere,
  flushSet,
  newAddressSet,
  newBaseChain,
  newRule,
  newTable,
  newTimeoutSet,
  type Hook,
  type SetName,
  type Table,
  type TableFamily,
} from './nftables.ts';
import {
  counter,
  destinationIsElsewhere,
  holdsZero,
  hostU32,
  leavesBy,
  metaIs,
  payloadIs,
  payloadIsIn,
  renewZero,
  verdict,
} from './nftables-expressions.ts';

/**
 * The gate as nftables rules: what the kernel lets through while nobody proves that the daemon lives.
 *
 * Theory of operation. Two sets hold at most one element each, which expires by the kernel's own clock.
 * While `speak` holds it, everything passes. While only `serve` does, traffic passes, but nothing leaves
 * that would draw more of it here: no ARP and no neighbour discovery in the name of a floating address.
 * While neither does, nothing leaves with a floating address as source, nothing addressed to one comes
 * in, and what hosts still send here to be forwarded is dropped.
 *
 * The heartbeat itself renews both on its way out, so what tells the peer "I live" is what keeps the
 * addresses. The rule looks `speak` up first: an expired lease stays expired (latching), whatever is sent,
 * until a claim opens the gate by netlink. Only a datagram of this program's own user, from and to the
 * addresses of a link, of this pair and with the role byte `active` renews.
 *
 * Incoming ARP is never dropped: a shut gate hears gratuitous ARP and answers to its own probes, and says
 * nothing, for the answer to a query is stopped on its way out. It is stopped on every interface that a
 * heartbeat leaves by, too: Linux answers for an address on whatever interface it is asked.
 *
 * To be forwarded is what arrives for our MAC address and not for an address of ours (`fib daddr type
 * unicast`), on an interface that carries a floating address, for there the floating address is the
 * gateway. Traffic of the router itself, its checks and its management among it, is never that.
 *
 * Each interface has chains of its own, so that one that is missing or comes back does not concern the
 * others. They come before all others of the netdev family (priority -500).
 *
 * That is the arrangement `egress`. Before Linux 5.16 nothing can be hooked to where an interface sends, so
 * in the arrangement `output` two more tables stop what goes out, one in the output hook of the arp
 * family, one in the postrouting hook of the inet family, after all translation of addresses: it sees also
 * what is forwarded under a floating address. They hold on every interface. A table sees no sets but its
 * own, so each has its copy of what it asks for, and all copies change in one transaction, that is, at one
 * instant.
 *
 * There no packet can renew all copies, so whoever sent a heartbeat does it afterwards by netlink, for no
 * longer than a lease from before it was sent; `deleteElement` finds no expired element and so fails, and
 * with it the renewal: that is the same latch. What differs: a heartbeat that the kernel took but dropped
 * in a queue renews as well; and frames from packet sockets pass neither of these hooks, so that whoever
 * announces addresses must look at the lease before.
 */

export interface GateRuleset {
  readonly hooks: GateHooks;
  readonly pair: string;
  /** 64 bits; the heartbeats of another pair on this host renew nothing here. */
  readonly pairId: bigint;
  readonly floating: readonly { readonly address: IpAddress; readonly interfaceName: string }[];
  readonly links: readonly GateLink[];
  readonly leaseMs: number;
  /** The user that the heartbeat socket belongs to. */
  readonly userId: number;
  /** False where the kernel lacks `fib` for netdev: then what is to be forwarded passes always. */
  readonly dropsForwarded: boolean;
}

export interface GateLink {
  readonly interfaceName: string;
  /** The group, or the peer's address. */
  readonly destination: IpAddress;
  /** Any of ours when undefined. */
  readonly source: IpAddress | undefined;
  readonly port: number;
}

export interface GateTimes {
  /** 0: expired. */
  readonly speakMs: number;
  readonly serveMs: number;
}

export interface GateChain {
  readonly table: Table;
  readonly name: string;
  readonly hook: Hook;
  /** Undefined for one that concerns all interfaces. */
  readonly interfaceName: string | undefined;
}

/** One copy of a part of the lease. */
export interface LeaseSet {
  readonly table: Table;
  readonly set: typeof SPEAK | typeof SERVE;
}

/** The pair's table in a family, with what a table's name may not hold replaced. */
export function gateTable(pair: string, family: TableFamily): Table {
  return { family, name: `vipair_${pair.replace(/[^A-Za-z0-9_.-]/g, '_')}` };
}

/** The tables of the arrangement. */
export function gateTables({ pair, hooks }: Pick<GateRuleset, 'pair' | 'hooks'>): readonly Table[] {
  return distinct(leaseHomes[hooks].flatMap((home) => home.families)).map((family) =>
    gateTable(pair, family),
  );
}

/** All copies of both parts of the lease. */
export function leaseSets({ pair, hooks }: Pick<GateRuleset, 'pair' | 'hooks'>): readonly LeaseSet[] {
  return leaseHomes[hooks].flatMap(({ set, families: homes }) =>
    homes.map((family) => ({ table: gateTable(pair, family), set })),
  );
}

/** The mark by which a later life knows the table for its own, and what `nft list` shows the operator. */
export function gateComment(pair: string, table: Table): string {
  return `${commentStart(pair)} by hand: nft delete table ${table.family} ${table.name}`;
}

/** The mark where the kernel keeps no comment of a table (before Linux 5.10): at a set that every one has. */
export function gateMark(pair: string): string {
  return `${commentStart(pair)} keep`;
}

export const MARKED_SET = 'floating4';

export function isGateComment(pair: string, comment: string | undefined): boolean {
  return comment?.startsWith(commentStart(pair)) === true;
}

/** The chains that the ruleset has when all its interfaces are there. */
export function gateChains(ruleset: GateRuleset): readonly GateChain[] {
  const { pair, hooks } = ruleset;
  const netdev = gateTable(pair, 'netdev');
  const floating = distinct(ruleset.floating.map(({ interfaceName }) => interfaceName));
  const links = ruleset.links.map(({ interfaceName }) => interfaceName);
  const ingress = floating.map((interfaceName) => interfaceChain(netdev, 'ingress', interfaceName));
  switch (hooks) {
    case 'egress':
      return [
        ...ingress,
        ...distinct([...floating, ...links]).map((interfaceName) =>
          interfaceChain(netdev, 'egress', interfaceName),
        ),
      ];
    case 'output':
      return [
        ...ingress,
        { table: gateTable(pair, 'arp'), name: 'out', hook: 'output', interfaceName: undefined },
        { table: gateTable(pair, 'inet'), name: 'out', hook: 'postrouting', interfaceName: undefined },
      ];
  }
}

/**
 * One batch that puts the tables in place of whatever bore their names, with what is left of the lease, and
 * takes the stray ones away. The old rules hold until the new ones do.
 */
export function installBatch(
  ruleset: GateRuleset,
  chains: readonly GateChain[],
  times: GateTimes,
  strays: readonly Table[] = [],
): readonly Buffer[] {
  const tables = gateTables(ruleset);
  return [
    batchBegin(),
    ...[...tables, ...strays].flatMap(deleteIfThere),
    ...tables.flatMap((table) => [
      newTable(table, gateComment(ruleset.pair, table)),
      ...setsOf(ruleset, table),
      ...chains
        .filter((chain) => isSameTable(chain.table, table))
        .flatMap((chain) => [
          newBaseChain(table, chain.name, { ...chain, priority: priorityOf(chain) }),
          ...rulesOf(ruleset, chain).map((rule) => newRule(table, chain.name, rule)),
        ]),
    ]),
    ...liveElements(ruleset, times),
    batchEnd(),
  ];
}

/** Gives both parts of the lease these times from now, whatever they had: one instant for the kernel. */
export function timesBatch(ruleset: GateRuleset, times: GateTimes): readonly Buffer[] {
  return [
    batchBegin(),
    ...leaseSets(ruleset).map(({ table, set }) => flushSet(table, set)),
    ...liveElements(ruleset, times),
    batchEnd(),
  ];
}

/** Ends `speak` and leaves `serve` the time it has. */
export function muteBatch(ruleset: GateRuleset): readonly Buffer[] {
  const speaking = leaseSets(ruleset).filter(({ set }) => set === SPEAK);
  return [batchBegin(), ...speaking.map(({ table, set }) => flushSet(table, set)), batchEnd()];
}

/**
 * Gives the whole lease this time from now, if both parts of it live in every copy; else ENOENT, and
 * nothing is changed. Deleted first, for adding again would not refresh.
 */
export function renewBatch(ruleset: GateRuleset, timeMs: number): readonly Buffer[] {
  return [
    batchBegin(),
    ...leaseSets(ruleset).map(({ table, set }) => deleteElement(table, set, LEASE_KEY)),
    ...liveElements(ruleset, { speakMs: timeMs, serveMs: timeMs }),
    batchEnd(),
  ];
}

/** Takes all tables of the arrangement away; none need be there. */
export function removeBatch(ruleset: GateRuleset): readonly Buffer[] {
  return [batchBegin(), ...gateTables(ruleset).flatMap(deleteIfThere), batchEnd()];
}

export function isSameTable(one: Table, other: Table): boolean {
  return one.family === other.family && one.name === other.name;
}

export const SPEAK = 'speak';
export const SERVE = 'serve';
/** The same for every packet, so that one element is the lease of all interfaces. */
export const LEASE_KEY: Uint8Array = hostU32(0);

/** In which tables the rules ask for which part of the lease. */
const leaseHomes: Readonly<
  Record<
    GateHooks,
    readonly { readonly set: typeof SPEAK | typeof SERVE; readonly families: readonly TableFamily[] }[]
  >
> = {
  egress: [
    { set: SPEAK, families: ['netdev'] },
    { set: SERVE, families: ['netdev'] },
  ],
  output: [
    { set: SPEAK, families: ['arp', 'inet'] },
    { set: SERVE, families: ['netdev', 'inet'] },
  ],
};
const EARLY = -500;
/** After the source was translated (100). */
const LATE = 500;
/** An expired element takes room until it is collected. */
const SET_SIZE = 16;

const udpHeaderBytes = 8;
const arp = Buffer.from([0x08, 0x06]);
const protocolOf = { 4: Buffer.from([0x08, 0x00]), 6: Buffer.from([0x86, 0xdd]) };
const udp = Buffer.from([17]);
const icmpv6 = Buffer.from([58]);
const neighborSolicitation = Buffer.from([135]);
const neighborAdvertisement = Buffer.from([136]);
const sourceAt = { 4: { offset: 12, length: 4 }, 6: { offset: 8, length: 16 } };
const destinationAt = { 4: { offset: 16, length: 4 }, 6: { offset: 24, length: 16 } };
const arpSender = { offset: 14, length: 4 };
const ADVERTISED_OFFSET = 8;
/** PACKET_HOST: to our MAC address, neither broadcast nor multicast nor somebody else's. */
const toThisHost = Buffer.from([0]);
const families = [4, 6] as const;

interface Rule {
  readonly comment: string;
  readonly expressions: readonly Buffer[];
}

/** Cheap, and true for nearly all packets of an active director. */
const leaseRule: Rule = { comment: 'lease', expressions: [...holdsZero(SPEAK), verdict('accept')] };

function rulesOf(ruleset: GateRuleset, chain: GateChain): readonly Rule[] {
  switch (chain.hook) {
    case 'ingress':
      return [
        { comment: 'lease', expressions: [...holdsZero(SERVE), verdict('accept')] },
        ...families.map((family) => drop('to a floating address', hasFloating(family, destinationAt))),
        ...(ruleset.dropsForwarded ? families.map(dropForwarded) : []),
      ];
    case 'egress':
      return [
        ...ruleset.links
          .filter(({ interfaceName }) => interfaceName === chain.interfaceName)
          .map((link) => renewalRule(ruleset, link)),
        leaseRule,
        drop('ARP for a floating address', [...metaIs('protocol', arp), ...speaksForFloating()]),
        ...packetRules(ruleset),
      ];
    case 'output':
      return [leaseRule, drop('ARP for a floating address', speaksForFloating())];
    case 'postrouting':
      return [
        leaseRule,
        { comment: 'to this host itself', expressions: [...leavesBy('lo'), verdict('accept')] },
        ...packetRules(ruleset),
      ];
  }
}

/** What is stopped of IPv4 and IPv6 on its way out. */
function packetRules({ floating }: GateRuleset): readonly Rule[] {
  return [
    // A solicitation from a floating address teaches its receiver our MAC address, too.
    drop('solicitation from a floating address', [
      ...hasFloating(6, sourceAt),
      ...metaIs('l4proto', icmpv6),
      ...payloadIs('transport', 0, neighborSolicitation),
    ]),
    // One rule each: `nft` could not read again what it prints of a set that is looked up with these bytes.
    ...floating
      .filter(({ address }) => address.family === 6)
      .map(({ address }) =>
        drop('advertisement of a floating address', [
          ...metaIs('l4proto', icmpv6),
          ...payloadIs('transport', 0, neighborAdvertisement),
          ...payloadIs('transport', ADVERTISED_OFFSET, address.bytes),
        ]),
      ),
    { comment: 'muted, but serving', expressions: [...holdsZero(SERVE), verdict('accept')] },
    ...families.map((family) => drop('from a floating address', hasFloating(family, sourceAt))),
  ];
}

/** The cheapest comparison that fails for most packets comes first. */
function renewalRule(ruleset: GateRuleset, link: GateLink): Rule {
  const { family } = link.destination;
  const port = Buffer.alloc(2);
  port.writeUInt16BE(link.port);
  const pair = Buffer.alloc(8);
  pair.writeBigUInt64BE(ruleset.pairId);
  const source =
    link.source === undefined ? [] : payloadIs('network', sourceAt[family].offset, link.source.bytes);
  return {
    comment: 'an active heartbeat renews the lease',
    expressions: [
      ...metaIs('l4proto', udp),
      ...payloadIs('transport', 2, port),
      ...metaIs('protocol', protocolOf[family]),
      ...source,
      ...payloadIs('network', destinationAt[family].offset, link.destination.bytes),
      ...payloadIs(
        'transport',
        udpHeaderBytes + magicOffset,
        Buffer.from([...magic, version, activeRoleByte]),
      ),
      ...payloadIs('transport', udpHeaderBytes + PAIR_OFFSET, pair),
      ...metaIs('skuid', hostU32(ruleset.userId)),
      ...holdsZero(SPEAK),
      ...renewZero(SPEAK, ruleset.leaseMs),
      ...renewZero(SERVE, ruleset.leaseMs),
      counter(),
    ],
  };
}

/** Where the heartbeat carries the pair's id. */
const PAIR_OFFSET = 8;

function dropForwarded(family: 4 | 6): Rule {
  return drop('to be forwarded', [
    ...metaIs('pkttype', toThisHost),
    ...metaIs('protocol', protocolOf[family]),
    ...destinationIsElsewhere(),
  ]);
}

function speaksForFloating(): readonly Buffer[] {
  return payloadIsIn('network', arpSender, addressSet(4));
}

function drop(comment: string, expressions: readonly Buffer[]): Rule {
  return { comment, expressions: [...expressions, counter(), verdict('drop')] };
}

function hasFloating(family: 4 | 6, at: typeof sourceAt): readonly Buffer[] {
  return [
    ...metaIs('protocol', protocolOf[family]),
    ...payloadIsIn('network', at[family], addressSet(family)),
  ];
}

/** The sets that the rules of the table ask, each with what belongs in it. */
function setsOf(ruleset: GateRuleset, table: Table): readonly Buffer[] {
  const lease = leaseSets(ruleset).filter((one) => isSameTable(one.table, table));
  const families = table.family === 'arp' ? ([4] as const) : ([4, 6] as const);
  const sets = [
    ...lease.map(({ set }) => newTimeoutSet(table, { name: set, id: setIds[set] }, SET_SIZE)),
    ...families.map((family) => newAddressSet(table, addressSetOf(ruleset.pair, family), family)),
  ];
  const elements = families.flatMap((family) => {
    const keys = ruleset.floating
      .filter(({ address }) => address.family === family)
      .map(({ address }) => address.bytes);
    return keys.length === 0 ? [] : [addElements(table, addressSet(family), keys)];
  });
  return [...sets, ...elements];
}

const setIds = { speak: 1, serve: 2, floating4: 3, floating6: 4 };

function addressSetOf(pair: string, family: 4 | 6): SetName {
  const name = addressSet(family);
  return { name, id: setIds[name], ...(name === MARKED_SET ? { comment: gateMark(pair) } : {}) };
}

function liveElements(ruleset: GateRuleset, times: GateTimes): readonly Buffer[] {
  return leaseSets(ruleset).flatMap(({ table, set }) => {
    const wholeMs = Math.floor(set === SPEAK ? times.speakMs : times.serveMs);
    return wholeMs < 1 ? [] : [addElements(table, set, [LEASE_KEY], wholeMs)];
  });
}

function addressSet(family: 4 | 6): 'floating4' | 'floating6' {
  return family === 4 ? 'floating4' : 'floating6';
}

function priorityOf({ hook }: GateChain): number {
  return hook === 'postrouting' ? LATE : EARLY;
}

function commentStart(pair: string): string {
  return `vipair gate of pair ${pair};`;
}

/** An interface name may hold what a chain's may not; only such a one needs the index to stay unique. */
function interfaceChain(table: Table, hook: 'ingress' | 'egress', interfaceName: string): GateChain {
  const plain = interfaceName.replace(/[^A-Za-z0-9_.-]/g, '_');
  const suffix = plain === interfaceName ? '' : `_${Buffer.from(interfaceName, 'utf8').toString('hex')}`;
  return { table, name: `${hook === 'ingress' ? 'in' : 'out'}_${plain}${suffix}`, hook, interfaceName };
}

function distinct<Value>(values: readonly Value[]): readonly Value[] {
  return [...new Set(values)];
}
