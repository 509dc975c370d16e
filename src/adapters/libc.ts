import { createRequire } from 'node:module';
import { constants, endianness } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import type * as Koffi from 'koffi';
import { fail, ok, type Result } from '../core/result.ts';

/**
 * The few system calls that Node does not offer, and nothing else knows koffi.
 *
 * Each function returns what the call returns, or the negated errno, as the kernel itself does: `-EPERM`
 * and not `-1`. Nothing here blocks, for a blocking call would hold the event loop and `process.exit`:
 * sockets are made non-blocking.
 */
export interface Libc {
  /** The new descriptor; close-on-exec and non-blocking. */
  socket(family: number, type: number, protocol: number): number;
  bind(descriptor: number, address: Uint8Array): number;
  sendto(descriptor: number, bytes: Uint8Array, address: Uint8Array): number;
  /** Bytes written to `into`; -EAGAIN when nothing waits. A longer datagram is cut off. */
  recv(descriptor: number, into: Uint8Array): number;
  /** As `recv`, and the sender's socket address is written to `address`. */
  recvfrom(descriptor: number, into: Uint8Array, address: Uint8Array): number;
  setsockopt(descriptor: number, level: number, option: number, value: Uint8Array): number;
  /** SO_ATTACH_FILTER with a program of classic BPF, 8 bytes for each instruction. */
  attachFilter(descriptor: number, program: Uint8Array): number;
  close(descriptor: number): number;
  /** Positive when `recv` would not have to wait. At most 200 ms are waited. */
  pollReadable(descriptor: number, timeoutMs: number): number;
  /** The interface's index, or -ENODEV. Asks the kernel each time: interfaces come and go. */
  interfaceIndex(name: string): number;
  /** `pid` 0 is the calling thread. `policy` may carry SCHED_RESET_ON_FORK. */
  setScheduler(pid: number, policy: number, priority: number): number;
}

export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_RAW = 3;
export const SOL_SOCKET = 1;
export const SO_RCVBUF = 8;

/** Set to `commands`, it forbids system calls from here, so that the fallback can be tried where koffi works. */
export const KERNEL_VARIABLE = 'VIPAIR_KERNEL';

export type LibcReason = 'koffi-unavailable';

/** Loaded once per process; koffi finds the symbols in the C library that Node itself runs on, glibc or musl. */
export function openLibc(): Result<Libc, LibcReason> {
  if (process.env[KERNEL_VARIABLE] === 'commands') {
    return fail('koffi-unavailable', `${KERNEL_VARIABLE}=commands is set`);
  }
  // Netlink speaks host order; what vipair builds is little-endian, as x64 and arm64 are.
  if (endianness() !== 'LE') {
    return fail('koffi-unavailable', 'this processor is big-endian');
  }
  loaded ??= load();
  return loaded;
}

/** `EPERM: operation not permitted`, for a positive errno. */
export function describeErrno(errno: number): string {
  const known = getSystemErrorMap().get(-errno);
  if (known !== undefined) {
    return `${known[0]}: ${known[1]}`;
  }
  const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0];
  return name ?? `errno ${errno}`;
}

const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const POLLIN = 1;
const SO_ATTACH_FILTER = 26;
const INSTRUCTION_BYTES = 8;
const LONGEST_WAIT_MS = 200;

let loaded: Result<Libc, LibcReason> | undefined;

function load(): Result<Libc, LibcReason> {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
    return ok(bindFunctions(koffi));
  } catch (error) {
    // A missing prebuilt binary, a foreign libc, a hardened kernel: koffi has no codes for these, and
    // whatever it is, the commands `ip` and `arping` remain.
    return fail('koffi-unavailable', error instanceof Error ? error.message : String(error));
  }
}

function bindFunctions(koffi: typeof Koffi): Libc {
  const library = koffi.load(null);
  const bound = (definition: string): ((...values: unknown[]) => number) => {
    const call = library.func(definition);
    return (...values) => {
      const result: unknown = call(...values);
      // intptr_t comes as a number while it is a safe integer, which every size and errno is.
      return Number(result) < 0 ? -koffi.errno() : Number(result);
    };
  };
  const socket = bound('int socket(int, int, int)');
  const bind = bound('int bind(int, const uint8_t *, uint32_t)');
  const sendto = bound('intptr_t sendto(int, const uint8_t *, uintptr_t, int, const uint8_t *, uint32_t)');
  const recv = bound('intptr_t recv(int, _Out_ uint8_t *, uintptr_t, int)');
  const recvfrom = bound(
    'intptr_t recvfrom(int, _Out_ uint8_t *, uintptr_t, int, _Out_ uint8_t *, _Inout_ uint8_t *)',
  );
  const setsockopt = bound('int setsockopt(int, int, int, const uint8_t *, uint32_t)');
  const program = koffi.struct('sock_fprog', { length: 'uint16_t', instructions: 'const uint8_t *' });
  const setFilter = bound('int setsockopt(int, int, int, const sock_fprog *, uint32_t)');
  const close = bound('int close(int)');
  const poll = bound('int poll(_Inout_ uint8_t *, unsigned long, int)');
  const indexOf = bound('int if_nametoindex(const char *)');
  const setScheduler = bound('int sched_setscheduler(int, int, const uint8_t *)');
  return {
    socket: (family, type, protocol) => socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol),
    bind: (descriptor, address) => bind(descriptor, address, address.length),
    sendto: (descriptor, bytes, address) =>
      sendto(descriptor, bytes, bytes.length, 0, address, address.length),
    recv: (descriptor, into) => recv(descriptor, into, into.length, 0),
    recvfrom: (descriptor, into, address) =>
      recvfrom(descriptor, into, into.length, 0, address, uint32(address.length)),
    setsockopt: (descriptor, level, option, value) =>
      setsockopt(descriptor, level, option, value, value.length),
    attachFilter: (descriptor, instructions) =>
      setFilter(
        descriptor,
        SOL_SOCKET,
        SO_ATTACH_FILTER,
        { length: instructions.length / INSTRUCTION_BYTES, instructions },
        koffi.sizeof(program),
      ),
    close: (descriptor) => close(descriptor),
    pollReadable: (descriptor, timeoutMs) => {
      const request = Buffer.alloc(8);
      request.writeInt32LE(descriptor, 0);
      request.writeInt16LE(POLLIN, 4);
      return poll(request, 1, Math.min(timeoutMs, LONGEST_WAIT_MS));
    },
    interfaceIndex: (name) => {
      const index = indexOf(name);
      return index === 0 ? -constants.errno.ENODEV : index;
    },
    setScheduler: (pid, policy, priority) => setScheduler(pid, policy, uint32(priority)),
  };
}

/** An unsigned 32-bit number in host order, as most options want it. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
