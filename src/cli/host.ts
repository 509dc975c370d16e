import { access, constants, readFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { delimiter, join } from 'node:path';
import { type Result } from '../core/result.ts';
import { type GateHooks } from '../core/state.ts';

/** Puts the best gate of this kernel up where it harms nobody; `cannot-try` says nothing about it. */
export type TryGate = () => Promise<Result<GateHooks, string>>;

/** What `vipair check` wants to know of the host it runs on. */
export interface HostView {
  readonly hostName: string;
  readonly interfaceNames: readonly string[];
  readonly addresses: readonly { readonly interfaceName: string; readonly address: string }[];
  /** Of /proc; undefined where there is no such file. */
  readonly readText: (path: string) => Promise<string | undefined>;
  readonly isExecutable: (path: string) => Promise<boolean>;
  readonly hasProgram: (name: string) => Promise<boolean>;
}

export async function viewHost(): Promise<HostView> {
  return {
    hostName: hostname(),
    interfaceNames: await interfaceNames(),
    addresses: Object.entries(networkInterfaces()).flatMap(([interfaceName, addresses = []]) =>
      addresses.map(({ address }) => ({ interfaceName, address })),
    ),
    readText: (path) => readFile(path, 'utf8').catch(() => undefined),
    isExecutable,
    hasProgram: async (name) => {
      const directories = (process.env['PATH'] ?? '').split(delimiter).filter((path) => path !== '');
      const found = await Promise.all(directories.map((directory) => isExecutable(join(directory, name))));
      return found.includes(true);
    },
  };
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/**
 * From /proc/net/dev, which belongs to this process's network namespace; /sys may still show another's, and
 * the system call behind `networkInterfaces` leaves out those without an address.
 */
async function interfaceNames(): Promise<readonly string[]> {
  const text = await readFile('/proc/net/dev', 'utf8');
  return text.split('\n').flatMap((line) => /^\s*([^\s|]+):/.exec(line)?.[1] ?? []);
}
