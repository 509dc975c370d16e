import { formatMac, parseMac } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { refusals, type Advertisement, type Role } from '../core/state.ts';
import {
  authenticate,
  authenticationBytes,
  envelopeReasons,
  type Expectation,
  magicOffset,
  pairIdOf,
  recognize,
  seal,
  type SignedBy,
  versionOffset,
} from './envelope.ts';
import { type Key, type Keys } from './key.ts';

export { magicOffset, pairIdOf, versionOffset };

/**
 * The heartbeat datagram, version 1: 164 bytes, network byte order, one size for every pair. The first 16
 * and the last 16 are its envelope, with the role as its own byte.
 *
 *     0  4  magic "vipr"               44  4  interval, µs            80  6  acknowledged sequence
 *     4  1  version                    48  4  lease, µs               86  1  acknowledged link
 *     5  1  role: 2 is active          52  4  dead, µs                87  1  count of floating MACs
 *     6  1  node id: 1, 2              56  8  boot id                 88  8  acknowledged sent at, µs
 *     7  1  key id                     64  8  sent at, µs             96  4  acknowledged, held for, µs
 *     8  8  pair id                    72  8  acknowledged boot id   100 48  floating MACs, 6 bytes each
 *    16  1  link                                                     148 16  HMAC-SHA-256, truncated
 *    17  1  flags: 1 maintenance, 2 resigning, 4 hand-over forced, 8 wants office, 16 acknowledges
 *    18  1  priority                   22  1  hand-over refusal       26  2  paths, bitmap
 *    19  1  refusal                    23  1  count of links heard    28  4  configuration digest
 *    20  1  hand-over request          24  1  links heard, bitmap     32  6  term
 *    21  1  hand-over answer           25  1  count of paths          38  6  sequence
 *
 * What is not used is zero, so that a value has exactly one form. The first eight bytes stand where they
 * are for ever: the kernel's gate matches magic, version and role, and another version can be recognised.
 */
export interface Heartbeat {
  readonly pairId: bigint;
  /** 1 or 2. */
  readonly nodeId: number;
  /** The key that authenticates it. */
  readonly keyId: number;
  /** See `newBootId`. */
  readonly bootId: bigint;
  /** Counts the sender's ticks in this boot; all links carry the same number on the same tick. */
  readonly sequence: number;
  /** Position of the link, in configured order, that it was sent on. 0..7. */
  readonly link: number;
  /** Whole microseconds travel. */
  readonly intervalMs: number;
  readonly leaseMs: number;
  readonly deadMs: number;
  readonly advertisement: Advertisement;
  /** The echo of what the sender heard of the receiver; undefined while it has heard nothing. */
  readonly acknowledged: Acknowledgement | undefined;
  /** Lower case with colons, in configured order; all zeros for an interface that has none. */
  readonly floatingMacs: readonly string[];
  /** The sender's monotonic clock, microseconds. It means nothing to anyone but the sender. */
  readonly sentAtUs: number;
}

/** Echoes one heartbeat of the receiver, so that it can prove that we live and measure the round trip. */
export interface Acknowledgement {
  readonly bootId: bigint;
  readonly sequence: number;
  /** The link on which the echoed heartbeat was sent. */
  readonly link: number;
  /** The receiver's own clock, as it stood in the echoed heartbeat. */
  readonly sentAtUs: number;
  /** How long the sender has had it before it sent this. RFC 5905 §8: taken off the round trip. */
  readonly heldUs: number;
}

/** Why a datagram is not a heartbeat of our peer; each is a label of a metric. */
export const refusedReasons = [...envelopeReasons, 'malformed', 'replayed', 'wrong-link'] as const;
export type RefusedReason = (typeof refusedReasons)[number];

/** Where to look for what in the datagram, for those who match it without parsing it. */
export const heartbeatBytes = 164;
export const magic: readonly number[] = [0x76, 0x69, 0x70, 0x72];
export const version = 1;
export const roleOffset = 5;
export const activeRoleByte = 2;

export const mostLinks = 8;
export const mostPaths = 16;
export const mostFloatingMacs = 8;

/** By its place on the wire. */
const roles: readonly Role[] = ['initialize', 'backup', 'active'];

const kind = { magic, version, hasItsSize: (bytes: Buffer) => bytes.length === heartbeatBytes };
const signedBytes = heartbeatBytes - authenticationBytes;
const macBytes = 6;
const flag = { maintenance: 1, resigning: 2, handoverForced: 4, wantsOffice: 8, acknowledges: 16 };

/**
 * Makes the datagram and signs it. The fields must be in the ranges of the layout; one that is not is a
 * bug and throws. Fractions of a microsecond are cut off.
 */
