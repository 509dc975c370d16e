import { readFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';

/** What `vipair check` wants to know of the host it runs on. */
export interface HostView {
  readonly hostName: string;
  readonly interfaceNames: readonly string[];
  readonly addresses: readonly { readonly interfaceName: string; readonly address: string }[];
}

export async function viewHost(): Promise<HostView> {
  return {
    hostName: hostname(),
    interfaceNames: await interfaceNames(),
    addresses: Object.entries(networkInterfaces()).flatMap(([interfaceName, addresses = []]) =>
      addresses.map(({ address }) => ({ interfaceName, address })),
    ),
  };
}

/**
 * From /proc/net/dev, which belongs to this process's network namespace; /sys may still show another's, and
 * the system call behind `networkInterfaces` leaves out those without an address.
 */
async function interfaceNames(): Promise<readonly string[]> {
  const text = await readFile('/proc/net/dev', 'utf8');
  return text.split('\n').flatMap((line) => /^\s*([^\s|]+):/.exec(line)?.[1] ?? []);
}
