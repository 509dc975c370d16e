import { attribute, nested } from './netlink.ts';

/**
 * The expressions of nf_tables that the gate's rules are made of, each as one element of a rule.
 *
 * A rule runs its expressions in order; a comparison or a lookup that does not hold ends the rule, and
 * the next one is tried. Every expression here loads into, and looks at, the one register 1.
 * Numbers of nf_tables travel in network order.
 *
 * Source: linux/netfilter/nf_tables.h; `nft --debug=netlink` prints the same rules in the same words.
 */

/** A name of the `meta` expression, with its number in enum nft_meta_keys. */
export type MetaKey = keyof typeof metaKeys;

export type PayloadBase = 'network' | 'transport';

/** `meta <key> <value>`: a property of the packet that is not in its bytes. */
export function metaIs(key: MetaKey, value: Uint8Array): readonly Buffer[] {
  return [expression('meta', attribute(1, u32(REGISTER)), attribute(2, u32(metaKeys[key]))), isEqual(value)];
}

/** The packet leaves by the interface of this name. */
export function leavesBy(interfaceName: string): readonly Buffer[] {
  const name = Buffer.alloc(INTERFACE_NAME_BYTES);
  name.write(interfaceName);
  return metaIs('oifname', name);
}

/** The bytes at `offset` of the network or transport header are these. At most 16. */
export function payloadIs(base: PayloadBase, offset: number, value: Uint8Array): readonly Buffer[] {
  return [payload(base, offset, value.length), isEqual(value)];
}

/** The bytes at `offset` are in the set. */
export function payloadIsIn(
  base: PayloadBase,
  place: { readonly offset: number; readonly length: number },
  set: string,
): readonly Buffer[] {
  return [payload(base, place.offset, place.length), lookup(set)];
}

/** The set holds a live element with key 0, whatever the packet is. */
export function holdsZero(set: string): readonly Buffer[] {
  return [...loadZero(), lookup(set)];
}

/** Starts the time of the element with key 0 again, for `timeoutMs`; it makes one that is not there. */
export function renewZero(set: string, timeoutMs: number): readonly Buffer[] {
  return [
    ...loadZero(),
    expression(
      'dynset',
      attribute(1, text(set)),
      attribute(3, u32(DYNSET_UPDATE)),
      attribute(4, u32(REGISTER)),
      attribute(6, u64(timeoutMs)),
    ),
  ];
}

/** The routing table does not know the destination as one of this host's own, nor as a group: to be forwarded. */
export function destinationIsElsewhere(): readonly Buffer[] {
  return [
    expression(
      'fib',
      attribute(1, u32(REGISTER)),
      attribute(2, u32(FIB_ADDRESS_TYPE)),
      attribute(3, u32(FIB_DESTINATION)),
    ),
    isEqual(hostU32(RTN_UNICAST)),
  ];
}

/** Counts packets and bytes; `nft list table` shows them. */
export function counter(): Buffer {
  return expression('counter');
}

export function verdict(code: 'accept' | 'drop'): Buffer {
  const value = nested(2, attribute(1, u32(code === 'accept' ? 1 : 0)));
  return expression('immediate', attribute(1, u32(VERDICT_REGISTER)), nested(2, value));
}

/** A number in network order, as nf_tables wants it. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** A number in the order of the host, as `meta` and `fib` load it. */
export function hostU32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** With the NUL at its end that the kernel expects. */
export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`, 'utf8');
}

const metaKeys = {
  protocol: 1,
  mark: 3,
  oifname: 7,
  skuid: 10,
  l4proto: 16,
  pkttype: 19,
};

/** IFNAMSIZ. */
const INTERFACE_NAME_BYTES = 16;
const VERDICT_REGISTER = 0;
const REGISTER = 1;
const DYNSET_UPDATE = 1;
const FIB_ADDRESS_TYPE = 3;
const FIB_DESTINATION = 2;
const RTN_UNICAST = 1;

function expression(name: string, ...attributes: readonly Uint8Array[]): Buffer {
  return nested(1, attribute(1, text(name)), nested(2, ...attributes));
}

function isEqual(value: Uint8Array): Buffer {
  return expression('cmp', attribute(1, u32(REGISTER)), attribute(2, u32(0)), nested(3, attribute(1, value)));
}

function payload(base: PayloadBase, offset: number, length: number): Buffer {
  return expression(
    'payload',
    attribute(1, u32(REGISTER)),
    attribute(2, u32(base === 'network' ? 1 : 2)),
    attribute(3, u32(offset)),
    attribute(4, u32(length)),
  );
}

function lookup(set: string): Buffer {
  return expression('lookup', attribute(1, text(set)), attribute(2, u32(REGISTER)));
}

/**
 * `meta mark & 0`. An immediate 0 would be cheaper by a nanosecond, but `nft` cannot print it in words
 * that it can read again, and whoever saves the ruleset and loads it later would find it refused.
 */
function loadZero(): readonly Buffer[] {
  const zero = Buffer.alloc(4);
  return [
    expression('meta', attribute(1, u32(REGISTER)), attribute(2, u32(metaKeys.mark))),
    expression(
      'bitwise',
      attribute(1, u32(REGISTER)),
      attribute(2, u32(REGISTER)),
      attribute(3, u32(zero.length)),
      nested(4, attribute(1, zero)),
      nested(5, attribute(1, zero)),
    ),
  ];
}
