import { createHash, createHmac, timingSafeEqual, type KeyObject } from 'node:crypto';
import { fail, ok, type Result } from '../core/result.ts';
import { type Key, type Keys } from './key.ts';

/**
 * What every datagram between two directors begins and ends with, network byte order:
 *
 *     0  4  magic: the kind of datagram      6  1  node id: 1, 2
 *     4  1  version of that kind             7  1  key id
 *     5  1  the kind's own                   8  8  pair id
 *   -16 16  HMAC-SHA-256 of all before it, truncated
 *
 * The keys are the same for all kinds. What keeps the kinds apart is that the signed bytes begin with the
 * magic: what was signed as one kind is never authentic as another.
 */
export interface Kind {
  readonly magic: readonly number[];
  readonly version: number;
}

export interface Sender {
  readonly pairId: bigint;
  /** 1 or 2. */
  readonly nodeId: number;
}

export interface SignedBy extends Sender {
  readonly keyId: number;
}

export interface Expectation {
  readonly pairId: bigint;
  readonly ownNodeId: number;
}

export const magicOffset = 0;
export const versionOffset = 4;
/** Where the fields of a kind begin, and how many bytes follow them. */
export const fieldsOffset = 16;
export const authenticationBytes = 16;

/** Why a datagram is not one of the peer, of any kind; in the order in which it is looked at. */
export const envelopeReasons = [
  'wrong-size',
  'wrong-magic',
  'wrong-version',
  'wrong-pair',
  'unknown-key',
  'bad-authentication',
  'from-self',
] as const;
export type EnvelopeReason = (typeof envelopeReasons)[number];

const nodeIdOffset = 6;
const keyIdOffset = 7;
const pairIdOffset = 8;
/** Magic and version: what is needed to name the kind. */
const leastBytes = 8;

/** The first 64 bits of the SHA-256 of the pair's name: pairs that share a group do not hear each other. */
export function pairIdOf(pair: string): bigint {
  return createHash('sha256').update(pair, 'utf8').digest().readBigUInt64BE(0);
}

/** Whether somebody calls it a datagram of this kind; it may still be anything. */
export function isOfKind(bytes: Uint8Array, { magic }: Kind): boolean {
  return magic.every((byte, index) => bytes[magicOffset + index] === byte);
}

/** Writes the envelope around the fields that are already there, and signs all of it. */
export function seal(datagram: Buffer, kind: Kind, { pairId, nodeId }: Sender, key: Key): void {
  if (nodeId !== 1 && nodeId !== 2) {
    throw new RangeError(`there is no node id ${nodeId}`);
  }
  datagram.set(kind.magic, magicOffset);
  datagram.writeUInt8(kind.version, versionOffset);
  datagram.writeUInt8(nodeId, nodeIdOffset);
  datagram.writeUInt8(key.id, keyIdOffset);
  datagram.writeBigUInt64BE(pairId, pairIdOffset);
  const end = datagram.length - authenticationBytes;
  datagram.set(authenticationOf(datagram.subarray(0, end), key.secret), end);
}

/**
 * Looks whether it calls itself a datagram of this kind and of this pair, at no cost: the key that would
 * have to have signed it. `hasItsSize` is asked of bytes of the right kind and version only.
 */
export function recognize(
  bytes: Buffer,
  kind: Kind & { readonly hasItsSize: (bytes: Buffer) => boolean },
  keys: Keys,
  { pairId }: Expectation,
): Result<Key, EnvelopeReason> {
  if (bytes.length < leastBytes) {
    return fail('wrong-size');
  }
  if (!isOfKind(bytes, kind)) {
    return fail('wrong-magic');
  }
  // Before the exact size: another version may have another one, and its name is the better reason.
  if (bytes[versionOffset] !== kind.version) {
    return fail('wrong-version');
  }
  if (!kind.hasItsSize(bytes)) {
    return fail('wrong-size');
  }
  if (bytes.readBigUInt64BE(pairIdOffset) !== pairId) {
    return fail('wrong-pair');
  }
  const key = keys.accept.find(({ id }) => id === bytes[keyIdOffset]);
  return key === undefined ? fail('unknown-key') : ok(key);
}

/** Looks whether the peer made what was recognized. Its node id may still be none. */
export function authenticate(
  bytes: Buffer,
  key: Key,
  { pairId, ownNodeId }: Expectation,
): Result<SignedBy, EnvelopeReason> {
  const end = bytes.length - authenticationBytes;
  if (!timingSafeEqual(authenticationOf(bytes.subarray(0, end), key.secret), bytes.subarray(end))) {
    return fail('bad-authentication');
  }
  const nodeId = bytes.readUInt8(nodeIdOffset);
  return nodeId === ownNodeId ? fail('from-self') : ok({ pairId, nodeId, keyId: key.id });
}

/** RFC 2104 §5: an HMAC may be cut to its first half, here 128 bits. */
function authenticationOf(bytes: Uint8Array, secret: KeyObject): Uint8Array {
  return createHmac('sha256', secret).update(bytes).digest().subarray(0, authenticationBytes);
}
