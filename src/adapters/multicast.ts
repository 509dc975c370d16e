import { DgramAsPromised, type SocketAsPromised } from 'dgram-as-promised';
import { formatAddress, isMulticast, parseAddress, type Family } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { givenAddress, presentAddresses, sourceAddress, withZone, type OwnAddress } from './own-address.ts';

/**
 * The sockets of one heartbeat link.
 *
 * Multicast takes two sockets. The receiver is bound to the group's own address: one bound to the wildcard
 * would hear every group that any socket of the host has joined, on every wire. The sender is bound to the
 * link's own address, for otherwise the kernel may choose a floating address as the source. Unicast takes
 * one socket, bound to the own address of the link.
 *
 * A link outlives its interface: `refresh` joins again when the interface has been deleted and made again,
 * and opens new sockets when the own address has changed or a socket has failed. It sets no timers; how
 * often it is called is how often it tries. Link down, a pulled cable and an address that goes and comes
 * back need nothing: sends fail meanwhile and are counted, and the same sockets recover.
 *
 * Nothing is limited here: Node reads up to 32 datagrams of a socket in one turn of the loop, so what one
 * turn may cost is bounded; whoever takes the datagrams drops what is too much for an interval.
 */
export interface LinkOptions {
  readonly name: string;
  readonly interfaceName: string;
  readonly port: number;
  /** The multicast group, without a zone. Exactly one of `group` and `unicast` is given. */
  readonly group: string | undefined;
  readonly unicast: { readonly own: string; readonly peer: string } | undefined;
  /** Never used as the source: a floating address moves. Plain addresses, without a prefix length. */
  readonly floatingAddresses: readonly string[];
  /** RFC 5082: send with TTL 255 and refuse what comes with less, that is, through a router. */
  readonly gtsm: boolean;
  /** Makes a socket deaf to a TTL or hop limit below 255, by its descriptor; false when the kernel refuses. */
  readonly setMinimumTtl?: (descriptor: number, family: Family) => boolean;
}

/** What cannot heal by waiting. An absent interface or address is no reason: `refresh` tries again. */
export type OpenLinkReason = 'not-multicast' | 'bad-address' | 'address-in-use' | 'not-permitted';

export interface LinkSocketCounts {
  readonly sent: number;
  readonly sendFailures: number;
  /** By the system's own code (`ENETUNREACH` …), or `not-open`. */
  readonly failuresByCode: Readonly<Record<string, number>>;
  readonly received: number;
  /** How often the sockets have been opened. */
  readonly opened: number;
}

export interface HeartbeatLink extends AsyncDisposable {
  readonly name: string;
  /** Never throws and never waits; a failure is counted. `onSent`: the kernel has taken it. */
  send(datagram: Uint8Array, onSent?: () => void): void;
  /** For what goes beside the heartbeats and fails as they do: only they are counted. */
  sendUncounted(datagram: Uint8Array): void;
  /** Looks whether interface and address are still the same, and begins to mend what is not. Cheap. */
  refresh(): void;
  counts(): LinkSocketCounts;
  /** The source of what is sent, as the sockets are now; undefined while they are not open. */
  ownAddress(): string | undefined;
  /** What is wrong with the link, for people; undefined when nothing is known to be. */
  problem(): string | undefined;
}

/**
 * Opens a link. One that cannot be opened yet (no interface, no address) is a link, too: it counts its
 * sends as `not-open` until `refresh` succeeds.
 */
export async function openLink(
  options: LinkOptions,
  onDatagram: (datagram: Buffer, source: string) => void,
): Promise<Result<HeartbeatLink, OpenLinkReason>> {
  const route = routeOf(options);
  if (!route.ok) {
    return route;
  }
  const link = createLink(options, route.value, onDatagram);
  await link.open();
  const code = link.failureCode();
  if (code === 'EADDRINUSE') {
    return fail('address-in-use', link.problem());
  }
  return code === 'EACCES' || code === 'EPERM' ? fail('not-permitted', link.problem()) : ok(link);
}

type Route =
  | { readonly kind: 'multicast'; readonly family: Family; readonly group: string }
  | { readonly kind: 'unicast'; readonly family: Family; readonly own: string; readonly peer: string };

interface Sockets {
  readonly receiver: SocketAsPromised;
  /** The receiver itself where one socket does both. */
  readonly sender: SocketAsPromised;
  readonly own: OwnAddress;
  readonly destination: string;
  readonly gtsmProblem: string | undefined;
}

