import { fail, ok, type Result } from '../core/result.ts';
import { attribute, netlinkMessage, NLM_F_REQUEST, parseAttributes, type NetlinkMessage } from './netlink.ts';

/** Interfaces as NETLINK_ROUTE messages. Source: linux/if_link.h, `man 7 rtnetlink`. */

export const RTNLGRP_LINK = 1;

export interface InterfaceState {
  readonly name: string;
  readonly index: number;
  /** Ethernet hardware address; undefined for an interface that has none (tunnels, loopback). */
  readonly mac: Uint8Array | undefined;
  /** Somebody set it up; it may still have no carrier. */
  readonly isUp: boolean;
  /** The cable is in and the other end speaks. */
  readonly carrier: boolean;
  /** RFC 2863: 0 unknown, 2 down, 3 lower layer down, 5 dormant, 6 up. */
  readonly operationalState: number;
}

/** Asks for one interface by its name, without its statistics, which would be most of the answer. */
export function getLink(name: string): Buffer {
  const filter = Buffer.alloc(4);
  filter.writeUInt32LE(RTEXT_FILTER_SKIP_STATS);
  return netlinkMessage(
    { type: RTM_GETLINK, flags: NLM_F_REQUEST },
    Buffer.alloc(HEADER_BYTES),
    attribute(IFLA_IFNAME, Buffer.from(`${name}\0`)),
    attribute(IFLA_EXT_MASK, filter),
  );
}

export function parseLink(message: NetlinkMessage): Result<InterfaceState, 'malformed' | 'not-a-link'> {
  if (message.type !== RTM_NEWLINK && message.type !== RTM_DELLINK) {
    return fail('not-a-link');
  }
  const { body } = message;
  const attributes = parseAttributes(body, HEADER_BYTES);
  if (!attributes.ok) {
    return attributes;
  }
  const name = attributes.value.get(IFLA_IFNAME);
  if (name === undefined) {
    return fail('malformed');
  }
  const mac = attributes.value.get(IFLA_ADDRESS);
  const isEthernet = body.readUInt16LE(2) === ARPHRD_ETHER && mac?.length === MAC_BYTES;
  const flags = body.readUInt32LE(8);
  return ok({
    name: name.toString('latin1').replace(/\0.*$/s, ''),
    index: body.readInt32LE(4),
    mac: isEthernet ? Uint8Array.from(mac) : undefined,
    isUp: (flags & IFF_UP) !== 0,
    // An interface that is down has no carrier, whatever its driver remembers.
    carrier: (flags & IFF_UP) !== 0 && attributes.value.get(IFLA_CARRIER)?.at(0) === 1,
    operationalState: attributes.value.get(IFLA_OPERSTATE)?.at(0) ?? 0,
  });
}

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_OPERSTATE = 16;
const IFLA_EXT_MASK = 29;
const IFLA_CARRIER = 33;
const RTEXT_FILTER_SKIP_STATS = 1 << 3;
const ARPHRD_ETHER = 1;
const IFF_UP = 1;
const MAC_BYTES = 6;
/** struct ifinfomsg. */
const HEADER_BYTES = 16;
