import { type IpAddress } from '../core/address.ts';
import { activeRoleByte, magic, magicOffset, version } from './heartbeat.ts';
import {
  addElements,
  batchBegin,
  batchEnd,
  deleteTable,
  flushSet,
  newAddressSet,
  newBaseChain,
  newRule,
  newTable,
  newTimeoutSet,
  type Hook,
} from './nftables.ts';
import {
  counter,
  destinationIsElsewhere,
  holdsZero,
  hostU32,
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
 * nothing, for the answer to a query is stopped on its way out.
 *
 * To be forwarded is what arrives for our MAC address and not for an address of ours (`fib daddr type
 * unicast`), on an interface that carries a floating address, for there the floating address is the
 * gateway. Traffic of the router itself, its checks and its management among it, is never that.
 *
 * Each interface has chains of its own, so that one that is missing or comes back does not concern the
 * others. They come before all others of the netdev family (priority -500).
 */

export interface GateRuleset {
  readonly table: string;
  readonly comment: string;
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
  readonly name: string;
  readonly hook: Hook;
  readonly interfaceName: string;
}

/** The mark by which a later life knows the table for its own, and what `nft list` shows the operator. */
export function gateComment(pair: string, table: string): string {
  return `${COMMENT_START}${pair}; by hand: nft delete table netdev ${table}`;
}

export function isGateComment(comment: string | undefined): boolean {
  return comment?.startsWith(COMMENT_START) === true;
}

/** The chains that the ruleset has when all its interfaces are there. */
export function gateChains(ruleset: GateRuleset): readonly GateChain[] {
  const floating = distinct(ruleset.floating.map(({ interfaceName }) => interfaceName));
  const links = ruleset.links.map(({ interfaceName }) => interfaceName);
  return [
    ...floating.map((interfaceName) => chainOf('ingress', interfaceName)),
    ...distinct([...floating, ...links]).map((interfaceName) => chainOf('egress', interfaceName)),
  ];
}

/**
 * One batch that puts the table in place of whatever bore its name, with what is left of the lease.
 * The old rules hold until the new ones do.
 */
export function installBatch(
  ruleset: GateRuleset,
  chains: readonly GateChain[],
  times: GateTimes,
): readonly Buffer[] {
  const { table } = ruleset;
  return [
    batchBegin(),
    // Made before it is deleted, for deleting what is not there would be an error.
    newTable(table, ruleset.comment),
    deleteTable(table),
    newTable(table, ruleset.comment),
    newTimeoutSet(table, { name: SPEAK, id: 1 }, SET_SIZE),
    newTimeoutSet(table, { name: SERVE, id: 2 }, SET_SIZE),
    newAddressSet(table, { name: addressSet(4), id: 3 }, 4),
    newAddressSet(table, { name: addressSet(6), id: 4 }, 6),
    ...addressElements(ruleset),
    ...chains.flatMap((chain) => [
      newBaseChain(table, chain.name, { ...chain, priority: PRIORITY }),
      ...rulesOf(ruleset, chain).map((rule) => newRule(table, chain.name, rule)),
    ]),
    ...liveElement(table, SPEAK, times.speakMs),
    ...liveElement(table, SERVE, times.serveMs),
    batchEnd(),
  ];
}

/** Gives both parts of the lease these times from now, whatever they had: one instant for the kernel. */
export function timesBatch(table: string, times: GateTimes): readonly Buffer[] {
  return [
    batchBegin(),
    flushSet(table, SPEAK),
    flushSet(table, SERVE),
    ...liveElement(table, SPEAK, times.speakMs),
    ...liveElement(table, SERVE, times.serveMs),
    batchEnd(),
  ];
}

/** Ends `speak` and leaves `serve` the time it has. */
export function muteBatch(table: string): readonly Buffer[] {
  return [batchBegin(), flushSet(table, SPEAK), batchEnd()];
}

export const SPEAK = 'speak';
export const SERVE = 'serve';
/** The same for every packet, so that one element is the lease of all interfaces. */
export const LEASE_KEY: Uint8Array = hostU32(0);

const COMMENT_START = 'vipair gate of pair ';
const PRIORITY = -500;
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

function rulesOf(ruleset: GateRuleset, chain: GateChain): readonly Rule[] {
  const carries = ruleset.floating.some(({ interfaceName }) => interfaceName === chain.interfaceName);
  const links = ruleset.links.filter(({ interfaceName }) => interfaceName === chain.interfaceName);
  switch (chain.hook) {
    case 'ingress':
      return [
        { comment: 'lease', expressions: [...holdsZero(SERVE), verdict('accept')] },
        ...families.map((family) => drop('to a floating address', hasFloating(family, destinationAt))),
        ...(ruleset.dropsForwarded ? families.map(dropForwarded) : []),
      ];
    case 'egress':
      return [...links.map((link) => renewalRule(ruleset, link)), ...(carries ? egressRules(ruleset) : [])];
  }
}

function egressRules({ floating }: GateRuleset): readonly Rule[] {
  return [
    { comment: 'lease', expressions: [...holdsZero(SPEAK), verdict('accept')] },
    drop('ARP for a floating address', [
      ...metaIs('protocol', arp),
      ...payloadIsIn('network', arpSender, addressSet(4)),
    ]),
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

function drop(comment: string, expressions: readonly Buffer[]): Rule {
  return { comment, expressions: [...expressions, counter(), verdict('drop')] };
}

function hasFloating(family: 4 | 6, at: typeof sourceAt): readonly Buffer[] {
  return [
    ...metaIs('protocol', protocolOf[family]),
    ...payloadIsIn('network', at[family], addressSet(family)),
  ];
}

function addressElements(ruleset: GateRuleset): readonly Buffer[] {
  return families.flatMap((family) => {
    const keys = ruleset.floating
      .filter(({ address }) => address.family === family)
      .map(({ address }) => address.bytes);
    return keys.length === 0 ? [] : [addElements(ruleset.table, addressSet(family), keys)];
  });
}

function liveElement(table: string, set: string, timeoutMs: number): readonly Buffer[] {
  const wholeMs = Math.floor(timeoutMs);
  return wholeMs < 1 ? [] : [addElements(table, set, [LEASE_KEY], wholeMs)];
}

function addressSet(family: 4 | 6): string {
  return family === 4 ? 'floating4' : 'floating6';
}

/** An interface name may hold what a chain's may not; only such a one needs the index to stay unique. */
function chainOf(hook: Hook, interfaceName: string): GateChain {
  const plain = interfaceName.replace(/[^A-Za-z0-9_.-]/g, '_');
  const suffix = plain === interfaceName ? '' : `_${Buffer.from(interfaceName, 'utf8').toString('hex')}`;
  return { name: `${hook === 'ingress' ? 'in' : 'out'}_${plain}${suffix}`, hook, interfaceName };
}

function distinct(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}