export function formatHeartbeat(heartbeat: Omit<Heartbeat, 'keyId'>, key: Key): Uint8Array {
  const { advertisement, acknowledged } = heartbeat;
  const datagram = Buffer.alloc(heartbeatBytes);
  datagram.writeUInt8(roles.indexOf(advertisement.role), roleOffset);
  datagram.writeUInt8(heartbeat.link, 16);
  datagram.writeUInt8(flagsOf(heartbeat), 17);
  datagram.writeUInt8(advertisement.priority, 18);
  datagram.writeUInt8(refusals.indexOf(advertisement.refusal), 19);
  datagram.writeUInt8(advertisement.handoverRequest, 20);
  datagram.writeUInt8(advertisement.handoverAnswer, 21);
  datagram.writeUInt8(refusals.indexOf(advertisement.handoverRefusal), 22);
  datagram.writeUInt8(advertisement.hears.length, 23);
  datagram.writeUInt8(bitmapOf(advertisement.hears), 24);
  datagram.writeUInt8(advertisement.pathsOk.length, 25);
  datagram.writeUInt16BE(bitmapOf(advertisement.pathsOk), 26);
  datagram.writeUInt32BE(advertisement.configDigest, 28);
  datagram.writeUIntBE(advertisement.term, 32, 6);
  datagram.writeUIntBE(heartbeat.sequence, 38, 6);
  datagram.writeUInt32BE(Math.round(heartbeat.intervalMs * 1000), 44);
  datagram.writeUInt32BE(Math.round(heartbeat.leaseMs * 1000), 48);
  datagram.writeUInt32BE(Math.round(heartbeat.deadMs * 1000), 52);
  datagram.writeBigUInt64BE(heartbeat.bootId, 56);
  datagram.writeBigUInt64BE(BigInt(Math.floor(heartbeat.sentAtUs)), 64);
  if (acknowledged !== undefined) {
    datagram.writeBigUInt64BE(acknowledged.bootId, 72);
    datagram.writeUIntBE(acknowledged.sequence, 80, 6);
    datagram.writeUInt8(acknowledged.link, 86);
    datagram.writeBigUInt64BE(BigInt(Math.floor(acknowledged.sentAtUs)), 88);
    datagram.writeUInt32BE(Math.floor(acknowledged.heldUs), 96);
  }
  datagram.writeUInt8(heartbeat.floatingMacs.length, 87);
  for (const [index, mac] of heartbeat.floatingMacs.entries()) {
    datagram.set(macBytesOf(mac), 100 + macBytes * index);
  }
  assertInRange(heartbeat);
  seal(datagram, kind, heartbeat, key);
  return datagram;
}

/**
 * Reads a datagram of anyone: whatever the bytes are, the answer is a value. Cheap checks come first;
 * nothing but magic, version, pair and key id is looked at before the authentication holds, so the
 * reasons after it are about a director that has the key. Whether it is fresh is `admit`'s question.
 */
export function parseHeartbeat(
  datagram: Uint8Array,
  keys: Keys,
  expectation: Expectation,
): Result<Heartbeat, RefusedReason> {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const key = recognize(bytes, kind, keys, expectation);
  if (!key.ok) {
    return key;
  }
  const signedBy = authenticate(bytes, key.value, expectation);
  if (!signedBy.ok) {
    return signedBy;
  }
  const heartbeat = readFields(bytes, signedBy.value);
  return heartbeat === undefined ? fail('malformed') : ok(heartbeat);
}

