import { createInterface } from 'node:readline';
import { formatAddress, formatMac } from '../../src/core/address.ts';
import { type FloatingAddress } from '../../src/adapters/addresses.ts';
import { openInterfaces, type Interfaces } from '../../src/adapters/interfaces.ts';
import { interfaceFiles } from '../../src/adapters/interface-files.ts';
import { openKernel, type Kernel } from '../../src/adapters/kernel.ts';
import { readNeighbors } from '../../src/adapters/neighbor-files.ts';
import { AF_PACKET, openLibc, SOCK_RAW, type Libc } from '../../src/adapters/libc.ts';
import { parseArp } from '../../src/wire/arp.ts';
import { parseNeighbor } from '../../src/wire/neighbor.ts';

/**
 * The adapters inside a namespace: reads `{method, parameters}` line by line, answers `{value}` or `{error}`.
 * It ends with its standard input.
 */

let kernel: Kernel | undefined;
let interfaces: Interfaces | undefined;
let listener: { readonly libc: Libc; readonly descriptor: number } | undefined;

const opened = (): Kernel => {
  if (kernel === undefined) {
    throw new Error('not opened');
  }
  return kernel;
};

const methods: Record<string, (...parameters: never[]) => unknown> = {
  open: async (floating: readonly FloatingAddress[], lifetimeSeconds: number) => {
    const result = await openKernel(floating, { lifetimeSeconds });
    kernel = result.ok ? result.value : undefined;
    return result.ok ? { ok: true, path: result.value.path } : result;
  },
  claim: () => opened().addresses.claim(),
  renew: () => opened().addresses.renew(),
  release: () => opened().addresses.release(),
  held: () => opened().addresses.held(),
  lost: () => opened().addresses.lost(),
  announce: () => opened().announcer.announce(),
  refresh: () => {
    opened().announcer.refresh();
  },
  rehearse: () => {
    opened().addresses.rehearse();
    opened().announcer.rehearse();
  },
  macs: () =>
    opened()
      .announcer.macs()
      .map(({ interfaceName, mac }) => `${interfaceName} ${mac === undefined ? '-' : formatMac(mac)}`),
  openInterfaces: (way: 'netlink' | 'files') => {
    const result = openInterfaces();
    interfaces = way === 'files' ? interfaceFiles : result.ok ? result.value : undefined;
  },
  readNeighbors: (...names: string[]) => readNeighbors(names),
  carrierOf: (name: string) => interfaces?.carrierOf(name),
  read: (name: string) => {
    const state = interfaces?.read(name);
    return state === undefined
      ? null
      : { ...state, mac: state.mac === undefined ? null : formatMac(state.mac) };
  },
  addressesOf: (name: string) =>
    interfaces?.addressesOf(name).map((prefix) => `${formatAddress(prefix.address)}/${prefix.prefixLength}`),
  listen: () => {
    const libc = openLibc();
    if (!libc.ok) {
      throw new Error(libc.reason);
    }
    const descriptor = libc.value.socket(AF_PACKET, SOCK_RAW, 0x0300);
    if (descriptor < 0) {
      throw new Error(`socket: ${descriptor}`);
    }
    listener = { libc: libc.value, descriptor };
  },
  frames: (count: number, limitMs: number) => listenFor(count, limitMs),
  /** Microseconds from the call of `claim` to the last announcement handed over, one per round. */
  measure: (rounds: number) => {
    const { addresses, announcer } = opened();
    return Array.from({ length: rounds }, () => {
      const start = process.hrtime.bigint();
      void addresses.claim();
      void announcer.announce();
      const micros = Number(process.hrtime.bigint() - start) / 1000;
      void addresses.release();
      return micros;
    });
  },
};

/** Words for each ARP frame and neighbour advertisement that came in, until there are `count`. */
function listenFor(count: number, limitMs: number): readonly string[] {
  const heard: string[] = [];
  const frame = Buffer.alloc(2048);
  const address = Buffer.alloc(20);
  const endMs = performance.now() + limitMs;
  while (listener !== undefined && heard.length < count && performance.now() < endMs) {
    const { libc, descriptor } = listener;
    const length = libc.recvfrom(descriptor, frame, address);
    if (length < 0) {
      libc.pollReadable(descriptor, 50);
      continue;
    }
    const isOutgoing = address.readUInt8(10) === 4;
    const words = isOutgoing ? undefined : describe(frame.subarray(0, length));
    if (words !== undefined) {
      heard.push(words);
    }
  }
  return heard;
}

function describe(frame: Buffer): string | undefined {
  const arp = parseArp(frame);
  if (arp.ok) {
    const { operation, senderMac, senderAddress, targetMac, targetAddress } = arp.value;
    const [sender, target] = [formatAddress(senderAddress), formatAddress(targetAddress)];
    return `arp ${operation} ${sender} is-at ${formatMac(senderMac)} to ${target} ${formatMac(targetMac)}`;
  }
  const neighbor = parseNeighbor(frame);
  if (neighbor.ok && neighbor.value.kind === 'advertisement') {
    const { target, linkLayer, isOverride, isRouter, isSolicited } = neighbor.value;
    const flags = [isRouter && 'router', isSolicited && 'solicited', isOverride && 'override'].filter(
      Boolean,
    );
    return `na ${formatAddress(target)} is-at ${formatMac(linkLayer ?? new Uint8Array())} ${flags.join(' ')}`;
  }
  return undefined;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { method, parameters } = JSON.parse(line) as { method: string; parameters: never[] };
  let answer: { value?: unknown; error?: string };
  try {
    const call = methods[method];
    answer = { value: (await call?.(...parameters)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
kernel?.[Symbol.dispose]();
