import { fail, ok, type Result } from '../core/result.ts';
import { type PathSetting, type Settings } from '../core/state.ts';
import { configDigest } from './digest.ts';
import { groupOfLink } from './group.ts';
import { lvsTracksFrom } from './lvs-settings.ts';
import { type Config } from './schema.ts';
import { timersFrom } from './timers.ts';
import { type Listen, parseListen, valueFor } from './values.ts';

/** The shortest time that a starting director listens before it may claim. */
const LEAST_LISTEN_MS = 1000;

/** How a path is asked by ICMP unless the file says it; as scripts are run. */
export const PING = { intervalMs: 2000, timeoutMs: 1000, rise: 2, fall: 2 } as const;

/** The part of a checked configuration that the core decides by, as this node sees it. */
export function settingsFrom(config: Config, nodeName: string): Settings {
  const names = Object.keys(config.nodes).sort();
  const timers = timersFrom(config.heartbeat);
  return {
    pair: config.pair,
    nodeName,
    peerName: peerOf(config, nodeName),
    nodeId: names.indexOf(nodeName) + 1,
    priority: nodeOf(config, nodeName).priority,
    ...timers,
    listenMs: Math.max(timers.deadMs, LEAST_LISTEN_MS),
    failback:
      config.failback === 'manual' ? { kind: 'manual' } : { kind: 'auto', delayMs: config.failback.auto },
    gate: config.gate,
    links: config.heartbeat.links.map((link) => ({
      name: link.name,
      interfaceName: valueFor(link.interface, nodeName),
    })),
    paths: trackedFrom(config, nodeName),
    // The pulse says otherwise if it finds that it cannot.
    canProbe: true,
    contested:
      config.contested === 'wait'
        ? { kind: 'wait' }
        : { kind: 'claim-after', afterMs: config.contested.claim_after },
    floating: floatingFrom(config, nodeName).map(({ address, interfaceName }) => ({
      address,
      interfaceName,
    })),
    configDigest: configDigest(config),
    addressLifetimeSeconds: addressLifetimeSeconds(config),
  };
}

/** What one heartbeat link needs to be opened on this node: multicast by `group`, or unicast. */
export interface LinkSettings {
  readonly name: string;
  readonly interfaceName: string;
  readonly port: number;
  readonly group: string | undefined;
  readonly unicast: { readonly own: string; readonly peer: string } | undefined;
  readonly gtsm: boolean;
  /** Never a source of heartbeats: a floating address moves. */
  readonly floatingAddresses: readonly string[];
}

export function linkOptionsFrom(config: Config, nodeName: string): readonly LinkSettings[] {
  const { heartbeat } = config;
  const peerName = peerOf(config, nodeName);
  return heartbeat.links.map((link, index) => ({
    name: link.name,
    interfaceName: valueFor(link.interface, nodeName),
    port: heartbeat.port,
    group: link.peers === undefined ? groupOfLink(heartbeat, index) : undefined,
    unicast:
      link.peers === undefined
        ? undefined
        : { own: valueFor(link.peers, nodeName), peer: valueFor(link.peers, peerName) },
    gtsm: link.gtsm,
    floatingAddresses: config.floating.map(({ address }) => address.address),
  }));
}

/** A floating address as it is put on this node's interface. */
export interface FloatingSettings {
  readonly address: string;
  readonly prefixLength: number;
  readonly interfaceName: string;
  readonly label: string | undefined;
}

export function floatingFrom(config: Config, nodeName: string): readonly FloatingSettings[] {
  return config.floating.map(({ address, interface: interfaceName, label }) => ({
    ...address,
    interfaceName: valueFor(interfaceName, nodeName),
    label: label === undefined ? undefined : valueFor(label, nodeName),
  }));
}

export interface PathSettings {
  readonly name: string;
  readonly interfaceName: string;
  readonly target: string;
  readonly probe: 'arp' | 'icmp';
  /** Losing the path gives up the office if the peer's works. */
  readonly isRequired: boolean;
  /** What losing the path takes from the priority; 0 when it only counts as required or is only watched. */
  readonly score: number;
}

export function pathsFrom(config: Config, nodeName: string): readonly PathSettings[] {
  return config.paths.map((path) => ({
    name: path.name,
    interfaceName: valueFor(path.interface, nodeName),
    target: valueFor(path.target, nodeName),
    probe: path.probe,
    ...weightOf(path),
  }));
}

function weightOf({ required, score }: Pick<Config['scripts'][number], 'required' | 'score'>) {
  return { isRequired: required ?? score === undefined, score: score ?? 0 };
}