/** The fields of an authentic datagram; undefined when one is out of range or not in its only form. */
function readFields(bytes: Buffer, { pairId, nodeId, keyId }: SignedBy): Heartbeat | undefined {
  const role = roles[bytes.readUInt8(roleOffset)];
  const link = bytes.readUInt8(16);
  const flags = bytes.readUInt8(17);
  const priority = bytes.readUInt8(18);
  const refusal = refusals[bytes.readUInt8(19)];
  const handoverRefusal = refusals[bytes.readUInt8(22)];
  const hears = booleansOf(bytes.readUInt8(24), bytes.readUInt8(23), mostLinks);
  const pathsOk = booleansOf(bytes.readUInt16BE(26), bytes.readUInt8(25), mostPaths);
  const sentAtUs = readMicroseconds(bytes, 64);
  const acknowledgement = readAcknowledgement(bytes, (flags & flag.acknowledges) !== 0);
  const floatingMacs = readMacs(bytes);
  if (
    role === undefined ||
    (nodeId !== 1 && nodeId !== 2) ||
    link >= mostLinks ||
    flags > 31 ||
    priority > 254 ||
    refusal === undefined ||
    handoverRefusal === undefined ||
    hears === undefined ||
    pathsOk === undefined ||
    sentAtUs === undefined ||
    acknowledgement === undefined ||
    floatingMacs === undefined
  ) {
    return undefined;
  }
  return {
    pairId,
    nodeId,
    keyId,
    bootId: bytes.readBigUInt64BE(56),
    sequence: bytes.readUIntBE(38, 6),
    link,
    intervalMs: bytes.readUInt32BE(44) / 1000,
    leaseMs: bytes.readUInt32BE(48) / 1000,
    deadMs: bytes.readUInt32BE(52) / 1000,
    advertisement: {
      role,
      term: bytes.readUIntBE(32, 6),
      priority,
      refusal,
      isMaintenance: (flags & flag.maintenance) !== 0,
      isResigning: (flags & flag.resigning) !== 0,
      handoverRequest: bytes.readUInt8(20),
      isHandoverForced: (flags & flag.handoverForced) !== 0,
      handoverAnswer: bytes.readUInt8(21),
      handoverRefusal,
      wantsOffice: (flags & flag.wantsOffice) !== 0,
      hears,
      pathsOk,
      configDigest: bytes.readUInt32BE(28),
    },
    acknowledged: acknowledgement.value,
    floatingMacs,
    sentAtUs,
  };
}

/** Undefined when malformed; `value` is undefined when the sender acknowledges nothing. */
function readAcknowledgement(
  bytes: Buffer,
  isPresent: boolean,
): { readonly value: Acknowledgement | undefined } | undefined {
  const bootId = bytes.readBigUInt64BE(72);
  const sequence = bytes.readUIntBE(80, 6);
  const link = bytes.readUInt8(86);
  const sentAtUs = readMicroseconds(bytes, 88);
  const heldUs = bytes.readUInt32BE(96);
  if (isPresent) {
    return sentAtUs === undefined || link >= mostLinks
      ? undefined
      : { value: { bootId, sequence, link, sentAtUs, heldUs } };
  }
  const isBlank = bootId === 0n && sequence === 0 && link === 0 && sentAtUs === 0 && heldUs === 0;
  return isBlank ? { value: undefined } : undefined;
}

function readMacs(bytes: Buffer): string[] | undefined {
  const count = bytes.readUInt8(87);
  const unused = bytes.subarray(100 + macBytes * Math.min(count, mostFloatingMacs), signedBytes);
  if (count > mostFloatingMacs || unused.some((byte) => byte !== 0)) {
    return undefined;
  }
  return Array.from({ length: count }, (_, index) => {
    const offset = 100 + macBytes * index;
    return formatMac(bytes.subarray(offset, offset + macBytes));
  });
}

function readMicroseconds(bytes: Buffer, offset: number): number | undefined {
  const value = Number(bytes.readBigUInt64BE(offset));
  return Number.isSafeInteger(value) ? value : undefined;
}

function flagsOf({ advertisement, acknowledged }: Omit<Heartbeat, 'keyId'>): number {
  return (
    (advertisement.isMaintenance ? flag.maintenance : 0) |
    (advertisement.isResigning ? flag.resigning : 0) |
    (advertisement.isHandoverForced ? flag.handoverForced : 0) |
    (advertisement.wantsOffice ? flag.wantsOffice : 0) |
    (acknowledged === undefined ? 0 : flag.acknowledges)
  );
}

/** Bit 0 is the first in configured order. */
function bitmapOf(values: readonly boolean[]): number {
  return values.reduce((bits, value, index) => (value ? bits | (1 << index) : bits), 0);
}

function booleansOf(bits: number, count: number, most: number): boolean[] | undefined {
  if (count > most || bits >> count !== 0) {
    return undefined;
  }
  return Array.from({ length: count }, (_, index) => ((bits >> index) & 1) === 1);
}

function macBytesOf(mac: string): Uint8Array {
  const bytes = parseMac(mac);
  if (bytes === undefined) {
    throw new RangeError(`not a MAC address: ${mac}`);
  }
  return bytes;
}

/** What fits into its bytes but not into the layout; the writing itself refuses the rest. */
function assertInRange(heartbeat: Omit<Heartbeat, 'keyId'>): void {
  const { link, advertisement, acknowledged, floatingMacs } = heartbeat;
  const isInRange =
    link < mostLinks &&
    advertisement.priority <= 254 &&
    advertisement.hears.length <= mostLinks &&
    advertisement.pathsOk.length <= mostPaths &&
    floatingMacs.length <= mostFloatingMacs &&
    (acknowledged === undefined || acknowledged.link < mostLinks);
  if (!isInRange) {
    throw new RangeError('a field of the heartbeat is out of range');
  }
}
