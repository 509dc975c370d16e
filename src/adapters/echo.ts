import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import { type IpAddress, parseAddress } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { describeErrno, type Libc, openLibc, SO_RCVBUF, SOCK_RAW, SOL_SOCKET, uint32 } from './libc.ts';

/**
 * ICMP echo by own sockets: a program `ping` for each of some thousand real servers every second would be a
 * load by itself. One socket for each family and source serves all that wait; it is open only while
 * somebody does.
 *
 * Node cannot wait for a descriptor that is not its own, so waiting answers are looked for every few
 * milliseconds: good for "does it answer", no measure of how fast.
 */
export interface Echo {
  /** IPv4 or IPv6, without a zone. */
  readonly address: string;
  readonly sourceAddress: string | undefined;
}

export type EchoReason = 'unreachable' | 'refused' | 'not-permitted' | 'koffi-unavailable';

/** Sends one echo request. `onAnswer` is called once, or never; what is returned forgets the question. */
export function sendEcho(echo: Echo, onAnswer: () => void): Result<() => void, EchoReason> {
  const address = parseAddress(echo.address);
  if (address === undefined) {
    return fail('refused', `${echo.address} is not an address`);
  }
  const found = channelFor(address.family, echo.sourceAddress);
  return found.ok ? found.value.ask(address, onAnswer) : found;
}

/** Everything that waits on one socket. */
interface Channel {
  ask(address: IpAddress, onAnswer: () => void): Result<() => void, EchoReason>;
}

const channels = new Map<string, Channel>();

function channelFor(family: 4 | 6, sourceAddress: string | undefined): Result<Channel, EchoReason> {
  const key = `${family} ${sourceAddress ?? ''}`;
  const known = channels.get(key);
  if (known !== undefined) {
    return ok(known);
  }
  const libc = openLibc();
  if (!libc.ok) {
    return libc;
  }
  const socket = openSocket(libc.value, family, sourceAddress);
  if (!socket.ok) {
    return socket;
  }
  const channel = createChannel(libc.value, { ...socket.value, family }, () => channels.delete(key));
  channels.set(key, channel);
  return ok(channel);
}

interface EchoSocket {
  readonly descriptor: number;
  /** Octets before the ICMP header. */
  readonly hasIpHeader: boolean;
}

const SOCK_DGRAM = 2;
/** As SO_RCVBUF, beyond net.core.rmem_max; needs CAP_NET_ADMIN. */
const SO_RCVBUFFORCE = 33;
/** Some thousand answers: the usual size loses most of those that come between two looks. */
const RECEIVE_BUFFER_BYTES = 4 << 20;
const protocols = { 4: 1, 6: 58 } as const;
const families = { 4: 2, 6: 10 } as const;

/**
 * The kind of socket that needs no privilege where `net.ipv4.ping_group_range` allows it, else a raw one.
 */
function openSocket(
  libc: Libc,
  family: 4 | 6,
  sourceAddress: string | undefined,
): Result<EchoSocket, EchoReason> {
  const gentle = libc.socket(families[family], SOCK_DGRAM, protocols[family]);
  const isRaw = gentle < 0;
  const descriptor = isRaw ? libc.socket(families[family], SOCK_RAW, protocols[family]) : gentle;
  if (descriptor < 0) {
    return refusal(descriptor);
  }
  if (libc.setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, uint32(RECEIVE_BUFFER_BYTES)) < 0) {
    libc.setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, uint32(RECEIVE_BUFFER_BYTES));
  }
  const source = sourceAddress === undefined ? undefined : parseAddress(sourceAddress);
  const outcome = [
    () => (isRaw ? onlyAnswers(libc, descriptor, family) : 0),
    () => (source === undefined ? 0 : libc.bind(descriptor, socketAddress(source))),
  ].reduce((before, step) => (before < 0 ? before : step()), 0);
  if (outcome < 0) {
    libc.close(descriptor);
    return refusal(outcome);
  }
  return ok({ descriptor, hasIpHeader: isRaw && family === 4 });
}

/** ICMP_FILTER and ICMP6_FILTER: a bit for each type that is not wanted. */
function onlyAnswers(libc: Libc, descriptor: number, family: 4 | 6): number {
  if (family === 4) {
    return libc.setsockopt(descriptor, 255, 1, uint32(~(1 << ECHO_REPLY[4]) >>> 0));
  }
  const blocked = Buffer.alloc(32, 0xff);
  const at = (ECHO_REPLY[6] >> 5) * 4;
  blocked.writeUInt32LE(~(1 << (ECHO_REPLY[6] & 31)) >>> 0, at);
  return libc.setsockopt(descriptor, protocols[6], 1, blocked);
}

