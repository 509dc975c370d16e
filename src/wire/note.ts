import { fail, ok, type Result } from '../core/result.ts';
import {
  authenticate,
  authenticationBytes,
  envelopeReasons,
  type Expectation,
  fieldsOffset,
  isOfKind,
  recognize,
  seal,
  type SignedBy,
} from './envelope.ts';
import { type Key, type Keys } from './key.ts';

/**
 * A note: a text of one director process to the other, beside the heartbeats, on the same links and with
 * the same keys. Version 1: 56 bytes and the text, network byte order.
 *
 *     0 16  envelope: magic "vipn", version, zero, node id, key id, pair id
 *    16  8  boot id of the sender           38  2  length of the text, bytes
 *    24  8  boot id of the receiver         40  …  text, UTF-8, at most 1024 bytes
 *    32  6  tick: the sequence number of   -16 16  HMAC-SHA-256 of all before it, truncated
 *           the heartbeat it goes out with
 *
 * Why a text can be believed:
 *
 * - **Who wrote it.** The authentication covers all other bytes, and only the two directors have the key.
 *   What the receiver wrote itself, sent back to it, is `from-self`.
 * - **It is a note.** The magic is among the signed bytes, so no heartbeat can be passed off as a note,
 *   nor a note as a heartbeat: whatever its text, it can neither move the office nor renew the lease. The
 *   gate of the kernel looks at the bytes only, but at the magic first, and at the head of a datagram: a
 *   later fragment has none, and a note of the largest size needs no fragments where IPv6 can pass.
 * - **When it was written.** A recording is as authentic as the original. Three numbers tell them apart,
 *   and none of them is a clock: the boot of the sender must be the one that heartbeats have proven to be
 *   alive; the receiver's boot must be its present one, or else a receiver that starts anew, and has
 *   forgotten what it read, could be told the past of a peer that lived on; and within the two the tick
 *   must be greater than that of every note before, and not a whole window behind the heartbeats, so that
 *   nobody can hold the newest one back and hand it over later. That is `admitNote` (admission.ts).
 *
 * Who sits on the wire can read notes, and can keep them from arriving. They are a help, not a promise:
 * nothing is sent again, and whoever writes them says again what still holds.
 */
export interface Note {
  readonly pairId: bigint;
  /** 1 or 2. */
  readonly nodeId: number;
  /** The key that authenticates it. */
  readonly keyId: number;
  /** See `newBootId`. */
  readonly bootId: bigint;
  /** The boot of the receiver for which it is meant: the one that the sender has proven. */
  readonly receiverBootId: bigint;
  /** Of all notes of a boot each has a greater one than those before it. */
  readonly tick: number;
  readonly text: string;
}

/** Why a datagram is not a note of our peer, or is none to be read now; each is a label of a metric. */
export const noteReasons = [
  ...envelopeReasons,
  'too-many',
  'malformed',
  'unproven',
  'other-receiver',
  'replayed',
] as const;
export type NoteReason = (typeof noteReasons)[number];

/** With all headers it fits the 1280 bytes that every IPv6 link carries (RFC 8200 §5). */
export const mostTextBytes = 1024;

const senderOffset = fieldsOffset;
const receiverOffset = 24;
const tickOffset = 32;
const lengthOffset = 38;
const textOffset = 40;
const kind = { magic: [0x76, 0x69, 0x70, 0x6e], version: 1, hasItsSize };
/** What a heartbeat says its role in. */
const unusedOffset = 5;

/** Whether it is a matter for `parseNote`. It may still be anything. */
export function isNote(datagram: Uint8Array): boolean {
  return isOfKind(datagram, kind);
}

/** Whether the text is short enough for a note. */
export function fitsNote(text: string): boolean {
  return Buffer.byteLength(text, 'utf8') <= mostTextBytes;
}

/**
 * Makes the datagram and signs it. A field that is out of range is a bug and throws, a text that is too
 * long among them. Half a surrogate pair, which has no UTF-8, becomes U+FFFD.
 */
export function formatNote(note: Omit<Note, 'keyId'>, key: Key): Uint8Array {
  if (!fitsNote(note.text)) {
    throw new RangeError('the text of a note is too long');
  }
  const text = Buffer.from(note.text, 'utf8');
  const datagram = Buffer.alloc(textOffset + text.length + authenticationBytes);
  datagram.writeBigUInt64BE(note.bootId, senderOffset);
  datagram.writeBigUInt64BE(note.receiverBootId, receiverOffset);
  datagram.writeUIntBE(note.tick, tickOffset, 6);
  datagram.writeUInt16BE(text.length, lengthOffset);
  datagram.set(text, textOffset);
  seal(datagram, kind, note, key);
  return datagram;
}

export interface NoteExpectation extends Expectation {
  /** Asked before the one check that costs anything; no is `too-many`. */
  readonly mayAuthenticate: () => boolean;
}

/**
 * Reads a datagram of anyone: whatever the bytes are, the answer is a value. Nothing is looked at before
 * the authentication holds but the envelope and whether the length is that of the datagram.
 */
export function parseNote(
  datagram: Uint8Array,
  keys: Keys,
  expectation: NoteExpectation,
): Result<Note, NoteReason> {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const key = recognize(bytes, kind, keys, expectation);
  if (!key.ok) {
    return key;
  }
  if (!expectation.mayAuthenticate()) {
    return fail('too-many');
  }
  const signedBy = authenticate(bytes, key.value, expectation);
  if (!signedBy.ok) {
    return signedBy;
  }
  const note = readFields(bytes, signedBy.value);
  return note === undefined ? fail('malformed') : ok(note);
}

function hasItsSize(bytes: Buffer): boolean {
  if (bytes.length < textOffset + authenticationBytes) {
    return false;
  }
  const length = bytes.readUInt16BE(lengthOffset);
  return length <= mostTextBytes && bytes.length === textOffset + length + authenticationBytes;
}

/** The fields of an authentic datagram; undefined when one is out of range or not in its only form. */
function readFields(bytes: Buffer, sender: SignedBy): Note | undefined {
  const textBytes = bytes.subarray(textOffset, bytes.length - authenticationBytes);
  const text = textBytes.toString('utf8');
  // Bytes that are no UTF-8 have been replaced in the text: they do not come out again.
  const isUtf8 = Buffer.from(text, 'utf8').equals(textBytes);
  const isNode = sender.nodeId === 1 || sender.nodeId === 2;
  if (!isUtf8 || !isNode || bytes.readUInt8(unusedOffset) !== 0) {
    return undefined;
  }
  return {
    ...sender,
    bootId: bytes.readBigUInt64BE(senderOffset),
    receiverBootId: bytes.readBigUInt64BE(receiverOffset),
    tick: bytes.readUIntBE(tickOffset, 6),
    text,
  };
}
