import { type IpAddress } from '../core/address.ts';
import { type GateHooks } from '../core/state.ts';
import { SERVE, SPEAK, type LeaseSet } from './gate-lease.ts';
import { activeRoleByte, magic, magicOffset, version } from './heartbeat.ts';
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
import { type Hook, type Table } from './nftables.ts';

/** What each chain of the gate says of a packet; `gate-ruleset.ts` says why. */

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

export interface GateChain {
  readonly table: Table;
  readonly name: string;
  readonly hook: Hook;
  /** Undefined for one that concerns all interfaces. */
  readonly interfaceName: string | undefined;
}

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

export interface Rule {
  readonly comment: string;
  readonly expressions: readonly Buffer[];
}

/** Cheap, and true for nearly all packets of an active director. */
const leaseRule = passWhile(SPEAK, 'lease');

/** In the order in which they are asked. */
export function rulesOf(ruleset: GateRuleset, chain: GateChain): readonly Rule[] {
  switch (chain.hook) {
    case 'ingress':
      return [
        passWhile(SERVE, 'lease'),
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
    passWhile(SERVE, 'muted, but serving'),
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

function passWhile(set: LeaseSet['set'], comment: string): Rule {
  return { comment, expressions: [...holdsZero(set), verdict('accept')] };
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

/** The set of the floating addresses of a family, in every table of the gate. */
export function addressSet(family: 4 | 6): 'floating4' | 'floating6' {
  return family === 4 ? 'floating4' : 'floating6';
}
