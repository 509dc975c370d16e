import { constants } from 'node:os';
import { fail, ok, type Result } from '../core/result.ts';
import { AF_PACKET, describeErrno, SO_RCVBUF, SOCK_RAW, SOL_SOCKET, uint32, type Libc } from './libc.ts';

/** Whole Ethernet frames of one protocol on one interface, in and out, without waiting. */
export interface PacketSocket extends Disposable {
  send(frame: Uint8Array): Result<void, 'refused'>;
  /** What waits, at most `limit` frames; each is a copy. Those this host sent are not among them. */
  receive(limit: number): readonly Uint8Array[];
}

export interface PacketSocketOptions {
  readonly interfaceIndex: number;
  /** ETH_P_*, in host order. */
  readonly protocol: number;
  /** Classic BPF; everything of the protocol when undefined. */
  readonly filter?: Uint8Array | undefined;
}

export type PacketSocketReason = 'not-permitted' | 'refused';

export function openPacketSocket(
  libc: Libc,
  options: PacketSocketOptions,
): Result<PacketSocket, PacketSocketReason> {
  const { filter } = options;
  // Protocol 0 until it is bound: nothing is queued before filter and interface are set.
  const descriptor = libc.socket(AF_PACKET, SOCK_RAW, 0);
  if (descriptor < 0) {
    return refusal(-descriptor);
  }
  const address = socketAddress(options);
  for (const step of [
    () => libc.setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, uint32(RECEIVE_BUFFER_BYTES)),
    () => (filter === undefined ? 0 : libc.attachFilter(descriptor, filter)),
    () => libc.bind(descriptor, address),
  ]) {
    const outcome = step();
    if (outcome < 0) {
      libc.close(descriptor);
      return refusal(-outcome);
    }
  }
  const buffer = Buffer.alloc(LONGEST_FRAME_BYTES);
  let isOpen = true;

  return ok({
    send: (frame) => {
      const sent = libc.sendto(descriptor, frame, address);
      return sent < 0 ? fail('refused', describeErrno(-sent)) : ok(undefined);
    },
    receive: (limit) => {
      const frames: Uint8Array[] = [];
      while (frames.length < limit) {
        const length = libc.recv(descriptor, buffer);
        if (length < 0) {
          // Nothing waits, or the interface went down, which is said once and which its state tells, too.
          break;
        }
        frames.push(Uint8Array.from(buffer.subarray(0, length)));
      }
      return frames;
    },
    [Symbol.dispose]: () => {
      if (isOpen) {
        isOpen = false;
        libc.close(descriptor);
      }
    },
  });
}

/** Some thousand short frames: room for a storm of ARP between two looks. */
const RECEIVE_BUFFER_BYTES = 1 << 20;
/** ARP and neighbour discovery are short; what is longer is cut off and then malformed. */
const LONGEST_FRAME_BYTES = 2048;

/** struct sockaddr_ll. A raw frame carries its own destination. */
function socketAddress({ interfaceIndex, protocol }: PacketSocketOptions): Buffer {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(protocol, 2);
  address.writeInt32LE(interfaceIndex, 4);
  return address;
}

function refusal(errno: number): ReturnType<typeof fail<PacketSocketReason>> {
  const isForbidden = errno === constants.errno.EPERM || errno === constants.errno.EACCES;
  return fail(isForbidden ? 'not-permitted' : 'refused', describeErrno(errno));
}
