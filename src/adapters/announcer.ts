import { readFileSync } from 'node:fs';
import { formatMac, parseAddress, type IpAddress } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { formatArp, gratuitousReply, gratuitousRequest } from '../wire/arp.ts';
import { unsolicitedAdvertisement } from '../wire/neighbor.ts';
import { type FloatingAddress, type OpenReason, type Soon } from './addresses.ts';
import { openInterfaces, type Interfaces } from './interfaces.ts';
import { AF_PACKET, describeErrno, openLibc, SOCK_RAW, type Libc } from './libc.ts';

/**
 * Tells the neighbours where the floating addresses are now.
 *
 * Theory of operation. The frames are made beforehand, by `refresh`; an announcement is one `sendto` per frame. IPv4
 * is announced as a request and then as a reply whose target hardware address is the sender's, for there are
 * neighbours that heed only the one or the other. IPv6 is announced by an unsolicited Neighbor
 * Advertisement to all nodes. The first frames of all interfaces go out before any second one, so that the
 * addresses move as nearly together as they can (some 25 µs apart).
 */
export interface Announcer extends Disposable {
  announce(): Soon<Announced>;
  /** Makes the frames again if an interface has another index or MAC; to be called now and then, not in a claim. */
  refresh(): void;
  /** The current MAC of each interface that carries a floating address, in the order they are first named. */
  macs(): readonly { readonly interfaceName: string; readonly mac: Uint8Array | undefined }[];
  /** Takes the announcement's way through the code with frames that reach nobody (the loopback interface). */
  rehearse(): void;
}

export interface Announced {
  readonly sent: number;
  readonly failures: readonly AnnounceFailure[];
}

export type AnnounceReason = 'interface-missing' | 'not-ethernet' | 'refused' | 'not-supported';

export interface AnnounceFailure {
  readonly address: string;
  readonly interfaceName: string;
  readonly reason: AnnounceReason;
  readonly detail: string;
}

export function openAnnouncer(floating: readonly FloatingAddress[]): Result<Announcer, OpenReason> {
  const parsed: ParsedAddress[] = [];
  for (const entry of floating) {
    const value = parseAddress(entry.address);
    if (value === undefined) {
      return fail('bad-address', entry.address);
    }
    parsed.push({ ...entry, value });
  }
  const libc = openLibc();
  if (!libc.ok) {
    return libc;
  }
  // Protocol 0: the socket only sends, no received frame is ever copied to it.
  const descriptor = libc.value.socket(AF_PACKET, SOCK_RAW, 0);
  if (descriptor < 0) {
    return fail('not-permitted', `cannot open a packet socket: ${describeErrno(-descriptor)}`);
  }
  const interfaces = openInterfaces();
  if (!interfaces.ok) {
    libc.value.close(descriptor);
    return interfaces;
  }
  return ok(
    packetAnnouncer({ libc: libc.value, descriptor, interfaces: interfaces.value, floating: parsed }),
  );
}

interface ParsedAddress extends FloatingAddress {
  readonly value: IpAddress;
}

interface Parts {
  readonly libc: Libc;
  readonly descriptor: number;
  readonly interfaces: Interfaces;
  readonly floating: readonly ParsedAddress[];
}

/** One frame, and where it goes. */
interface Prepared {
  readonly entry: ParsedAddress;
  readonly frame: Buffer;
  readonly destination: Buffer;
}

interface Prepare {
  /** Index, MAC and router flag per interface: what the frames were made of. */
  readonly fingerprint: string;
  readonly frames: readonly Prepared[];
  readonly failures: readonly AnnounceFailure[];
  readonly macs: ReturnType<Announcer['macs']>;
}