interface SocketFailure {
  readonly code: string;
  readonly detail: string;
}

interface SocketEvents {
  readonly onDatagram: (datagram: Buffer, source: string) => void;
  readonly onError: (error: Error) => void;
}

function routeOf({ group, unicast }: LinkOptions): Result<Route, OpenLinkReason> {
  if (unicast !== undefined) {
    const own = parseAddress(unicast.own);
    const peer = parseAddress(unicast.peer);
    return own === undefined || peer?.family !== own.family
      ? fail('bad-address', `${unicast.own} and ${unicast.peer} are not two addresses of one family`)
      : ok({ kind: 'unicast', family: own.family, own: formatAddress(own), peer: formatAddress(peer) });
  }
  const address = group === undefined ? undefined : parseAddress(group);
  return address === undefined || !isMulticast(address)
    ? fail('not-multicast', `${group ?? 'nothing'} is not a multicast group`)
    : ok({ kind: 'multicast', family: address.family, group: formatAddress(address) });
}

function createLink(options: LinkOptions, route: Route, onDatagram: SocketEvents['onDatagram']) {
  const counts = { sent: 0, sendFailures: 0, received: 0, opened: 0 };
  const failuresByCode: Record<string, number> = {};
  let sockets: Sockets | undefined;
  let failure: SocketFailure | undefined;
  let opening: Promise<void> | undefined;
  let isDisposed = false;

  const events: SocketEvents = {
    onDatagram(datagram, source) {
      counts.received += 1;
      onDatagram(datagram, source);
    },
    // A socket that has reported an error refuses its next send with that error: it is replaced.
    onError(error) {
      failure = failureOf(error);
    },
  };
  const countFailure = (code: string): void => {
    counts.sendFailures += 1;
    failuresByCode[code] = (failuresByCode[code] ?? 0) + 1;
  };
  const shut = async (): Promise<void> => {
    const old = sockets;
    sockets = undefined;
    await closeAll(old === undefined ? [] : [old.receiver, old.sender]);
  };
  const reopen = async (): Promise<void> => {
    await shut();
    failure = undefined;
    const opened = await openSockets(options, route, events);
    if ('code' in opened) {
      failure = opened;
      return;
    }
    sockets = opened;
    counts.opened += 1;
  };
  /** At most one opening at a time; whoever asks meanwhile waits for that one. */
  const open = async (): Promise<void> => {
    opening ??= reopen().finally(() => {
      opening = undefined;
    });
    await opening;
  };

  return {
    name: options.name,
    open,
    send(datagram: Uint8Array, onSent?: () => void): void {
      if (sockets === undefined) {
        countFailure('not-open');
        return;
      }
      sockets.sender.send(datagram, options.port, sockets.destination).then(
        () => {
          counts.sent += 1;
          onSent?.();
        },
        (error: unknown) => {
          countFailure(failureOf(error).code);
        },
      );
    },
    sendUncounted(datagram: Uint8Array): void {
      sockets?.sender.send(datagram, options.port, sockets.destination).catch(failureOf);
    },
    refresh(): void {
      const isWhole = sockets !== undefined && failure === undefined && isUnchanged(options, route, sockets);
      if (!isDisposed && !isWhole) {
        void open();
      }
    },
    counts: (): LinkSocketCounts => ({ ...counts, failuresByCode: { ...failuresByCode } }),
    ownAddress: () => sockets?.own.address,
    failureCode: () => failure?.code,
    problem: () => failure?.detail ?? sockets?.gtsmProblem,
    async [Symbol.asyncDispose](): Promise<void> {
      isDisposed = true;
      await opening;
      await shut();
    },
  };
}

