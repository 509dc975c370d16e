import { readFile } from 'node:fs/promises';
import { parseAddress } from '../core/address.ts';
import { type Target } from '../core/state.ts';

/** Enough for the neighbours of any router, and no more than a moment's work. */
const mostBytes = 512 * 1024;

/**
 * Who this host has lately spoken to on these interfaces by IPv4: gateways first, then neighbours whose MAC the
 * kernel knows, in its order. Empty where there is no such file.
 *
 * Source: `man 5 proc`, /proc/net/route and /proc/net/arp.
 */
export async function readNeighbors(interfaceNames: readonly string[]): Promise<readonly Target[]> {
  const [routes, arp] = await Promise.all([lines('/proc/net/route'), lines('/proc/net/arp')]);
  const found = [...routes.map(gatewayOf), ...arp.map(neighborOf)].filter(
    (target) => target !== undefined && interfaceNames.includes(target.interfaceName),
  );
  const distinct = new Map(
    found.flatMap((target) => (target === undefined ? [] : [[keyOf(target), target]])),
  );
  return [...distinct.values()];
}

function keyOf({ interfaceName, address }: Target): string {
  return `${interfaceName} ${address}`;
}

/** Without the line of titles. */
async function lines(path: string): Promise<readonly (readonly string[])[]> {
  const text = await readFile(path, 'latin1').catch(() => '');
  return text
    .slice(0, mostBytes)
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
}

/** `eth0 00000000 010200C0 0003 …`: the gateway in the byte order of this host, which Linux on x64 and arm64 writes little-endian. */
function gatewayOf([interfaceName = '', , gateway = '', flags = '']: readonly string[]): Target | undefined {
  if (!/^[0-9A-F]{8}$/i.test(gateway) || (parseInt(flags, 16) & RTF_GATEWAY) === 0) {
    return undefined;
  }
  const bytes = Buffer.from(gateway, 'hex').reverse();
  return { interfaceName, address: bytes.join('.') };
}

/** `192.0.2.1 0x1 0x2 02:fc:00:00:00:05 * eth0` */
function neighborOf([address = '', , flags = '', , , interfaceName = '']: readonly string[]):
  Target | undefined {
  return parseAddress(address) === undefined || (Number(flags) & ATF_COM) === 0
    ? undefined
    : { interfaceName, address };
}

const RTF_GATEWAY = 0x2;
/** The entry has a MAC. */
const ATF_COM = 0x2;