function packetAnnouncer({ libc, descriptor, interfaces, floating }: Parts): Announcer {
  let prepared = prepare(floating, interfaces);
  let isOpen = true;

  const send = (frames: readonly Prepared[]): Announced => {
    const failures: AnnounceFailure[] = [];
    for (const { entry, frame, destination } of frames) {
      const outcome = libc.sendto(descriptor, frame, destination);
      if (outcome < 0) {
        failures.push(failure(entry, 'refused', describeErrno(-outcome)));
      }
    }
    return { sent: frames.length - failures.length, failures };
  };

  const refresh = (): void => {
    const next = prepare(floating, interfaces);
    prepared = next.fingerprint === prepared.fingerprint ? prepared : next;
  };

  return {
    announce: () => {
      const { sent, failures } = send(prepared.frames);
      if (failures.length === 0 && prepared.failures.length === 0) {
        return { sent, failures };
      }
      // An interface was made again since the last refresh, perhaps: look, and try once more.
      const before = prepared;
      refresh();
      if (prepared === before) {
        return { sent, failures: [...prepared.failures, ...failures] };
      }
      const again = send(prepared.frames);
      return { sent: sent + again.sent, failures: [...prepared.failures, ...again.failures] };
    },
    refresh,
    macs: () => prepared.macs,
    rehearse: () => {
      prepare(floating, interfaces);
      const loopback = libc.interfaceIndex('lo');
      if (loopback > 0) {
        send(
          floating.map((entry) => {
            const frame = firstFrame(entry, new Uint8Array(MAC_BYTES), false);
            return { entry, frame, destination: socketAddress(loopback, frame) };
          }),
        );
      }
    },
    [Symbol.dispose]: () => {
      if (isOpen) {
        isOpen = false;
        libc.close(descriptor);
        interfaces[Symbol.dispose]();
      }
    },
  };
}

const MAC_BYTES = 6;

function prepare(floating: readonly ParsedAddress[], interfaces: Interfaces): Prepare {
  const names = [...new Set(floating.map((entry) => entry.interfaceName))];
  const states = new Map(names.map((name) => [name, interfaces.read(name)]));
  const routers = new Set(names.filter(isForwarding));
  const first: Prepared[] = [];
  const second: Prepared[] = [];
  const failures: AnnounceFailure[] = [];
  for (const entry of floating) {
    const state = states.get(entry.interfaceName);
    if (state?.mac === undefined) {
      failures.push(
        state === undefined
          ? failure(entry, 'interface-missing', 'there is no such interface')
          : failure(entry, 'not-ethernet', 'the interface has no Ethernet address'),
      );
      continue;
    }
    const add = (frames: Prepared[], frame: Buffer): void => {
      frames.push({ entry, frame, destination: socketAddress(state.index, frame) });
    };
    add(first, firstFrame(entry, state.mac, routers.has(entry.interfaceName)));
    if (entry.value.family === 4) {
      add(second, formatArp(gratuitousReply(state.mac, entry.value)));
    }
  }
  return {
    fingerprint: names
      .map((name) => {
        const state = states.get(name);
        const mac = state?.mac === undefined ? '-' : formatMac(state.mac);
        return `${name} ${state?.index ?? 0} ${mac} ${routers.has(name)}`;
      })
      .join(),
    frames: [...first, ...second],
    failures,
    macs: names.map((name) => ({ interfaceName: name, mac: states.get(name)?.mac })),
  };
}

function firstFrame(entry: ParsedAddress, mac: Uint8Array, isRouter: boolean): Buffer {
  return entry.value.family === 4
    ? formatArp(gratuitousRequest(mac, entry.value))
    : unsolicitedAdvertisement({ mac, address: entry.value, isRouter });
}

/** Whether IPv6 is forwarded on the interface, so that it must call itself a router. */
function isForwarding(interfaceName: string): boolean {
  try {
    return readFileSync(`/proc/sys/net/ipv6/conf/${interfaceName}/forwarding`, 'latin1').trim() !== '0';
  } catch {
    // No such interface, or a kernel without IPv6: nothing is announced there by IPv6 either.
    return false;
  }
}

/** struct sockaddr_ll. The frame carries its Ethernet header; the kernel wants interface and protocol. */
function socketAddress(interfaceIndex: number, frame: Buffer): Buffer {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(frame.readUInt16BE(12), 2);
  address.writeInt32LE(interfaceIndex, 4);
  address.writeUInt8(MAC_BYTES, 11);
  frame.copy(address, 12, 0, MAC_BYTES);
  return address;
}

function failure(entry: FloatingAddress, reason: AnnounceReason, detail: string): AnnounceFailure {
  return { address: entry.address, interfaceName: entry.interfaceName, reason, detail };
}
