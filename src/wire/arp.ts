import { type IpAddress } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';

/** ARP for IPv4 over Ethernet as whole frames. Source: RFC 826, RFC 5227. */

export const ETH_P_ARP = 0x0806;

export interface ArpFrame {
  /** The Ethernet header's addresses; the payload may claim others. */
  readonly destination: Uint8Array;
  readonly source: Uint8Array;
  readonly operation: 'request' | 'reply';
  readonly senderMac: Uint8Array;
  readonly senderAddress: IpAddress;
  readonly targetMac: Uint8Array;
  readonly targetAddress: IpAddress;
}

export type ArpReason = 'too-short' | 'not-arp' | 'not-ethernet-ipv4' | 'other-operation';

/** 60 bytes, the shortest frame that Ethernet carries (without its checksum). */
export function formatArp(frame: ArpFrame): Buffer {
  const bytes = Buffer.alloc(SHORTEST_FRAME_BYTES);
  bytes.set(frame.destination, 0);
  bytes.set(frame.source, 6);
  bytes.writeUInt16BE(ETH_P_ARP, 12);
  bytes.writeUInt16BE(HARDWARE_ETHERNET, 14);
  bytes.writeUInt16BE(PROTOCOL_IPV4, 16);
  bytes.writeUInt8(6, 18);
  bytes.writeUInt8(4, 19);
  bytes.writeUInt16BE(frame.operation === 'request' ? 1 : 2, 20);
  bytes.set(frame.senderMac, 22);
  bytes.set(frame.senderAddress.bytes, 28);
  bytes.set(frame.targetMac, 32);
  bytes.set(frame.targetAddress.bytes, 38);
  return bytes;
}

/** Any frame that an AF_PACKET socket brings, VLAN tag removed as the kernel does. */
export function parseArp(bytes: Uint8Array): Result<ArpFrame, ArpReason> {
  if (bytes.length < ARP_END) {
    return fail('too-short');
  }
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, ARP_END);
  if (frame.readUInt16BE(12) !== ETH_P_ARP) {
    return fail('not-arp');
  }
  const isEthernet = frame.readUInt16BE(14) === HARDWARE_ETHERNET && frame.readUInt8(18) === 6;
  const isIpv4 = frame.readUInt16BE(16) === PROTOCOL_IPV4 && frame.readUInt8(19) === 4;
  if (!isEthernet || !isIpv4) {
    return fail('not-ethernet-ipv4');
  }
  const code = frame.readUInt16BE(20);
  if (code !== 1 && code !== 2) {
    return fail('other-operation');
  }
  const copy = (start: number, length: number): Uint8Array =>
    Uint8Array.from(bytes.subarray(start, start + length));
  return ok({
    destination: copy(0, 6),
    source: copy(6, 6),
    operation: code === 1 ? 'request' : 'reply',
    senderMac: copy(22, 6),
    senderAddress: { family: 4, bytes: copy(28, 4) },
    targetMac: copy(32, 6),
    targetAddress: { family: 4, bytes: copy(38, 4) },
  });
}

/**
 * Who has `target`? Without a `sender` it is an RFC 5227 probe, whose sender address 0.0.0.0 leaves every
 * neighbour's cache as it is.
 */
export function arpProbe(question: {
  readonly mac: Uint8Array;
  readonly target: IpAddress;
  readonly sender?: IpAddress;
}): ArpFrame {
  return {
    destination: BROADCAST,
    source: question.mac,
    operation: 'request',
    senderMac: question.mac,
    senderAddress: question.sender ?? UNSPECIFIED,
    targetMac: NO_MAC,
    targetAddress: question.target,
  };
}

/** The announcement of RFC 5227 §3: a request for the own address. */
export function gratuitousRequest(mac: Uint8Array, address: IpAddress): ArpFrame {
  return arpProbe({ mac, target: address, sender: address });
}

/**
 * The same as a reply. Its target hardware address is the sender's own: Linux takes a reply with any other
 * for solicited, and ignores it for a second after the entry's last change (`arp_is_garp`).
 */
export function gratuitousReply(mac: Uint8Array, address: IpAddress): ArpFrame {
  return { ...gratuitousRequest(mac, address), operation: 'reply', targetMac: mac };
}

const BROADCAST = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
const NO_MAC = new Uint8Array(6);
const UNSPECIFIED: IpAddress = { family: 4, bytes: new Uint8Array(4) };
const SHORTEST_FRAME_BYTES = 60;
const ARP_END = 42;
const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;
