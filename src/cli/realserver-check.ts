import { hostname } from 'node:os';
import { join } from 'node:path';
import { type ApiClient, createClient } from '../api/client.ts';
import { loadConfig } from '../config/load.ts';
import { lvsFrom, type LvsOptions } from '../config/lvs-settings.ts';
import { findNode, floatingFrom, type FloatingSettings } from '../config/settings.ts';
import { formatAddress, parseAddress } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { exitCode } from './exit-codes.ts';
import { complain, printJson } from './print.ts';
import { type Io, type RealServerCheckOptions } from './run-options.ts';

/** Asks the wire of one interface who has which of the addresses, for so long. */
export type ProveSilent = (question: {
  readonly interfaceName: string;
  readonly addresses: readonly string[];
  readonly realServers: readonly string[];
  readonly timeoutMs: number;
}) => Promise<
  Result<
    {
      readonly answers: readonly {
        readonly address: string;
        readonly mac: string;
        readonly hosts: readonly string[];
      }[];
      readonly heardCount: number;
      readonly heardServers: readonly string[];
    },
    string
  >
>;

/** What the wire says of one floating address. */
interface Finding {
  readonly address: string;
  readonly interface: string;
  /** Whoever else has it, apart from this director. */
  readonly answers: readonly Answer[];
  /** Others are heard on this wire, so silence means something. */
  readonly heard: boolean;
}

interface Answer {
  readonly mac: string;
  /** Addresses of its own. */
  readonly hosts: readonly string[];
  /** Null while the daemon cannot say which MACs are the peer's. */
  readonly isPeer: boolean | null;
}

/** `vipair realserver check`, on a director: does anybody but the pair answer for a floating address? */
export async function realServerCheckCommand(
  options: RealServerCheckOptions,
  io: Io,
  proveSilent: ProveSilent,
): Promise<number> {
  const loaded = await loadConfig(options.config);
  if (!loaded.ok) {
    complain(io, loaded.detail ?? loaded.reason);
    return exitCode('configuration');
  }
  const { config } = loaded.value;
  const node = findNode(config, { node: options.node, hostName: hostname() });
  if (!node.ok) {
    complain(io, node.detail ?? node.reason);
    return exitCode('configuration');
  }
  const floating = floatingFrom(config, node.value);
  const misnamed = whatIsMisnamed(options, floating);
  if (misnamed !== undefined) {
    complain(io, misnamed);
    return exitCode('usage');
  }
  const wanted = options.addresses.map(canonical);
  const asked = floating.filter(({ address }) => wanted.length === 0 || wanted.includes(address));
  const daemon = createClient(join(options.runtimeDir, `${config.pair}.sock`));
  const named = options.realServers.map(canonical);
  const realServers = named.length > 0 ? named : await directServers(daemon, lvsFrom(config, node.value));
  const found = await askWires(asked, {
    peerMacs: await askPeerMacs(daemon),
    realServers: [...new Set(realServers)],
    timeoutMs: options.timeoutMs,
    proveSilent,
  });
  if (!found.ok) {
    complain(io, found.detail ?? found.reason);
    return exitCode(found.reason === 'not-permitted' ? 'notPermitted' : 'failed');
  }
  const { findings, unheardServers } = found.value;
  const isAllWell = findings.every(isWell) && unheardServers.length === 0;
  if (options.json) {
    printJson(io, { ok: isAllWell, node: node.value, addresses: findings, unheardServers });
  } else {
    const lines = [...findings.map(describe), ...unheardServers.map(describeUnheard)];
    io.out(lines.map((line) => `${line}\n`).join(''));
  }
  return exitCode(isAllWell ? 'ok' : 'failed');
}

function whatIsMisnamed(
  { addresses, realServers }: RealServerCheckOptions,
  floating: readonly FloatingSettings[],
): string | undefined {
  const malformed = [...addresses, ...realServers].find((text) => parseAddress(text) === undefined);
  if (malformed !== undefined) {
    return `${malformed} is not an address`;
  }
  const stranger = addresses.find((text) => !floating.some(({ address }) => address === canonical(text)));
  return stranger === undefined
    ? undefined
    : `${stranger} is no floating address: ${floating.map(({ address }) => address).join(', ')} are`;
}

/** What the wires say, and the real servers that were heard on none of them. */
interface Found {
  readonly findings: readonly Finding[];
  readonly unheardServers: readonly string[];
}

interface How {
  readonly peerMacs: readonly string[] | undefined;
  readonly realServers: readonly string[];
  readonly timeoutMs: number;
  readonly proveSilent: ProveSilent;
}

/**
 * Asks on all interfaces at once, so that it takes no longer with many. An address is asked for where it floats,
 * and nowhere else: on another wire a router that does proxy ARP answers for it by right.
 */
