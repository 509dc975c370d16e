import { networkInterfaces } from 'node:os';
import { formatAddress, isLinkLocal, isMulticast, parseAddress, type Family } from '../core/address.ts';

/** An address of this host on one interface. */
export interface OwnAddress {
  /** Canonical, without a zone. */
  readonly address: string;
  /** The interface's index for a link-local address, else 0. */
  readonly scopeId: number;
}

/**
 * The addresses that an interface has now, in the kernel's order; none while it is missing, down or
 * without carrier. Node lists an address that has a label of its own (`eth0:1`) under that label.
 */
export function presentAddresses(interfaceName: string, family: Family): OwnAddress[] {
  return Object.entries(networkInterfaces())
    .filter(([name]) => name === interfaceName || name.startsWith(`${interfaceName}:`))
    .flatMap(([, addresses]) => addresses ?? [])
    .filter((address) => address.family === `IPv${family}`)
    .map((address) => ({ address: canonical(address.address), scopeId: address.scopeid ?? 0 }));
}

/**
 * The address to send from: the one in use while it is there, else the first that does not float; for
 * IPv6 preferably the link-local one, which changes least.
 */
export function sourceAddress(
  present: readonly OwnAddress[],
  floatingAddresses: readonly string[],
  inUse: OwnAddress | undefined,
): OwnAddress | undefined {
  const floating = new Set(floatingAddresses.map(canonical));
  const own = present.filter(({ address }) => !floating.has(address));
  return (
    own.find(({ address }) => address === inUse?.address) ??
    own.find(({ address }) => needsZone(address)) ??
    own[0]
  );
}

/**
 * An address that the configuration names. It is taken unseen where it needs no zone: the kernel itself
 * says whether it is there.
 */
export function givenAddress(present: readonly OwnAddress[], text: string): OwnAddress | undefined {
  const found = present.find(({ address }) => address === text);
  return found ?? (needsZone(text) ? undefined : { address: text, scopeId: 0 });
}

/** The address as a socket needs it. */
export function withZone(address: string, interfaceName: string): string {
  return needsZone(address) ? `${address}%${interfaceName}` : address;
}

/** Link-local addresses, and IPv6 groups: which wire is meant is not in the address. */
function needsZone(text: string): boolean {
  const address = parseAddress(text);
  return address?.family === 6 && (isLinkLocal(address) || isMulticast(address));
}

function canonical(text: string): string {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
}
