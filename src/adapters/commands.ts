import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { compareAddresses, parsePrefix, parseAddress, type AddressPrefix } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import {
  type Addresses,
  type ClaimReason,
  type FloatingAddress,
  type OpenReason,
  type ReleaseReason,
} from './addresses.ts';
import { type AnnounceFailure, type Announcer } from './announcer.ts';
import { interfaceFiles } from './interface-files.ts';

/**
 * The fallback where no system call can be made from here: the commands `ip` and `arping`, without a shell. A
 * claim takes some 9 ms instead of 0.2 ms (70 ms on a busy machine), and its methods return promises.
 *
 * What is held is known from `ip monitor`, which runs as long as this does. A loss that a renewal makes good
 * within a few milliseconds goes unnoticed here.
 */
export async function openCommandAddresses(
  floating: readonly FloatingAddress[],
  options: { readonly lifetimeSeconds: number },
): Promise<Result<Addresses, OpenReason>> {
  const malformed = floating.find((entry) => parseAddress(entry.address) === undefined);
  if (malformed !== undefined) {
    return fail('bad-address', malformed.address);
  }
  const listed = await run('ip', ['-oneline', 'address', 'show']);
  return listed.ok
    ? ok(commandAddresses(floating, options.lifetimeSeconds, listed.value))
    : fail('command-missing', listed.detail);
}

/** iputils' arping; the other program of that name has other options. */
export async function openCommandAnnouncer(
  floating: readonly FloatingAddress[],
): Promise<Result<Announcer, OpenReason>> {
  const version = await run('arping', ['-V']);
  if (!version.ok || !version.value.includes('iputils')) {
    const found = version.ok ? 'the arping here is not the one of iputils' : version.detail;
    return fail('command-missing', `${found}. Remedy: apt-get install iputils-arping`);
  }
  const names = [...new Set(floating.map((entry) => entry.interfaceName))];
  return ok({
    // Every arping sends at once and then lingers for a second: all run beside each other.
    announce: async () => {
      const requests = floating.map((entry) => announceBy('-U', entry));
      const replies = floating.filter((entry) => !isIpv6(entry)).map((entry) => announceBy('-A', entry));
      const outcomes = await Promise.all([...requests, ...replies]);
      const failures = outcomes.filter((outcome) => outcome !== undefined);
      return { sent: outcomes.length - failures.length, failures };
    },
    refresh: () => undefined,
    macs: () =>
      names.map((interfaceName) => ({ interfaceName, mac: interfaceFiles.read(interfaceName)?.mac })),
    rehearse: () => undefined,
    [Symbol.dispose]: () => undefined,
  });
}

const COMMAND_TIMEOUT_MS = 2000;
const MONITOR_AGAIN_MS = 1000;

type CommandReason = 'not-found' | 'failed';

function commandAddresses(
  floating: readonly FloatingAddress[],
  lifetimeSeconds: number,
  listing: string,
): Addresses {
  const present = new Set<FloatingAddress>();
  const lost = new Set<FloatingAddress>();
  let isClaimed = false;
  /** Counts the beginnings and the ends of own changes. */
  let changes = 0;

  const find = (line: string): FloatingAddress | undefined => {
    const shown = parseAddressLine(line);
    return shown === undefined ? undefined : floating.find((entry) => isShown(entry, shown));
  };

  const relist = (text: string): void => {
    const shown = new Set(text.split('\n').map(find));
    for (const entry of floating) {
      if (shown.has(entry)) {
        present.add(entry);
      } else if (present.delete(entry) && isClaimed) {
        lost.add(entry);
      }
    }
  };

  const look = async (): Promise<void> => {
    const before = changes;
    const now = await run('ip', ['-oneline', 'address', 'show']);
    if (before !== changes) {
      // Listed beside a claim or release of our own, it may show what was before.
      await look();
    } else if (now.ok) {
      relist(now.value);
    }
  };

  const follow = createFollower({
    // What happened while no monitor ran was not told.
    onStart: () => void look(),
    // A removal that is told may be our own of a moment ago: the list of now decides.
    onLine: (line) => {
      if (line.startsWith('Deleted') && find(line) !== undefined) {
        void look();
      }
    },
  });

  relist(listing);

  const release = async (): Promise<Result<void, ReleaseReason>> => {
    changes += 1;
    isClaimed = false;
    lost.clear();
    const problems: string[] = [];
    for (const entry of floating) {
      const removal = await run('ip', ['address', 'del', prefixOf(entry), 'dev', entry.interfaceName]);
      if (removal.ok || ABSENT.test(removal.detail ?? '')) {
        present.delete(entry);
      } else {
        problems.push(
          `cannot remove ${prefixOf(entry)} from ${entry.interfaceName}: ${removal.detail ?? ''}`,
        );
      }
    }
    changes += 1;
    return problems.length === 0 ? ok(undefined) : fail('refused', problems.join('; '));
  };

  const assign = async (): Promise<Result<void, ClaimReason>> => {
    const batch = floating.map((entry) => replaceLine(entry, lifetimeSeconds)).join('');
    changes += 1;
    const assigned = await run('ip', ['-batch', '-'], batch);
    changes += 1;
    return assigned.ok ? ok(undefined) : explain(assigned.detail ?? '', floating);
  };

  return {
    claim: async () => {
      const assigned = await assign();
      if (!assigned.ok) {
        await release();
        return assigned;
      }
      isClaimed = true;
      for (const entry of floating) {
        present.add(entry);
      }
      return assigned;
    },
    renew: () => (isClaimed ? assign() : ok(undefined)),
    release,
    held: () => floating.map((entry) => present.has(entry)),
    lost: () => {
      const gone = [...lost].map((entry) => entry.address);
      lost.clear();
      return gone;
    },
    rehearse: () => undefined,
    [Symbol.dispose]: () => {
      follow[Symbol.dispose]();
    },
  };
}

