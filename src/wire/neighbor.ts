import { isMulticast, isUnspecified, type IpAddress } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';

/** IPv6 Neighbor Solicitation and Advertisement over Ethernet as whole frames. Source: RFC 4861 §4, §7. */

export const ETH_P_IPV6 = 0x86dd;

export interface NeighborFrame {
  readonly kind: 'solicitation' | 'advertisement';
  /** Ethernet source. */
  readonly sourceMac: Uint8Array;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly target: IpAddress;
  /** The source (or target) link-layer address option, if it is there. */
  readonly linkLayer: Uint8Array | undefined;
  /** The flags of an advertisement; false in a solicitation. */
  readonly isRouter: boolean;
  readonly isSolicited: boolean;
  readonly isOverride: boolean;
}

export type NeighborReason = 'too-short' | 'not-neighbor' | 'bad-checksum' | 'malformed';

/**
 * Tells all nodes that the address is at this MAC from now on. The override flag replaces what they have;
 * `isRouter` must be true on a router, for a host that reads false drops it from its default routers.
 */
export function unsolicitedAdvertisement(owner: {
  readonly mac: Uint8Array;
  readonly address: IpAddress;
  readonly isRouter: boolean;
}): Buffer {
  const flags = (owner.isRouter ? FLAG_ROUTER : 0) | FLAG_OVERRIDE;
  return neighborFrame({
    type: TYPE_ADVERTISEMENT,
    flags,
    mac: owner.mac,
    source: owner.address.bytes,
    destination: ALL_NODES,
    target: owner.address.bytes,
    option: OPTION_TARGET,
  });
}

/**
 * Who has `target`? Without a `sender` it goes out as in duplicate address detection (source `::`): it
 * touches no neighbour's cache, and the answer comes to all nodes.
 */
export function neighborProbe(question: {
  readonly mac: Uint8Array;
  readonly target: IpAddress;
  readonly sender?: IpAddress;
}): Buffer {
  const target = question.target.bytes;
  return neighborFrame({
    type: TYPE_SOLICITATION,
    flags: 0,
    mac: question.mac,
    source: question.sender?.bytes ?? new Uint8Array(ADDRESS_BYTES),
    // The solicited-node group of the target, RFC 4291 §2.7.1.
    destination: Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...target.subarray(13)),
    target,
    option: question.sender === undefined ? undefined : OPTION_SOURCE,
  });
}

/** Any frame that an AF_PACKET socket brings; checked as RFC 4861 §7.1 demands, the checksum included. */
export function parseNeighbor(bytes: Uint8Array): Result<NeighborFrame, NeighborReason> {
  if (bytes.length < ICMP_START + SHORTEST_ICMP_BYTES) {
    return fail('too-short');
  }
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = frame.readUInt8(ICMP_START);
  const isNeighbor =
    frame.readUInt16BE(12) === ETH_P_IPV6 &&
    frame.readUInt8(14) >> 4 === 6 &&
    frame.readUInt8(20) === NEXT_HEADER_ICMPV6 &&
    (type === TYPE_SOLICITATION || type === TYPE_ADVERTISEMENT);
  if (!isNeighbor) {
    return fail('not-neighbor');
  }
  const end = ICMP_START + frame.readUInt16BE(18);
  if (end > frame.length || end < ICMP_START + SHORTEST_ICMP_BYTES) {
    return fail('too-short');
  }
  const [source, destination] = [addressAt(frame, 22), addressAt(frame, 38)];
  const icmp = frame.subarray(ICMP_START, end);
  if (checksum(source.bytes, destination.bytes, icmp) !== 0) {
    return fail('bad-checksum');
  }
  const target = addressAt(icmp, 8);
  const options = parseOptions(icmp.subarray(SHORTEST_ICMP_BYTES));
  // The hop limit proves that no router passed it on, so that it comes from this very link.
  const isValid = frame.readUInt8(21) === HOP_LIMIT && icmp.readUInt8(1) === 0 && !isMulticast(target);
  if (!isValid || options === undefined || (type === TYPE_ADVERTISEMENT && isUnspecified(source))) {
    return fail('malformed');
  }
  const kind = type === TYPE_SOLICITATION ? 'solicitation' : 'advertisement';
  const flags = kind === 'advertisement' ? icmp.readUInt8(4) : 0;
  return ok({
    kind,
    sourceMac: Uint8Array.from(bytes.subarray(6, 12)),
    source,
    destination,
    target,
    linkLayer: options.get(kind === 'solicitation' ? OPTION_SOURCE : OPTION_TARGET),
    isRouter: (flags & FLAG_ROUTER) !== 0,
    isSolicited: (flags & FLAG_SOLICITED) !== 0,
    isOverride: (flags & FLAG_OVERRIDE) !== 0,
  });
}