async function askWires(
  asked: readonly FloatingSettings[],
  how: How,
): Promise<Result<Found, 'not-permitted' | 'failed'>> {
  const interfaces = [...new Set(asked.map(({ interfaceName }) => interfaceName))];
  const wires = await Promise.all(
    interfaces.map((interfaceName) =>
      askWire(
        interfaceName,
        asked.filter((entry) => entry.interfaceName === interfaceName).map(({ address }) => address),
        how,
      ),
    ),
  );
  const findings: Finding[] = [];
  const heard = new Set<string>();
  for (const wire of wires) {
    if (!wire.ok) {
      return wire;
    }
    findings.push(...wire.value.findings);
    for (const server of wire.value.heardServers) {
      heard.add(server);
    }
  }
  return ok({ findings, unheardServers: how.realServers.filter((server) => !heard.has(server)) });
}

async function askWire(
  interfaceName: string,
  addresses: readonly string[],
  { peerMacs, realServers, timeoutMs, proveSilent }: How,
): Promise<
  Result<
    { readonly findings: readonly Finding[]; readonly heardServers: readonly string[] },
    'not-permitted' | 'failed'
  >
> {
  const proven = await proveSilent({ interfaceName, addresses, realServers, timeoutMs });
  if (!proven.ok) {
    const reason = proven.reason === 'not-permitted' ? 'not-permitted' : 'failed';
    return fail(reason, refusalText(interfaceName, proven.reason, proven.detail));
  }
  const { answers, heardCount, heardServers } = proven.value;
  const findings = addresses.map((address) => ({
    address,
    interface: interfaceName,
    answers: answers
      .filter((answer) => answer.address === address)
      .map(({ mac, hosts }) => ({ mac, hosts, isPeer: peerMacs?.includes(mac) ?? null })),
    heard: heardCount > 0,
  }));
  return ok({ findings, heardServers });
}

function isWell({ answers, heard }: Finding): boolean {
  return heard && answers.every(({ isPeer }) => isPeer === true);
}

function describe({ address, interface: interfaceName, answers, heard }: Finding): string {
  const where = `${address} on ${interfaceName}`;
  if (!heard) {
    return `${where}: nobody at all was heard there, so that nobody answered proves nothing. Remedy: name a real server with --server, or look at the cable`;
  }
  const others = answers.filter(({ isPeer }) => isPeer !== true);
  if (others.length === 0) {
    return `${where}: ${answers.length > 0 ? 'the peer has it, and nobody else answers' : 'nobody but this director answers'}`;
  }
  return others.map((answer) => `${where}: ${complaintOf(answer, address)}`).join('\n');
}

function describeUnheard(server: string): string {
  return `${server} was not heard, so nothing is proven about it. Remedy: is it up, and is this its own address on the wire of a floating address?`;
}

function complaintOf({ mac, hosts, isPeer }: Answer, address: string): string {
  const who = hosts.length === 0 ? mac : `${hosts.join(', ')} (${mac})`;
  const remedy = `Remedy: on that host, as root: sh vipair-realserver.sh apply --address ${address}`;
  return isPeer === null
    ? `${who} answers for it; whether that is the peer is not known while the daemon does not run here or has not heard it. If it is a real server: ${remedy}`
    : `${who} answers for it, and is not of the pair. ${remedy}`;
}

function refusalText(interfaceName: string, reason: string, detail: string | undefined): string {
  const words = detail === undefined ? reason : `${reason}: ${detail}`;
  return reason === 'not-permitted'
    ? `cannot ask on ${interfaceName}: raw frames need root. Remedy: sudo vipair realserver check`
    : `cannot ask on ${interfaceName}: ${words}`;
}

/** The real servers that get packets by direct routing: of the daemon's table, or of the configuration's. */
async function directServers(daemon: ApiClient, { settings }: LvsOptions): Promise<readonly string[]> {
  const services = await daemon.services();
  const servers = services.ok
    ? services.value.services.flatMap((service) => service.servers)
    : settings.table
        .flatMap((service) => service.servers)
        .map(({ address, forwarding }) => ({ address, forwarding: forwarding.method }));
  return servers.filter(({ forwarding }) => forwarding === 'direct').map(({ address }) => address);
}

/** Undefined where no daemon says it, or it has not heard the peer yet. */
async function askPeerMacs(daemon: ApiClient): Promise<readonly string[] | undefined> {
  const status = await daemon.status();
  // A daemon that is older does not say it.
  const macs: readonly string[] | undefined = status.ok ? status.value.peer.macs : undefined;
  return macs === undefined || macs.length === 0 ? undefined : macs;
}

function canonical(text: string): string {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
}
