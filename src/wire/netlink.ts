import { fail, ok, type Result } from '../core/result.ts';

/**
 * Netlink messages and attributes, whatever the protocol that speaks in them.
 *
 * Numbers are in host order, written here as little-endian; `openLibc` refuses other hosts. Nothing that
 * comes in is trusted: a length that does not fit makes the whole datagram `malformed`.
 *
 * Source: linux/netlink.h, `man 7 netlink`.
 */

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** What was dumped changed meanwhile; the dump may be inconsistent. */
export const NLM_F_DUMP_INTR = 0x10;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export interface NetlinkHeader {
  readonly type: number;
  readonly flags: number;
}

export interface NetlinkMessage extends NetlinkHeader {
  readonly sequence: number;
  readonly body: Buffer;
}

export interface NetlinkAttribute {
  /** Without the flags for nesting and byte order. */
  readonly type: number;
  readonly payload: Buffer;
}

/** A message with sequence number 0; `withSequence` or the socket sets it. */
export function netlinkMessage(header: NetlinkHeader, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const bytes = Buffer.alloc(HEADER_BYTES + align(body.length));
  bytes.writeUInt32LE(HEADER_BYTES + body.length, 0);
  bytes.writeUInt16LE(header.type, 4);
  bytes.writeUInt16LE(header.flags, 6);
  body.copy(bytes, HEADER_BYTES);
  return bytes;
}

/** Writes the number into the message itself and returns it. */
export function withSequence(message: Buffer, sequence: number): Buffer {
  message.writeUInt32LE(sequence, SEQUENCE_OFFSET);
  return message;
}

export function flagsOf(message: Buffer): number {
  return message.readUInt16LE(6);
}

export function attribute(type: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(align(ATTRIBUTE_BYTES + payload.length));
  bytes.writeUInt16LE(ATTRIBUTE_BYTES + payload.length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(payload, ATTRIBUTE_BYTES);
  return bytes;
}

/** An attribute made of attributes, with NLA_F_NESTED. */
export function nested(type: number, ...children: readonly Uint8Array[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(children));
}

/** All messages of one datagram, in order. */
export function parseMessages(datagram: Uint8Array): Result<readonly NetlinkMessage[], 'malformed'> {
  const bytes = asBuffer(datagram);
  const messages: NetlinkMessage[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const rest = bytes.length - offset;
    const length = rest < HEADER_BYTES ? 0 : bytes.readUInt32LE(offset);
    if (length < HEADER_BYTES || length > rest) {
      return fail('malformed');
    }
    messages.push({
      type: bytes.readUInt16LE(offset + 4),
      flags: bytes.readUInt16LE(offset + 6),
      sequence: bytes.readUInt32LE(offset + SEQUENCE_OFFSET),
      body: bytes.subarray(offset + HEADER_BYTES, offset + length),
    });
    offset += align(length);
  }
  return ok(messages);
}

/** Attributes in order, for lists in which a type repeats. `offset` skips the fixed header before them. */
export function parseAttributeList(
  body: Uint8Array,
  offset = 0,
): Result<readonly NetlinkAttribute[], 'malformed'> {
  const bytes = asBuffer(body);
  const attributes: NetlinkAttribute[] = [];
  let at = offset;
  if (at > bytes.length) {
    return fail('malformed');
  }
  while (at < bytes.length) {
    const rest = bytes.length - at;
    const length = rest < ATTRIBUTE_BYTES ? 0 : bytes.readUInt16LE(at);
    if (length < ATTRIBUTE_BYTES || length > rest) {
      return fail('malformed');
    }
    attributes.push({
      type: bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK,
      payload: bytes.subarray(at + ATTRIBUTE_BYTES, at + length),
    });
    at += align(length);
  }
  return ok(attributes);
}

/** Attributes by type; of a repeated type the last. */
export function parseAttributes(
  body: Uint8Array,
  offset = 0,
): Result<ReadonlyMap<number, Buffer>, 'malformed'> {
  const list = parseAttributeList(body, offset);
  return list.ok ? ok(new Map(list.value.map(({ type, payload }) => [type, payload]))) : list;
}

/**
 * The errno that an NLMSG_ERROR or NLMSG_DONE message carries, positive, or 0 for success; undefined for any
 * other message and for a body too short to say.
 */
export function acknowledgedErrno(message: NetlinkMessage): number | undefined {
  const carries = message.type === NLMSG_ERROR || message.type === NLMSG_DONE;
  // `0 -` and not unary minus: the negative zero would be a different value to a test.
  return carries && message.body.length >= 4 ? 0 - message.body.readInt32LE(0) : undefined;
}

const HEADER_BYTES = 16;
const SEQUENCE_OFFSET = 8;
const ATTRIBUTE_BYTES = 4;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

function align(length: number): number {
  return (length + 3) & ~3;
}

/** A view, not a copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