/** Opens what the route needs, all or none. */
async function openSockets(
  options: LinkOptions,
  route: Route,
  events: SocketEvents,
): Promise<Sockets | SocketFailure> {
  const own = ownAddressOf(options, route);
  if (own === undefined) {
    return { code: 'no-address', detail: missingAddressDetail(options, route) };
  }
  const opened: SocketAsPromised[] = [];
  const create = (onMessage?: (datagram: Buffer, remote: { readonly address: string }) => void) => {
    const type = route.family === 4 ? 'udp4' : 'udp6';
    const socket = DgramAsPromised.createSocket({ type, reuseAddr: route.kind === 'multicast' }, onMessage);
    socket.socket.on('error', events.onError);
    opened.push(socket);
    return socket;
  };
  try {
    const receiver = create((datagram, remote) => {
      events.onDatagram(datagram, remote.address);
    });
    switch (route.kind) {
      case 'unicast': {
        await receiver.bind(options.port, withZone(own.address, options.interfaceName));
        const gtsmProblem = secureHops(receiver, options, route.family);
        const destination = withZone(route.peer, options.interfaceName);
        return { receiver, sender: receiver, own, destination, gtsmProblem };
      }
      case 'multicast': {
        const sender = create();
        // The port is left to the kernel: nothing that is sent to the sender is wanted.
        await sender.bind(0, withZone(own.address, options.interfaceName));
        sender.setMulticastInterface(membershipInterface(options, route, own));
        sender.setMulticastTTL(options.gtsm ? 255 : 1);
        sender.setMulticastLoopback(false);
        const group = withZone(route.group, options.interfaceName);
        await receiver.bind(options.port, group);
        receiver.addMembership(route.group, membershipInterface(options, route, own));
        const gtsmProblem = secureHops(receiver, options, route.family);
        return { receiver, sender, own, destination: group, gtsmProblem };
      }
    }
  } catch (error) {
    await closeAll(opened);
    return failureOf(error);
  }
}

/**
 * Whether the sockets still belong to the interface that is there now. An interface or address that is away
 * changes nothing: the sockets serve again when it comes back.
 */
function isUnchanged(options: LinkOptions, route: Route, { receiver, own }: Sockets): boolean {
  const now = ownAddressOf(options, route, own);
  if (now === undefined) {
    return true;
  }
  if (now.address !== own.address || now.scopeId !== own.scopeId) {
    return false;
  }
  if (route.kind === 'unicast') {
    return true;
  }
  // A membership belongs to an interface's index, which a new interface of the same name does not share.
  // So joining again either finds that nothing has changed, or succeeds because everything has.
  try {
    receiver.addMembership(route.group, membershipInterface(options, route, now));
    return false;
  } catch (error) {
    return ['EADDRINUSE', 'ENODEV'].includes(failureOf(error).code);
  }
}

function ownAddressOf(options: LinkOptions, route: Route, inUse?: OwnAddress): OwnAddress | undefined {
  const present = presentAddresses(options.interfaceName, route.family);
  switch (route.kind) {
    case 'unicast':
      return givenAddress(present, route.own);
    case 'multicast':
      return sourceAddress(present, options.floatingAddresses, inUse);
  }
}

/** IPv4 names an interface by an address on it, IPv6 by a zone. */
function membershipInterface(options: LinkOptions, route: Route, own: OwnAddress): string {
  return route.family === 4 ? own.address : `::%${options.interfaceName}`;
}

/** RFC 5082. Answers what is wrong; undefined when all is as asked. */
function secureHops(
  socket: SocketAsPromised,
  { gtsm, setMinimumTtl }: LinkOptions,
  family: Family,
): string | undefined {
  if (!gtsm) {
    return undefined;
  }
  socket.setTTL(255);
  const descriptor = descriptorOf(socket);
  return descriptor !== undefined && setMinimumTtl?.(descriptor, family) === true
    ? undefined
    : 'datagrams that came through a router cannot be refused here: the minimum TTL was not set';
}

/** Node has no public way to the descriptor of a datagram socket; `_handle` would print a warning. */
function descriptorOf({ socket }: SocketAsPromised): number | undefined {
  const symbol = Object.getOwnPropertySymbols(socket).find(
    ({ description }) => description === 'state symbol',
  );
  const state: unknown = symbol === undefined ? undefined : Reflect.get(socket, symbol);
  const handle = propertyOf(state, 'handle');
  const descriptor = propertyOf(handle, 'fd');
  return typeof descriptor === 'number' && descriptor >= 0 ? descriptor : undefined;
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

async function closeAll(sockets: readonly SocketAsPromised[]): Promise<void> {
  await Promise.all([...new Set(sockets)].map((socket) => socket.close()));
}

function missingAddressDetail({ interfaceName }: LinkOptions, { family }: Route): string {
  return `${interfaceName} is missing, down, without carrier or without an IPv${family} address of its own`;
}

/** What the system calls the failure; an error without such a name is a bug. */
function failureOf(error: unknown): SocketFailure {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return { code: error.code, detail: error.message };
  }
  throw error;
}