/** All that the core watches, in the order of both files: paths, scripts, then virtual services. */
function trackedFrom(config: Config, nodeName: string): readonly PathSetting[] {
  return [
    ...pathsFrom(config, nodeName).map(
      ({ name, interfaceName, target, probe, isRequired, score }, index) => ({
        name,
        interfaceName,
        address: target,
        isRequired,
        score,
        ...(probe === 'arp'
          ? { source: 'wire' as const }
          : { source: 'reported' as const, peerLagMs: pingLagMs(config.paths[index]) }),
      }),
    ),
    ...config.scripts.map((script) => ({
      name: script.name,
      interfaceName: '',
      address: '',
      source: 'reported' as const,
      ...weightOf(script),
    })),
    ...lvsTracksFrom(config),
  ];
}

/** A target is the same for both, and their pings do not keep step. What a script looks at is its director's own. */
function pingLagMs({ interval, timeout }: Partial<Config['paths'][number]> = {}): number {
  return (interval ?? PING.intervalMs) + (timeout ?? PING.timeoutMs);
}

/** What the director process finds out and reports to the core. */
export type ReportedTrack = {
  readonly name: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Results in a row that change the verdict. */
  readonly rise: number;
  readonly fall: number;
} & (
  | { readonly kind: 'icmp'; readonly interfaceName: string; readonly target: string }
  | { readonly kind: 'script'; readonly command: readonly string[] }
);

export function reportedFrom(config: Config, nodeName: string): readonly ReportedTrack[] {
  return [
    ...config.paths
      .filter(({ probe }) => probe === 'icmp')
      .map((path) => ({
        kind: 'icmp' as const,
        name: path.name,
        interfaceName: valueFor(path.interface, nodeName),
        target: valueFor(path.target, nodeName),
        intervalMs: path.interval ?? PING.intervalMs,
        timeoutMs: path.timeout ?? PING.timeoutMs,
        rise: path.rise ?? PING.rise,
        fall: path.fall ?? PING.fall,
      })),
    ...config.scripts.map(({ name, command, interval, timeout, rise, fall }) => ({
      kind: 'script' as const,
      name,
      command,
      intervalMs: interval,
      timeoutMs: timeout,
      rise,
      fall,
    })),
  ];
}

/** Where this node serves its API. */
export interface ApiSettings {
  readonly listen: Listen;
  readonly tokenFile: string | undefined;
}

export function apiFrom(config: Config, nodeName: string): ApiSettings {
  const text = valueFor(config.api.listen, nodeName);
  const listen = parseListen(text);
  if (listen === undefined) {
    throw new Error(`unchecked configuration: api.listen ${text}`);
  }
  return { listen, tokenFile: config.api.token_file };
}

/**
 * The node that this host is: the one that was named, or the one whose host name this is, with or without
 * the domain.
 */
export function findNode(
  config: Config,
  { node, hostName }: { readonly node?: string | undefined; readonly hostName: string },
): Result<string, 'unknown-node'> {
  const names = Object.keys(config.nodes);
  const known = names.join(' and ');
  if (node !== undefined) {
    return names.includes(node)
      ? ok(node)
      : fail('unknown-node', `no node is called ${node}; the nodes are ${known}`);
  }
  const own = hostName.toLowerCase();
  const found = names.find((name) => {
    const host = (config.nodes[name]?.host ?? name).toLowerCase();
    return host === own || host === firstLabel(own) || firstLabel(host) === own;
  });
  return found === undefined
    ? fail(
        'unknown-node',
        `this host is called ${hostName}, and the nodes are ${known}. Remedy: --node NAME, or nodes.NAME.host`,
      )
    : ok(found);
}

/** valid_lft of the floating addresses: longer than the lease, for it only cleans up after it. */
export function addressLifetimeSeconds(config: Pick<Config, 'address_lifetime' | 'heartbeat'>): number {
  return config.address_lifetime === undefined
    ? Math.ceil(timersFrom(config.heartbeat).leaseMs / 1000) + 2
    : config.address_lifetime / 1000;
}

function nodeOf(config: Config, nodeName: string): Config['nodes'][string] {
  const node = config.nodes[nodeName];
  if (node === undefined) {
    throw new Error(`unchecked configuration: no node ${nodeName}`);
  }
  return node;
}

function peerOf(config: Config, nodeName: string): string {
  const peer = Object.keys(config.nodes).find((name) => name !== nodeName);
  if (peer === undefined) {
    throw new Error(`unchecked configuration: ${nodeName} has no peer`);
  }
  return peer;
}

function firstLabel(hostName: string): string {
  return hostName.split('.', 1)[0] ?? hostName;
}
