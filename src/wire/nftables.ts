import { fail, ok, type Result } from '../core/result.ts';
import {
  attribute,
  nested,
  netlinkMessage,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_REQUEST,
  parseAttributes,
  type NetlinkMessage,
} from './netlink.ts';
import { text, u32, u64 } from './nftables-expressions.ts';

/**
 * Messages of nf_tables: made, and what comes back read.
 *
 * Changes travel between `batchBegin` and `batchEnd`: the kernel carries out all of them at one instant, or
 * none, also where they concern tables of several families.
 *
 * Source: linux/netfilter/nf_tables.h, nfnetlink.h; libnftnl for the layout of comments.
 */

/** NFNLGRP_NFTABLES: every change of any table is announced there. */
export const NFTABLES_GROUP = 7;

/** A family, a name: the same name in two families is two tables. */
export interface Table {
  readonly family: TableFamily;
  readonly name: string;
}

export function isSameTable(one: Table, other: Table): boolean {
  return one.family === other.family && one.name === other.name;
}

export type TableFamily = 'netdev' | 'arp' | 'inet';

export function batchBegin(): Buffer {
  return batchMessage(0x10);
}

export function batchEnd(): Buffer {
  return batchMessage(0x11);
}

/** A table that is already there stays as it is. */
export function newTable(table: Table, comment: string): Buffer {
  return change(
    table,
    message.newTable,
    NLM_F_CREATE,
    attribute(1, text(table.name)),
    attribute(6, commentOf(comment)),
  );
}

/** With all that is in it. ENOENT if there is none. */
export function deleteTable(table: Table): Buffer {
  return change(table, message.deleteTable, 0, attribute(1, text(table.name)));
}

/** The table and all that is in it; no error when there is none. */
export function deleteIfThere(table: Table): readonly Buffer[] {
  // Made before it is deleted, for deleting what is not there would be an error.
  return [newTable(table, ''), deleteTable(table)];
}

/** The kernel wants a number that is unique in the transaction, also where the name is used. */
export interface SetName {
  readonly name: string;
  readonly id: number;
  readonly comment?: string;
}

/** Addresses; the elements come by `addElements`. */
export function newAddressSet(table: Table, set: SetName, family: 4 | 6): Buffer {
  const [keyType, keyBytes] = family === 4 ? [7, 4] : [8, 16];
  return newSet(table, set, attribute(3, u32(0)), attribute(4, u32(keyType)), attribute(5, u32(keyBytes)));
}

/** Four-byte keys that time out, and that a rule may renew. */
export function newTimeoutSet(table: Table, set: SetName, size: number): Buffer {
  return newSet(
    table,
    set,
    attribute(3, u32(SET_TIMEOUT | SET_EVAL)),
    attribute(4, u32(KEY_TYPE_MARK)),
    attribute(5, u32(4)),
    nested(9, attribute(1, u32(size))),
  );
}

export interface BaseChain {
  readonly hook: Hook;
  /** In the netdev family, and only there. */
  readonly interfaceName: string | undefined;
  readonly priority: number;
}

export type Hook = keyof typeof hookNumbers;

/** Policy accept. ENOENT or, on newer kernels, nothing at all when the interface is missing. */
export function newBaseChain(table: Table, chain: string, base: BaseChain): Buffer {
  return change(
    table,
    message.newChain,
    NLM_F_CREATE,
    attribute(1, text(table.name)),
    attribute(3, text(chain)),
    nested(
      4,
      attribute(1, u32(hookNumbers[base.hook])),
      attribute(2, u32(base.priority)),
      ...(base.interfaceName === undefined ? [] : [attribute(3, text(base.interfaceName))]),
    ),
    attribute(5, u32(POLICY_ACCEPT)),
    attribute(7, text('filter')),
  );
}

/** Goes to the end of the chain. */
export function newRule(
  table: Table,
  chain: string,
  rule: { readonly comment: string; readonly expressions: readonly Buffer[] },
): Buffer {
  return change(
    table,
    message.newRule,
    NLM_F_CREATE | NLM_F_APPEND,
    attribute(1, text(table.name)),
    attribute(2, text(chain)),
    nested(4, ...rule.expressions),
    attribute(7, commentOf(rule.comment)),
  );
}

/** Elements that are there already keep the time they have. */
export function addElements(
  table: Table,
  set: string,
  keys: readonly Uint8Array[],
  timeoutMs?: number,
): Buffer {
  const time = timeoutMs === undefined ? [] : [attribute(4, u64(timeoutMs))];
  return change(
    table,
    message.newElement,
    NLM_F_CREATE,
    ...nameOf(table, set),
    nested(3, ...keys.map((key) => nested(1, nested(1, attribute(1, key)), ...time))),
  );
}