const TYPE_SOLICITATION = 135;
const TYPE_ADVERTISEMENT = 136;
const FLAG_ROUTER = 0x80;
const FLAG_SOLICITED = 0x40;
const FLAG_OVERRIDE = 0x20;
const OPTION_SOURCE = 1;
const OPTION_TARGET = 2;
const NEXT_HEADER_ICMPV6 = 58;
const HOP_LIMIT = 255;
const ADDRESS_BYTES = 16;
const ICMP_START = 54;
const SHORTEST_ICMP_BYTES = 24;
const OPTION_BYTES = 8;
const MAC_BYTES = 6;
const ALL_NODES = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

interface Parts {
  readonly type: number;
  readonly flags: number;
  readonly mac: Uint8Array;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly target: Uint8Array;
  readonly option: number | undefined;
}

function neighborFrame(parts: Parts): Buffer {
  const icmp = Buffer.alloc(SHORTEST_ICMP_BYTES + (parts.option === undefined ? 0 : OPTION_BYTES));
  icmp.writeUInt8(parts.type, 0);
  icmp.writeUInt8(parts.flags, 4);
  icmp.set(parts.target, 8);
  if (parts.option !== undefined) {
    icmp.writeUInt8(parts.option, 24);
    icmp.writeUInt8(1, 25);
    icmp.set(parts.mac, 26);
  }
  icmp.writeUInt16BE(checksum(parts.source, parts.destination, icmp), 2);
  const header = Buffer.alloc(ICMP_START);
  // RFC 2464 §7: an IPv6 group's Ethernet address is 33:33 and the group's last four bytes.
  header.set([0x33, 0x33, ...parts.destination.subarray(12)], 0);
  header.set(parts.mac, 6);
  header.writeUInt16BE(ETH_P_IPV6, 12);
  header.writeUInt8(0x60, 14);
  header.writeUInt16BE(icmp.length, 18);
  header.writeUInt8(NEXT_HEADER_ICMPV6, 20);
  header.writeUInt8(HOP_LIMIT, 21);
  header.set(parts.source, 22);
  header.set(parts.destination, 38);
  return Buffer.concat([header, icmp]);
}

/** RFC 4443 §2.3, over the pseudo-header; 0 when the message already holds its right checksum. */
function checksum(source: Uint8Array, destination: Uint8Array, icmp: Buffer): number {
  let sum = icmp.length + NEXT_HEADER_ICMPV6;
  for (const part of [source, destination, icmp]) {
    for (const [index, byte] of part.entries()) {
      sum += index % 2 === 0 ? byte << 8 : byte;
    }
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return ~sum & 0xffff;
}

/** Link-layer addresses by option type; undefined when a length is zero or does not fit. */
function parseOptions(bytes: Buffer): ReadonlyMap<number, Uint8Array> | undefined {
  const options = new Map<number, Uint8Array>();
  let offset = 0;
  while (offset < bytes.length) {
    const length = OPTION_BYTES * (bytes[offset + 1] ?? 0);
    if (length === 0 || offset + length > bytes.length) {
      return undefined;
    }
    options.set(bytes.readUInt8(offset), Uint8Array.from(bytes.subarray(offset + 2, offset + 2 + MAC_BYTES)));
    offset += length;
  }
  return options;
}

function addressAt(bytes: Buffer, offset: number): IpAddress {
  return { family: 6, bytes: Uint8Array.from(bytes.subarray(offset, offset + ADDRESS_BYTES)) };
}
