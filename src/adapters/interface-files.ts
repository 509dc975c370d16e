import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { parseMac, parsePrefix } from '../core/address.ts';
import { type InterfaceState } from '../wire/links.ts';
import { type Interfaces } from './interfaces.ts';

/**
 * Interfaces as /sys/class/net and the C library show them: for hosts on which netlink is out of reach. Slower
 * (38 µs a look), and of an interface without carrier no address is seen.
 */
export const interfaceFiles: Interfaces = {
  read,
  carrierOf: (name) => read(name)?.carrier ?? false,
  addressesOf: (name) =>
    Object.entries(networkInterfaces())
      // An IPv4 address with a label stands under its label: `eth0:1`.
      .filter(([key]) => key === name || key.startsWith(`${name}:`))
      .flatMap(([, addresses]) => addresses ?? [])
      .map((address) => parsePrefix(address.cidr ?? ''))
      .filter((prefix) => prefix !== undefined),
  [Symbol.dispose]: () => undefined,
};

const ARPHRD_ETHER = '1';
const IFF_UP = 1;
/** RFC 2863 in the words of the kernel, by number. */
const OPERATIONAL_STATES = [
  'unknown',
  'notpresent',
  'down',
  'lowerlayerdown',
  'testing',
  'dormant',
  'up',
] as const;

function read(name: string): InterfaceState | undefined {
  const index = Number(readAttribute(name, 'ifindex'));
  if (!Number.isInteger(index) || index <= 0) {
    return undefined;
  }
  const isUp = (Number(readAttribute(name, 'flags') ?? 0) & IFF_UP) !== 0;
  const isEthernet = readAttribute(name, 'type') === ARPHRD_ETHER;
  const state = OPERATIONAL_STATES.findIndex((word) => word === readAttribute(name, 'operstate'));
  return {
    name,
    index,
    mac: isEthernet ? parseMac(readAttribute(name, 'address') ?? '') : undefined,
    isUp,
    carrier: isUp && readAttribute(name, 'carrier') === '1',
    operationalState: Math.max(0, state),
  };
}

/** Undefined when it cannot be read: no such interface (ENOENT), or one that is down (EINVAL for its carrier). */
function readAttribute(name: string, attribute: string): string | undefined {
  if (name.includes('/')) {
    return undefined;
  }
  try {
    return readFileSync(`/sys/class/net/${name}/${attribute}`, 'latin1').trim();
  } catch {
    return undefined;
  }
}