/** ENOENT when it is not there or its time has run out. */
export function deleteElement(table: Table, set: string, key: Uint8Array): Buffer {
  return change(table, message.deleteElement, 0, ...nameOf(table, set), elementOf(key));
}

/** Removes every element; an empty set is no error. */
export function flushSet(table: Table, set: string): Buffer {
  return change(table, message.deleteElement, 0, ...nameOf(table, set));
}

/** How elements and sets say which set is meant. */
function nameOf(table: Table, set: string): readonly Buffer[] {
  return [attribute(1, text(table.name)), attribute(2, text(set))];
}

function elementOf(key: Uint8Array): Buffer {
  return nested(3, nested(1, nested(1, attribute(1, key))));
}

/** Asks for one element; ENOENT when it is not there or its time has run out. */
export function getElement(table: Table, set: string, key: Uint8Array): Buffer {
  return request(table, message.getElement, ...nameOf(table, set), elementOf(key));
}

export function getTable(table: Table): Buffer {
  return request(table, message.getTable, attribute(1, text(table.name)));
}

export function getSet(table: Table, set: string): Buffer {
  return request(table, message.getSet, ...nameOf(table, set));
}

export function getChain(table: Table, chain: string): Buffer {
  return request(table, message.getChain, attribute(1, text(table.name)), attribute(3, text(chain)));
}

/** What tells one life of a table or a chain from another, and whether something was added or taken away. */
export interface Identity {
  readonly handle: bigint;
  /** Chains and sets in a table; rules in a chain. */
  readonly useCount: number;
  /** Bit 0 of a table's: dormant, its rules are not in force. */
  readonly flags: number;
  readonly comment: string | undefined;
}

export function parseTable(answer: NetlinkMessage): Result<Identity, 'malformed'> {
  return parseIdentity(answer, { handle: 4, use: 3, flags: 2, comment: 6 });
}

export function parseChain(answer: NetlinkMessage): Result<Identity, 'malformed'> {
  return parseIdentity(answer, { handle: 2, use: 6, flags: 10, comment: 12 });
}

/** Of a set; undefined for one without. */
export function parseSetComment(answer: NetlinkMessage): Result<string | undefined, 'malformed'> {
  const attributes = parseAttributes(answer.body, GENERIC_BYTES);
  return attributes.ok ? ok(parseComment(attributes.value.get(13), SET_COMMENT)) : attributes;
}

/** Milliseconds until the element of the answer expires; undefined for one that has no time. */
export function parseExpiration(answer: NetlinkMessage): Result<number | undefined, 'malformed'> {
  const list = parseAttributes(answer.body, GENERIC_BYTES);
  const elements = list.ok ? parseAttributes(list.value.get(3) ?? empty) : list;
  const element = elements.ok ? parseAttributes(elements.value.get(1) ?? empty) : elements;
  if (!element.ok) {
    return element;
  }
  const expiration = element.value.get(5);
  if (expiration === undefined) {
    return ok(undefined);
  }
  return expiration.length === 8 ? ok(Number(expiration.readBigUInt64BE(0))) : fail('malformed');
}

export type Notice =
  /** Something in a table was added or taken away; `isElement`: in one of its sets. */
  | { readonly kind: 'change'; readonly table: Table; readonly isElement: boolean }
  /** Ends the changes of one transaction and names the program that made it. */
  | { readonly kind: 'generation'; readonly processId: number | undefined; readonly by: string };

/** Undefined for what says nothing about a table of these families, and for what cannot be read. */
export function parseNotice(notice: NetlinkMessage): Notice | undefined {
  const attributes = parseAttributes(notice.body, GENERIC_BYTES);
  if (notice.type >> 8 !== SUBSYSTEM || !attributes.ok) {
    return undefined;
  }
  const kind = notice.type & 0xff;
  if (kind === message.newGeneration) {
    const pid = attributes.value.get(2);
    const processId = pid?.length === 4 ? pid.readUInt32BE(0) : undefined;
    const name = textOf(attributes.value.get(3)) ?? 'an unknown program';
    return {
      kind: 'generation',
      processId,
      by: processId === undefined ? name : `${name} (pid ${processId})`,
    };
  }
  const name = textOf(attributes.value.get(1));
  const family = families.find((one) => familyNumbers[one] === notice.body[0]);
  if (family === undefined || name === undefined) {
    return undefined;
  }
  const isElement = kind === message.newElement || kind === message.deleteElement;
  return { kind: 'change', table: { family, name }, isElement };
}

