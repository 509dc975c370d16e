import { type Family, type IpAddress } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import {
  attribute,
  netlinkMessage,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  parseAttributes,
  type NetlinkMessage,
} from './netlink.ts';

/** Addresses of interfaces as NETLINK_ROUTE messages. Source: linux/if_addr.h, `man 7 rtnetlink`. */

export const RTNLGRP_IPV4_IFADDR = 5;
export const RTNLGRP_IPV6_IFADDR = 9;

export interface AddressKey {
  readonly interfaceIndex: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
}

export interface AddressAssignment extends AddressKey {
  /** IPv4 only; must begin with the interface's name. */
  readonly label: string | undefined;
  /** The kernel removes the address when this is over; 2^32 − 1 is for ever. */
  readonly validSeconds: number;
}

export interface AddressNotice extends AddressKey {
  readonly kind: 'present' | 'removed';
  readonly label: string | undefined;
}

/**
 * Adds the address, or extends the life of one that is there.
 *
 * `preferred_lft` is 0, so that the kernel does not choose a floating IPv6 address as the source of the
 * router's own traffic. IPv6 skips duplicate address detection, which would hold the address back for a
 * second; and a host address (/32, /128) brings no prefix route, which nothing would use.
 */
export function newAddress(assignment: AddressAssignment): Buffer {
  const { address, prefixLength, label } = assignment;
  const isHost = prefixLength === address.bytes.length * 8;
  const flags = (address.family === 6 ? IFA_F_NODAD : 0) | (isHost ? IFA_F_NOPREFIXROUTE : 0);
  const lifetimes = Buffer.alloc(16);
  lifetimes.writeUInt32LE(0, 0);
  lifetimes.writeUInt32LE(assignment.validSeconds, 4);
  return netlinkMessage(
    { type: RTM_NEWADDR, flags: NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE },
    ...keyParts(assignment),
    attribute(IFA_FLAGS, uint32(flags)),
    attribute(IFA_CACHEINFO, lifetimes),
    ...(label === undefined ? [] : [attribute(IFA_LABEL, Buffer.from(`${label}\0`))]),
  );
}

/** Answered with EADDRNOTAVAIL when the interface has no such address. */
export function deleteAddress(key: AddressKey): Buffer {
  return netlinkMessage({ type: RTM_DELADDR, flags: NLM_F_REQUEST | NLM_F_ACK }, ...keyParts(key));
}

/** Asks for every address of every interface. */
export function dumpAddresses(): Buffer {
  return netlinkMessage({ type: RTM_GETADDR, flags: NLM_F_REQUEST | NLM_F_DUMP }, Buffer.alloc(HEADER_BYTES));
}

/** What a dump or a notification says of one address. */
export function parseAddressNotice(
  message: NetlinkMessage,
): Result<AddressNotice, 'malformed' | 'not-an-address'> {
  if (message.type !== RTM_NEWADDR && message.type !== RTM_DELADDR) {
    return fail('not-an-address');
  }
  const { body } = message;
  const attributes = parseAttributes(body, HEADER_BYTES);
  if (!attributes.ok) {
    return attributes;
  }
  const family = familyOf(body.readUInt8(0));
  if (family === undefined) {
    return fail('not-an-address');
  }
  // On a point-to-point interface IFA_ADDRESS is the far end; the own one is IFA_LOCAL.
  const bytes = attributes.value.get(IFA_LOCAL) ?? attributes.value.get(IFA_ADDRESS);
  if (bytes?.length !== ADDRESS_BYTES[family]) {
    return fail('malformed');
  }
  const label = attributes.value.get(IFA_LABEL);
  return ok({
    kind: message.type === RTM_NEWADDR ? 'present' : 'removed',
    interfaceIndex: body.readUInt32LE(4),
    address: { family, bytes: Uint8Array.from(bytes) },
    prefixLength: body.readUInt8(1),
    label: label?.toString('latin1').replace(/\0.*$/s, ''),
  });
}

const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_CACHEINFO = 6;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 0x02;
const IFA_F_NOPREFIXROUTE = 0x200;
const AF_INET = 2;
const AF_INET6 = 10;
const ADDRESS_BYTES: Readonly<Record<Family, number>> = { 4: 4, 6: 16 };
/** struct ifaddrmsg. */
const HEADER_BYTES = 8;

function keyParts({ address, prefixLength, interfaceIndex }: AddressKey): readonly Buffer[] {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(address.family === 4 ? AF_INET : AF_INET6, 0);
  header.writeUInt8(prefixLength, 1);
  header.writeUInt32LE(interfaceIndex, 4);
  return [header, attribute(IFA_LOCAL, address.bytes), attribute(IFA_ADDRESS, address.bytes)];
}

function familyOf(value: number): Family | undefined {
  switch (value) {
    case AF_INET:
      return 4;
    case AF_INET6:
      return 6;
    default:
      return undefined;
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
