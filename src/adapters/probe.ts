import { type IpAddress, type AddressPrefix } from '../core/address.ts';
import { formatAddress, formatMac, isLinkLocal, parseAddress, prefixContains } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { openInterfaces } from './interfaces.ts';
import { openLibc } from './libc.ts';
import { openPacketSocket, type PacketSocket } from './packet-socket.ts';

/**
 * Asks the wire who answers for an address, and notes whoever is seen there: the evidence of a takeover.
 *
 * Floating addresses are asked for in nobody's name, so that no neighbour's cache learns anything from the
 * question; other targets in the name of an own address of their network, for some hosts answer only that.
 * A shut gate lets the questions out and the answers in: neither has a floating address in the place that
 * the gate looks at.
 */
export interface Probe extends Disposable {
  /** Asks once; the answer, if any, is among what a later `poll` returns. */
  sendProbe(target: string): Result<void, SendReason>;
  poll(): Seen;
  /** Looks at the interface again: it may have come, gone, or have another MAC or address. Seldom. */
  refresh(): void;
}

export interface Seen {
  readonly sightings: readonly Sighting[];
  /**
   * Everything that waited has been read. False in a storm: then what is not among the sightings may
   * still be to come, and that nobody answered proves nothing.
   */
  readonly isDrained: boolean;
  /** Frames that were not what their protocol says; dropped. */
  readonly malformedCount: number;
}

/** Somebody stated that the address is at this MAC. Our own MAC is never reported. */
export interface Sighting {
  /** Monotonic, of the reading. */
  readonly atMs: number;
  readonly interfaceName: string;
  readonly address: string;
  /** Lower case with colons. */
  readonly mac: string;
}

export type SendReason = 'interface-missing' | 'invalid-address' | 'refused';

export type ProbeReason = 'koffi-unavailable' | 'not-permitted' | 'refused' | 'no-answer';

export interface ProbeOptions {
  readonly interfaceName: string;
  /** The floating addresses, all of the pair's. */
  readonly floating: readonly string[];
}

/** What differs between ARP and neighbour discovery. */
export interface ProbeProtocol {
  readonly family: 4 | 6;
  /** ETH_P_*. */
  readonly protocol: number;
  readonly filter?: Uint8Array;
  question(asked: Question): Uint8Array;
  /** Who states where they are; undefined for a frame that is malformed, or `nobody` if it states nothing. */
  read(frame: Uint8Array): Statement | 'nobody' | undefined;
}

export interface Question {
  readonly mac: Uint8Array;
  readonly target: IpAddress;
  readonly sender?: IpAddress;
}

export interface Statement {
  readonly address: IpAddress;
  readonly mac: Uint8Array;
}

const FRAMES_PER_POLL = 256;

export function openProbe(protocol: ProbeProtocol, options: ProbeOptions): Result<Probe, ProbeReason> {
  const { interfaceName } = options;
  const libc = openLibc();
  if (!libc.ok) {
    return libc;
  }
  const interfaces = openInterfaces();
  if (!interfaces.ok) {
    return interfaces;
  }
  const floating = new Set(options.floating);
  let socket: PacketSocket | undefined;
  let bound: { readonly index: number; readonly mac: Uint8Array } | undefined;
  let own: readonly AddressPrefix[] = [];
  let questions = new Map<string, Uint8Array>();

  const attach = (): Result<void, ProbeReason> => {
    const state = interfaces.value.read(interfaceName);
    own = interfaces.value
      .addressesOf(interfaceName)
      .filter(({ address }) => address.family === protocol.family && !floating.has(formatAddress(address)));
    questions = new Map();
    const next = state?.mac === undefined ? undefined : { index: state.index, mac: state.mac };
    const isSame = next !== undefined && socket !== undefined && next.index === bound?.index;
    bound = next;
    if (isSame) {
      return ok(undefined);
    }
    socket?.[Symbol.dispose]();
    socket = undefined;
    if (next === undefined) {
      return ok(undefined);
    }
    const opened = openPacketSocket(libc.value, { ...protocol, interfaceIndex: next.index });
    socket = opened.ok ? opened.value : undefined;
    return opened.ok ? ok(undefined) : opened;
  };

  const questionFor = (target: string, mac: Uint8Array): Uint8Array | undefined => {
    const prepared = questions.get(target);
    if (prepared !== undefined) {
      return prepared;
    }
    const address = parseAddress(target);
    if (address?.family !== protocol.family) {
      return undefined;
    }
    const sender = floating.has(target) ? undefined : senderFor(address, own);
    const question = protocol.question({ mac, target: address, ...(sender && { sender }) });
    questions.set(target, question);
    return question;
  };

  const attached = attach();
  if (!attached.ok) {
    interfaces.value[Symbol.dispose]();
    return attached;
  }
  return ok({
    sendProbe: (target) => {
      if (socket === undefined || bound === undefined) {
        return fail('interface-missing', interfaceName);
      }
      const question = questionFor(target, bound.mac);
      return question === undefined ? fail('invalid-address', target) : socket.send(question);
    },
    poll: () => {
      const frames = socket?.receive(FRAMES_PER_POLL) ?? [];
      const atMs = performance.now();
      const ownMac = bound === undefined ? undefined : formatMac(bound.mac);
      const statements = frames.map((frame) => protocol.read(frame));
      const sightings = statements
        .filter((statement) => statement !== undefined && statement !== 'nobody')
        .map(({ address, mac }) => ({
          atMs,
          interfaceName,
          address: formatAddress(address),
          mac: formatMac(mac),
        }))
        .filter(({ mac }) => mac !== ownMac);
      const malformedCount = statements.filter((statement) => statement === undefined).length;
      return { sightings, isDrained: frames.length < FRAMES_PER_POLL, malformedCount };
    },
    refresh: () => {
      attach();
    },
    [Symbol.dispose]: () => {
      socket?.[Symbol.dispose]();
      interfaces.value[Symbol.dispose]();
    },
  });
}

/** An own address of the target's network; for IPv6 the link-local one, which every neighbour can answer. */
function senderFor(target: IpAddress, own: readonly AddressPrefix[]): IpAddress | undefined {
  const near = own.find((prefix) => prefixContains(prefix, target)) ?? own.find(isOnLink);
  return near?.address;
}

function isOnLink({ address }: AddressPrefix): boolean {
  return isLinkLocal(address);
}