export function isNewTable(sent: Buffer): boolean {
  return isOfKind(sent, message.newTable);
}

export function isNewChain(sent: Buffer): boolean {
  return isOfKind(sent, message.newChain);
}

const SUBSYSTEM = 10;
const families = ['netdev', 'arp', 'inet'] as const satisfies readonly TableFamily[];
/** NFPROTO_*. */
const familyNumbers: Readonly<Record<TableFamily, number>> = { netdev: 5, arp: 3, inet: 1 };
/** NF_NETDEV_*, NF_ARP_OUT and NF_INET_POST_ROUTING. */
const hookNumbers = { ingress: 0, egress: 1, output: 1, postrouting: 4 };
const GENERIC_BYTES = 4;
const SET_TIMEOUT = 0x10;
const SET_EVAL = 0x20;
/** How `nft list` prints the keys; the kernel does not care. */
const KEY_TYPE_MARK = 19;
const POLICY_ACCEPT = 1;
const LONGEST_COMMENT = 127;
/** Types of user data: of a table, a chain or a rule, and of a set. */
const COMMENT = 0;
const SET_COMMENT = 7;

const message = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newChain: 3,
  getChain: 4,
  newRule: 6,
  newSet: 9,
  getSet: 10,
  newElement: 12,
  getElement: 13,
  deleteElement: 14,
  newGeneration: 15,
};

const empty = Buffer.alloc(0);

function newSet(table: Table, set: SetName, ...attributes: readonly Buffer[]): Buffer {
  return change(
    table,
    message.newSet,
    NLM_F_CREATE,
    ...nameOf(table, set.name),
    ...attributes,
    attribute(10, u32(set.id)),
    ...(set.comment === undefined ? [] : [attribute(13, commentOf(set.comment, SET_COMMENT))]),
  );
}

function isOfKind(sent: Buffer, kind: number): boolean {
  return sent.readUInt16LE(4) === ((SUBSYSTEM << 8) | kind);
}

function change({ family }: Table, kind: number, flags: number, ...attributes: readonly Buffer[]): Buffer {
  const header = { type: (SUBSYSTEM << 8) | kind, flags: NLM_F_REQUEST | NLM_F_ACK | flags };
  return netlinkMessage(header, generic(familyNumbers[family], 0), ...attributes);
}

function request({ family }: Table, kind: number, ...attributes: readonly Buffer[]): Buffer {
  const header = { type: (SUBSYSTEM << 8) | kind, flags: NLM_F_REQUEST };
  return netlinkMessage(header, generic(familyNumbers[family], 0), ...attributes);
}

function batchMessage(type: number): Buffer {
  return netlinkMessage({ type, flags: NLM_F_REQUEST }, generic(0, SUBSYSTEM));
}

/** struct nfgenmsg: family, version 0, resource. */
function generic(family: number, resource: number): Buffer {
  const bytes = Buffer.alloc(GENERIC_BYTES);
  bytes[0] = family;
  bytes.writeUInt16BE(resource, 2);
  return bytes;
}

/** User data as `nft` writes it: type, length, text with its NUL. */
function commentOf(comment: string, type = COMMENT): Buffer {
  const value = text(comment.slice(0, LONGEST_COMMENT));
  return Buffer.concat([Buffer.from([type, value.length]), value]);
}

/** The comment among the user data, which may begin with what else `nft` notes down. */
function parseComment(userData: Buffer = empty, wanted = COMMENT): string | undefined {
  for (let at = 0; ;) {
    const [type, length] = userData.subarray(at);
    if (type === undefined || length === undefined) {
      return undefined;
    }
    if (type === wanted) {
      return textOf(userData.subarray(at + 2, at + 2 + length));
    }
    at += 2 + length;
  }
}

function parseIdentity(
  answer: NetlinkMessage,
  at: { readonly handle: number; readonly use: number; readonly flags: number; readonly comment: number },
): Result<Identity, 'malformed'> {
  const attributes = parseAttributes(answer.body, GENERIC_BYTES);
  if (!attributes.ok) {
    return attributes;
  }
  const handle = attributes.value.get(at.handle);
  const use = attributes.value.get(at.use);
  const flags = attributes.value.get(at.flags);
  if (handle?.length !== 8 || use?.length !== 4) {
    return fail('malformed');
  }
  return ok({
    handle: handle.readBigUInt64BE(0),
    useCount: use.readUInt32BE(0),
    flags: flags?.length === 4 ? flags.readUInt32BE(0) : 0,
    comment: parseComment(attributes.value.get(at.comment)),
  });
}

function textOf(bytes: Buffer | undefined): string | undefined {
  if (bytes === undefined) {
    return undefined;
  }
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}
