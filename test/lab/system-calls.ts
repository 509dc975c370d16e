import koffi from 'koffi';
import { constants } from 'node:os';

/**
 * The few system calls of the measuring instrument. It has its own, apart from the product's, so that a
 * mistake there cannot hide itself here.
 */
const libc = koffi.load(null);

type Call<Parameters extends readonly unknown[]> = (...parameters: Parameters) => number;

const raw = {
  socket: libc.func('int socket(int, int, int)') as Call<[number, number, number]>,
  bind: libc.func('int bind(int, const uint8_t *, uint32_t)') as Call<[number, Uint8Array, number]>,
  connect: libc.func('int connect(int, const uint8_t *, uint32_t)') as Call<[number, Uint8Array, number]>,
  send: libc.func('intptr_t send(int, const uint8_t *, uintptr_t, int)') as Call<
    [number, Uint8Array, number, number]
  >,
  recv: libc.func('intptr_t recv(int, _Out_ uint8_t *, uintptr_t, int)') as Call<
    [number, Uint8Array, number, number]
  >,
  read: libc.func('intptr_t read(int, _Out_ uint8_t *, uintptr_t)') as Call<[number, Uint8Array, number]>,
  ioctl: libc.func('int ioctl(int, unsigned long, _Inout_ uint8_t *)') as Call<[number, number, Uint8Array]>,
  setns: libc.func('int setns(int, int)') as Call<[number, number]>,
  ppoll: libc.func('int ppoll(_Inout_ uint8_t *, unsigned long, const uint8_t *, const void *)') as Call<
    [Uint8Array, number, Uint8Array, null]
  >,
  indexOf: libc.func('uint32_t if_nametoindex(const char *)') as Call<[string]>,
  schedule: libc.func('int sched_setscheduler(int, int, const uint8_t *)') as Call<
    [number, number, Uint8Array]
  >,
  clock: libc.func('int clock_gettime(int, _Out_ uint8_t *)') as Call<[number, Uint8Array]>,
};

const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_FLAGS = 0o2000000 | 0o4000; // close-on-exec, non-blocking
const IPPROTO_ICMP = 1;
const ETH_P_ARP = 0x0806;
const CLONE_NEWNET = 0x40000000;
const CLOCK_REALTIME = 0;
const SIOCGSTAMPNS = 0x8907;
const SIOCGIFHWADDR = 0x8927;
const SCHED_FIFO_RESET_ON_FORK = 1 | 0x40000000;

/** Runs `open` inside the namespace that the descriptor stands for, then returns to `home`. */
export function inNamespace<Value>(namespaceFd: number, homeFd: number, open: () => Value): Value {
  check(raw.setns(namespaceFd, CLONE_NEWNET), 'setns');
  try {
    return open();
  } finally {
    check(raw.setns(homeFd, CLONE_NEWNET), 'setns');
  }
}

/** A raw ICMP socket that hears and asks one address only. */
export function openIcmp(target: string): number {
  const fd = check(raw.socket(AF_INET, SOCK_RAW | SOCK_FLAGS, IPPROTO_ICMP), 'socket');
  const address = new Uint8Array(16);
  new DataView(address.buffer).setUint16(0, AF_INET, true);
  address.set(target.split('.').map(Number), 4);
  check(raw.connect(fd, address, address.length), 'connect');
  return fd;
}

/** A packet socket for ARP on one interface. */
export function openArp(interfaceName: string): number {
  const index = raw.indexOf(interfaceName);
  if (index === 0) {
    throw new Error(`no interface ${interfaceName}`);
  }
  const protocol = ((ETH_P_ARP & 0xff) << 8) | (ETH_P_ARP >> 8);
  const fd = check(raw.socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, protocol), 'socket');
  const address = new Uint8Array(20);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ETH_P_ARP, false);
  view.setInt32(4, index, true);
  check(raw.bind(fd, address, address.length), 'bind');
  return fd;
}

export function macOf(fd: number, interfaceName: string): Uint8Array {
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(interfaceName), 0);
  check(raw.ioctl(fd, SIOCGIFHWADDR, request), 'SIOCGIFHWADDR');
  return request.slice(18, 24);
}

/** False when the kernel would not take it now; what was lost is then a lost probe. */
export function send(fd: number, bytes: Uint8Array): boolean {
  return raw.send(fd, bytes, bytes.length, 0) === bytes.length;
}

/** Bytes received into the buffer; 0 when nothing waits. A socket error, such as an unreachable host, is nothing. */
export function receive(fd: number, into: Uint8Array): number {
  return Math.max(0, raw.recv(fd, into, into.length, 0));
}

/** Bytes read; 0 at the end of the stream. */
export function read(fd: number, into: Uint8Array): number {
  return Math.max(0, raw.read(fd, into, into.length));
}

/** Monotonic milliseconds at which the kernel received what was last read from the socket. */
export function stampMs(fd: number): number {
  const stamp = new Uint8Array(16);
  if (raw.ioctl(fd, SIOCGSTAMPNS, stamp) < 0) {
    return monotonicMs();
  }
  const wall = new Uint8Array(16);
  check(raw.clock(CLOCK_REALTIME, wall), 'clock_gettime');
  return monotonicMs() - Number(nanoseconds(wall) - nanoseconds(stamp)) / 1e6;
}

// Read once: a bigint for every look at the clock would be garbage to collect between two probes.
const clockOffsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export function monotonicMs(): number {
  return performance.now() + clockOffsetMs;
}

/** Waits until one of the descriptors can be read or the time is over. Returns which can be read. */
export function createWaiter(fds: readonly number[]): (timeoutMs: number) => readonly boolean[] {
  const set = new Uint8Array(8 * fds.length);
  const view = new DataView(set.buffer);
  const time = new Uint8Array(16);
  const timeView = new DataView(time.buffer);
  const readable: boolean[] = fds.map(() => false);
  return (timeoutMs) => {
    for (const [at, fd] of fds.entries()) {
      view.setInt32(8 * at, fd, true);
      view.setUint32(8 * at + 4, 1, true); // POLLIN, and no returned events
    }
    const waitNs = Math.max(0, Math.round(timeoutMs * 1e6));
    timeView.setUint32(0, Math.floor(waitNs / 1e9), true);
    timeView.setUint32(8, waitNs % 1e9, true);
    const count = raw.ppoll(set, fds.length, time, null);
    for (const at of fds.keys()) {
      readable[at] = count > 0 && view.getUint16(8 * at + 6, true) !== 0;
    }
    return readable;
  };
}

/** SCHED_FIFO for this thread. False when it is not permitted: probes are then less punctual. */
export function scheduleRealtime(priority: number): boolean {
  const parameter = new Uint8Array(4);
  new DataView(parameter.buffer).setInt32(0, priority, true);
  return raw.schedule(0, SCHED_FIFO_RESET_ON_FORK, parameter) === 0;
}

function nanoseconds(timespec: Uint8Array): bigint {
  const view = new DataView(timespec.buffer);
  return view.getBigInt64(0, true) * 1_000_000_000n + view.getBigInt64(8, true);
}

function check(result: number, call: string): number {
  if (result >= 0) {
    return result;
  }
  const code = koffi.errno();
  const name = Object.entries(constants.errno).find(([, value]) => value === code)?.[0] ?? String(code);
  throw new Error(`${call}: ${name}`);
}