/** What `ip` says of an address that is not there, or of an interface that is not there. */
const ABSENT = /cannot assign requested address|cannot find device|no such device|address not found/i;

function replaceLine(entry: FloatingAddress, lifetimeSeconds: number): string {
  const words = ['address', 'replace', prefixOf(entry), 'dev', entry.interfaceName];
  const isHost = entry.prefixLength === (isIpv6(entry) ? 128 : 32);
  words.push('valid_lft', String(lifetimeSeconds), 'preferred_lft', '0');
  words.push(...(entry.label === undefined ? [] : ['label', entry.label]));
  words.push(...(isIpv6(entry) ? ['nodad'] : []), ...(isHost ? ['noprefixroute'] : []));
  return `${words.join(' ')}\n`;
}

/** `ip` names the line of its batch that failed: `Command failed -:2`. */
function explain(stderr: string, floating: readonly FloatingAddress[]): Result<void, ClaimReason> {
  const line = Number(/Command failed -:(\d+)/.exec(stderr)?.[1] ?? 1);
  const entry = floating[line - 1];
  const words = stderr.replace(/\s*Command failed -:\d+\s*/, '').replace(/\s+/g, ' ');
  const detail =
    entry === undefined ? words : `cannot add ${prefixOf(entry)} to ${entry.interfaceName}: ${words}`;
  if (/Cannot find device|No such device/.test(stderr)) {
    return fail('interface-missing', detail);
  }
  return fail(/Operation not permitted/.test(stderr) ? 'not-permitted' : 'refused', detail);
}

async function announceBy(style: '-U' | '-A', entry: FloatingAddress): Promise<AnnounceFailure | undefined> {
  const { address, interfaceName } = entry;
  if (isIpv6(entry)) {
    return { address, interfaceName, reason: 'not-supported', detail: 'arping cannot announce IPv6' };
  }
  const sent = await run('arping', [
    '-q',
    style,
    '-c',
    '1',
    '-w',
    '1',
    '-I',
    interfaceName,
    '-s',
    address,
    address,
  ]);
  return sent.ok ? undefined : { address, interfaceName, reason: 'refused', detail: sent.detail ?? '' };
}

interface ShownAddress {
  readonly interfaceName: string;
  readonly prefix: AddressPrefix;
}

/** A line of `ip -oneline address` or of its monitor: `2: eth0    inet 192.0.2.10/32 scope global …`. */
function parseAddressLine(line: string): ShownAddress | undefined {
  const match = /^(?:Deleted )?\d+: (\S+?)(?:@\S+)?\s+inet6? (\S+)/.exec(line);
  const prefix = parsePrefix(match?.[2] ?? '');
  return match?.[1] === undefined || prefix === undefined ? undefined : { interfaceName: match[1], prefix };
}

function isShown(entry: FloatingAddress, shown: ShownAddress): boolean {
  const own = parseAddress(entry.address);
  return (
    own !== undefined &&
    shown.interfaceName === entry.interfaceName &&
    shown.prefix.prefixLength === entry.prefixLength &&
    compareAddresses(shown.prefix.address, own) === 0
  );
}

/** Runs `ip monitor` and starts it again when it ends, until it is disposed of. */
function createFollower(on: {
  readonly onStart: () => void;
  readonly onLine: (line: string) => void;
}): Disposable {
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const start = (): void => {
    const started = spawn('ip', ['-oneline', 'monitor', 'address'], { stdio: ['ignore', 'pipe', 'ignore'] });
    child = started;
    createInterface({ input: started.stdout }).on('line', on.onLine);
    started.on('spawn', on.onStart);
    // It is followed by `close`, which starts the next.
    started.on('error', () => undefined);
    started.on('close', () => {
      if (!isOver) {
        timer = setTimeout(start, MONITOR_AGAIN_MS);
      }
    });
  };
  start();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      clearTimeout(timer);
      child?.kill();
    },
  };
}

/** Standard output, or standard error as detail. */
function run(file: string, words: readonly string[], input = ''): Promise<Result<string, CommandReason>> {
  return new Promise((resolve) => {
    const child = execFile(file, [...words], { timeout: COMMAND_TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) {
        resolve(ok(stdout));
      } else if (error.code === 'ENOENT') {
        resolve(fail('not-found', `cannot run ${file}: there is no such command`));
      } else {
        resolve(fail('failed', stderr.trim() === '' ? error.message : stderr.trim()));
      }
    });
    // A command that ends before it has read everything breaks the pipe; its exit code says what happened.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

function prefixOf(entry: FloatingAddress): string {
  return `${entry.address}/${entry.prefixLength}`;
}

function isIpv6(entry: FloatingAddress): boolean {
  return entry.address.includes(':');
}