const ECHO_REQUEST = { 4: 8, 6: 128 } as const;
const ECHO_REPLY = { 4: 0, 6: 129 } as const;

/** An answer carries what nobody else can know: chance, and the number of its question. */
const TOKEN_BYTES = 8;
const ICMP_BYTES = 8;
const PACKET_BYTES = ICMP_BYTES + TOKEN_BYTES + 4;

const LOOK_EVERY_MS = 4;
/** So that a flood of answers nobody asked for does not hold the loop. */
const MOST_A_LOOK = 1024;

function createChannel(
  libc: Libc,
  { descriptor, hasIpHeader, family }: EchoSocket & { readonly family: 4 | 6 },
  onClosed: () => void,
): Channel {
  const token = randomBytes(TOKEN_BYTES);
  const pending = new Map<number, { readonly address: IpAddress; readonly onAnswer: () => void }>();
  const buffer = Buffer.alloc(256);
  const sender = Buffer.alloc(28);
  let next = 0;

  const look = () => {
    for (let count = 0; count < MOST_A_LOOK; count += 1) {
      const length = libc.recvfrom(descriptor, buffer, sender);
      if (length < 0) {
        return;
      }
      const number = numberIn(buffer.subarray(0, length));
      const asked = number === undefined ? undefined : pending.get(number);
      if (number !== undefined && asked !== undefined && isFrom(sender, asked.address)) {
        forget(number);
        asked.onAnswer();
        if (pending.size === 0) {
          return;
        }
      }
    }
  };
  const numberIn = (packet: Buffer): number | undefined => {
    const message = hasIpHeader ? packet.subarray(4 * ((packet[0] ?? 0) & 0xf)) : packet;
    const isOurs =
      message.length === PACKET_BYTES &&
      message[0] === ECHO_REPLY[family] &&
      token.equals(message.subarray(ICMP_BYTES, ICMP_BYTES + TOKEN_BYTES));
    return isOurs ? message.readUInt32BE(ICMP_BYTES + TOKEN_BYTES) : undefined;
  };
  const forget = (number: number) => {
    if (pending.delete(number) && pending.size === 0) {
      clearInterval(timer);
      libc.close(descriptor);
      onClosed();
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  return {
    ask: (address, onAnswer) => {
      const number = next;
      next = (next + 1) >>> 0;
      pending.set(number, { address, onAnswer });
      const sent = libc.sendto(descriptor, request(family, token, number), socketAddress(address));
      if (sent < 0) {
        forget(number);
        return refusal(sent);
      }
      return ok(() => {
        forget(number);
      });
    },
  };
}

function request(family: 4 | 6, token: Buffer, number: number): Buffer {
  const packet = Buffer.alloc(PACKET_BYTES);
  packet[0] = ECHO_REQUEST[family];
  packet.writeUInt16BE(process.pid & 0xffff, 4);
  packet.writeUInt16BE(number & 0xffff, 6);
  token.copy(packet, ICMP_BYTES);
  packet.writeUInt32BE(number, ICMP_BYTES + TOKEN_BYTES);
  if (family === 4) {
    // Of ICMPv6 the kernel makes it, for it is over addresses that only the kernel knows.
    packet.writeUInt16BE(checksum(packet), 2);
  }
  return packet;
}

/** RFC 1071; of an even number of octets. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += bytes.readUInt16BE(at);
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return ~sum & 0xffff;
}

const offsetOfAddress = { 4: 4, 6: 8 } as const;

/** struct sockaddr_in and sockaddr_in6, without a port. */
function socketAddress({ family, bytes }: IpAddress): Buffer {
  const address = Buffer.alloc(family === 4 ? 16 : 28);
  address.writeUInt16LE(families[family], 0);
  address.set(bytes, offsetOfAddress[family]);
  return address;
}

function isFrom(sender: Buffer, { family, bytes }: IpAddress): boolean {
  const at = offsetOfAddress[family];
  return sender.readUInt16LE(0) === families[family] && sender.subarray(at, at + bytes.length).equals(bytes);
}

/** `outcome` is a negated errno. */
function refusal(outcome: number): ReturnType<typeof fail<EchoReason>> {
  const { EPERM, EACCES, ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN } = {
    EHOSTDOWN: 112,
    ...constants.errno,
  };
  const words = describeErrno(-outcome);
  switch (-outcome) {
    case EPERM:
    case EACCES:
      return fail('not-permitted', words);
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
      return fail('unreachable', words);
    default:
      return fail('refused', words);
  }
}
