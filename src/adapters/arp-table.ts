import { fork } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { delimiter, join } from 'node:path';
import { fail, ok, type Result } from '../core/result.ts';

/**
 * The MAC address behind an IPv4 address, asked of npm's node-arp: it pings the address and reads what
 * `arp -n` says then. Advisory only. node-arp ends its process when one of the two programs is missing,
 * has no deadline, answers `(incomplete)` or nothing without an error, and does not say which interface;
 * so it lives in a child with a deadline, its question is checked before and its answer after, and the
 * interface comes from the kernel's own table.
 */

export interface Neighbor {
  readonly mac: string;
  readonly interfaceName: string;
  /** The address is one of this host's own. */
  readonly isOwn: boolean;
}

export type NeighborRefusal = 'not-an-address' | 'no-answer' | 'tool-missing';

export interface LookUpOptions {
  readonly timeoutMs: number;
  /** The program to start as a child; it must call `answerMac(address)` when its first argument is `arp-child`. */
  readonly modulePath: string;
}

export async function lookUpMac(
  address: string,
  { timeoutMs, modulePath }: LookUpOptions,
): Promise<Result<Neighbor, NeighborRefusal>> {
  if (!isIPv4(address)) {
    return fail('not-an-address', `${address} is not an IPv4 address`);
  }
  const own = ownNeighbor(address);
  if (own !== undefined) {
    return ok(own);
  }
  const missing = await missingTool();
  if (missing !== undefined) {
    return fail(
      'tool-missing',
      `${missing.program} is not installed. Remedy: apt-get install ${missing.package}`,
    );
  }
  const mac = await askChild(address, timeoutMs, modulePath);
  const entries = (await arpEntries()).filter((entry) => entry.address === address);
  // Without an answer in time the kernel may yet know: a host can be silent to ping.
  const entry = mac === undefined ? entries[0] : entries.find((candidate) => candidate.mac === mac);
  return entry === undefined
    ? fail('no-answer', `nobody answers for ${address}`)
    : ok({ mac: entry.mac, interfaceName: entry.interfaceName, isOwn: false });
}

/** The child's part. */
export async function answerMac(address: string): Promise<void> {
  const { default: arp } = await import('node-arp');
  arp.getMAC(address, (isFailed, answer) => {
    process.send?.({ mac: isFailed ? undefined : answer }, () => {
      process.disconnect();
    });
  });
}

async function askChild(address: string, timeoutMs: number, modulePath: string): Promise<string | undefined> {
  const child = fork(modulePath, ['arp-child', address], {
    // Its own process group, so that ping and arp end with it.
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
  });
  const exited = once(child, 'exit');
  try {
    const answered = new Promise<unknown>((resolve) => child.once('message', resolve));
    const limit = AbortSignal.timeout(timeoutMs);
    const expired = once(limit, 'abort');
    return macOf(await Promise.race([answered, exited, expired]));
  } finally {
    endGroup(child.pid);
    await exited;
  }
}

const MAC = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;

function macOf(message: unknown): string | undefined {
  const mac = typeof message === 'object' && message !== null && 'mac' in message ? message.mac : undefined;
  return typeof mac === 'string' && MAC.test(mac.toLowerCase()) ? mac.toLowerCase() : undefined;
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) {
      process.kill(-pid, 'SIGKILL');
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) {
      throw error;
    }
  }
}

function ownNeighbor(address: string): Neighbor | undefined {
  for (const [interfaceName, addresses] of Object.entries(networkInterfaces())) {
    const own = addresses?.find((candidate) => candidate.address === address);
    if (own !== undefined) {
      return { mac: own.mac, interfaceName, isOwn: true };
    }
  }
  return undefined;
}

/** Complete entries of the kernel's table; its columns are address, type, flags, MAC, mask, device. */
async function arpEntries(): Promise<{ address: string; mac: string; interfaceName: string }[]> {
  const text = await readFile('/proc/net/arp', 'utf8');
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [address, , flags, mac, , interfaceName] = line.split(/\s+/);
      // ATF_COM: the entry has an answer.
      const isComplete = (Number(flags) & 0x2) !== 0;
      return address !== undefined && mac !== undefined && interfaceName !== undefined && isComplete
        ? [{ address, mac, interfaceName }]
        : [];
    });
}

const tools = [
  { program: 'ping', package: 'iputils-ping' },
  { program: 'arp', package: 'net-tools' },
] as const;

async function missingTool(): Promise<(typeof tools)[number] | undefined> {
  const directories = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  for (const tool of tools) {
    const found = await Promise.all(
      directories.map((directory) => isExecutable(join(directory, tool.program))),
    );
    if (!found.includes(true)) {
      return tool;
    }
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
