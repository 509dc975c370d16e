import { isUnspecified } from '../core/address.ts';
import { type Result } from '../core/result.ts';
import { ETH_P_IPV6, neighborProbe, parseNeighbor } from '../wire/neighbor.ts';
import { openProbe, type Probe, type ProbeOptions, type ProbeProtocol, type ProbeReason } from './probe.ts';

/**
 * Neighbour discovery evidence on one interface: `openArpProbe` for IPv6.
 *
 * A packet socket and not a raw ICMPv6 one: whether the hop limit is still 255, so that the frame was sent
 * on this very link, can be seen only in the whole frame (RFC 4861 §7.1). A filter in the kernel keeps
 * all other IPv6 traffic away.
 */
export function openNeighborProbe(options: ProbeOptions): Result<Probe, ProbeReason> {
  return openProbe(neighbor, options);
}

/** struct sock_filter: the operation, where to go if true and if false, the operand. */
function instruction(code: number, ifTrue: number, ifFalse: number, operand: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(operand, 4);
  return bytes;
}

const LOAD_BYTE = 0x30;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
const NEXT_HEADER_AT = 20;
const ICMP_TYPE_AT = 54;

const onlyNeighborDiscovery = Buffer.concat([
  instruction(LOAD_BYTE, 0, 0, NEXT_HEADER_AT),
  instruction(JUMP_IF_EQUAL, 0, 4, 58),
  instruction(LOAD_BYTE, 0, 0, ICMP_TYPE_AT),
  instruction(JUMP_IF_EQUAL, 1, 0, 135),
  instruction(JUMP_IF_EQUAL, 0, 1, 136),
  instruction(RETURN, 0, 0, 0x40000),
  instruction(RETURN, 0, 0, 0),
]);

const neighbor: ProbeProtocol = {
  family: 6,
  protocol: ETH_P_IPV6,
  filter: onlyNeighborDiscovery,
  question: neighborProbe,
  read: (frame) => {
    const parsed = parseNeighbor(frame);
    if (!parsed.ok) {
      return undefined;
    }
    const { kind, source, target, sourceMac, linkLayer } = parsed.value;
    const address = kind === 'advertisement' ? target : source;
    // Without the option the answer went to one who knows the address already; the frame's source will do.
    return isUnspecified(address) ? 'nobody' : { address, mac: linkLayer ?? sourceMac };
  },
};
