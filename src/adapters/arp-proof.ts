import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { parseAddress } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { openArpProbe } from './arp-probe.ts';
import { openNeighborProbe } from './neighbor-probe.ts';
import { type Probe, type ProbeReason, type SendReason } from './probe.ts';

/**
 * Proves from a director that nobody answers for a floating address who should not: with direct routing every
 * real server has the address, and one that answers ARP for it draws all traffic, or half of it, to itself.
 *
 * The wire is asked again and again until the time is over, for all answers and not the first: a busy router
 * answers later than an idle server. Silence proves something only where others are heard, so the real
 * servers and known neighbours are asked for their own addresses, too; which also says whose a MAC is.
 */
export interface SilenceQuestion {
  readonly interfaceName: string;
  /** The floating addresses that shall be asked for. */
  readonly addresses: readonly string[];
  /** Who may be there: their own addresses. */
  readonly realServers: readonly string[];
  readonly timeoutMs: number;
}

export interface SilenceReport {
  /** Who has one of the addresses, apart from this host. */
  readonly answers: readonly OwnerClaim[];
  /** MACs that were heard of at all; without any, that nobody answered proves nothing. */
  readonly heardCount: number;
  /** Of the real servers, those that were heard, by their own address. */
  readonly heardServers: readonly string[];
}

export interface OwnerClaim {
  readonly address: string;
  /** Lower case with colons. */
  readonly mac: string;
  /** What else is known to be at this MAC. */
  readonly hosts: readonly string[];
}

export type SilenceReason = ProbeReason | SendReason;

const ASK_EVERY_MS = 100;
const POLL_EVERY_MS = 10;
/** Of the neighbour table; enough to see that the wire works. */
const MOST_NEIGHBORS = 64;
/** What is remembered of bystanders in a flood; whoever states a floating address is always remembered. */
const MOST_BYSTANDERS = 1024;
const MOST_ADDRESSES_EACH = 64;

export async function proveSilent(question: SilenceQuestion): Promise<Result<SilenceReport, SilenceReason>> {
  const { interfaceName, addresses, timeoutMs } = question;
  const neighbors = await neighborsOn(interfaceName);
  const targets = [...new Set([...addresses, ...question.realServers, ...neighbors.keys()])];
  const options = { interfaceName, floating: addresses };
  const families = new Set(targets.map((target) => parseAddress(target)?.family ?? 4));
  const probes = new Map<4 | 6, Probe>();
  try {
    for (const family of families) {
      const opened = family === 4 ? openArpProbe(options) : openNeighborProbe(options);
      if (!opened.ok) {
        return opened;
      }
      probes.set(family, opened.value);
    }
    const seen = new Map<string, Set<string>>();
    const endMs = performance.now() + timeoutMs;
    for (let askAtMs = 0; performance.now() < endMs;) {
      if (performance.now() >= askAtMs) {
        askAtMs = performance.now() + ASK_EVERY_MS;
        const asked = askAll(targets, probes);
        if (!asked.ok) {
          return asked;
        }
      }
      await pause(POLL_EVERY_MS);
      note(seen, probes, targets);
    }
    return ok(report(question, seen, neighbors));
  } finally {
    for (const probe of probes.values()) {
      probe[Symbol.dispose]();
    }
  }
}

function askAll(
  targets: readonly string[],
  probes: ReadonlyMap<4 | 6, Probe>,
): Result<undefined, SendReason> {
  for (const target of targets) {
    const family = parseAddress(target)?.family;
    const probe = family === undefined ? undefined : probes.get(family);
    const sent = probe === undefined ? fail('invalid-address', target) : probe.sendProbe(target);
    if (!sent.ok) {
      return sent;
    }
  }
  return ok(undefined);
}

/** Whoever states an address, by answer or by a question of its own. */
function note(
  seen: Map<string, Set<string>>,
  probes: ReadonlyMap<4 | 6, Probe>,
  targets: readonly string[],
): void {
  for (const probe of probes.values()) {
    for (const { address, mac } of probe.poll().sightings) {
      const stated = seen.get(mac) ?? new Set();
      const hasRoom = seen.size < MOST_BYSTANDERS && stated.size < MOST_ADDRESSES_EACH;
      if (hasRoom || targets.includes(address)) {
        seen.set(mac, stated.add(address));
      }
    }
  }
}

function report(
  { addresses, realServers }: SilenceQuestion,
  seen: ReadonlyMap<string, ReadonlySet<string>>,
  neighbors: ReadonlyMap<string, string>,
): SilenceReport {
  // Two interfaces of this host on one wire hear each other.
  const own = new Set(
    Object.values(networkInterfaces()).flatMap((entries = []) => entries.map(({ mac }) => mac)),
  );
  const others = [...seen].filter(([mac]) => !own.has(mac));
  const answers = others.flatMap(([mac, stated]) => {
    const known = [...neighbors].filter(([, at]) => at === mac).map(([address]) => address);
    const hosts = [...new Set([...stated, ...known])].filter((address) => !addresses.includes(address));
    return addresses.filter((address) => stated.has(address)).map((address) => ({ address, mac, hosts }));
  });
  const heardServers = realServers.filter((server) => others.some(([, stated]) => stated.has(server)));
  return { answers, heardCount: others.length, heardServers };
}

/** Address and MAC of the complete entries of the kernel's IPv4 table; empty where it cannot be read. */
async function neighborsOn(interfaceName: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile('/proc/net/arp', 'utf8').catch(() => '');
  const entries = text
    .split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/))
    // ATF_COM: the entry has an answer.
    .filter(([, , flags, , , name]) => name === interfaceName && (Number(flags) & 0x2) !== 0)
    .map(([address = '', , , mac = '']) => [address, mac.toLowerCase()] as const)
    .filter(([address]) => parseAddress(address)?.family === 4);
  return new Map(entries.slice(0, MOST_NEIGHBORS));
}
