import { formatAddress, type IpAddress, isMulticast, parseAddress } from '../core/address.ts';
import { type HeartbeatConfig } from './schema.ts';

/**
 * The multicast group of the link at this position: its own, or the base plus the position. Each link has
 * its own, for two sockets that join one group on two interfaces both hear both wires. Undefined when the
 * sum leaves the multicast range.
 */
export function groupOfLink(
  heartbeat: {
    readonly group: string;
    readonly links: readonly Pick<HeartbeatConfig['links'][number], 'group'>[];
  },
  index: number,
): string | undefined {
  const own = heartbeat.links[index]?.group;
  if (own !== undefined) {
    return own;
  }
  const base = parseAddress(heartbeat.group);
  const sum = base === undefined ? undefined : plus(base, index);
  return sum !== undefined && isMulticast(sum) ? formatAddress(sum) : undefined;
}

function plus(address: IpAddress, addend: number): IpAddress {
  const bytes = Uint8Array.from(address.bytes);
  let carry = addend;
  for (let position = bytes.length - 1; position >= 0 && carry > 0; position -= 1) {
    const sum = (bytes[position] ?? 0) + carry;
    bytes[position] = sum & 0xff;
    carry = sum >> 8;
  }
  return { family: address.family, bytes };
}
