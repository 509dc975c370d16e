import { explainWhy, formatMs } from '../core/explain.ts';
import { trackKind } from '../core/paths.ts';
import { floatingInterfaces, tracksOf } from '../core/tracks.ts';
import {
  type DirectorState,
  type GateHooks,
  type PathSetting,
  type Refusal,
  type Role,
  type Settings,
  statedRole,
  type Why,
} from '../core/state.ts';
import { type GateSnapshot, type LinkCounts, type PulseSnapshot } from './snapshot.ts';

/**
 * The pair as one of its directors sees it: what `vipair status --json` prints and GET /status answers.
 * Names and meanings are a contract with whoever reads it; fields may be added.
 */
export interface Status {
  readonly pair: string;
  readonly node: string;
  readonly role: Role;
  /** Since when the role stands, ISO 8601. */
  readonly since: string;
  readonly term: number;
  /** Why the role was taken, as a clause; `reason` is the same as facts. */
  readonly why: string;
  readonly reason: Why;
  readonly priority: number;
  readonly maintenance: boolean;
  readonly peer: PeerStatus;
  readonly floating: readonly {
    readonly address: string;
    readonly interface: string;
    readonly held: boolean;
  }[];
  readonly links: readonly LinkStatus[];
  /** Paths, scripts, and virtual services that can move the office. */
  readonly paths: readonly PathStatus[];
  readonly interfaces: readonly InterfaceStatus[];
  /** Since when the silent peer still answers for the addresses, ISO 8601; null when it does not. */
  readonly contested: string | null;
  /** The last claim of a floating address by a MAC that is not of the pair. */
  readonly foreign: { readonly address: string; readonly mac: string; readonly at: string } | null;
  readonly lease: LeaseStatus;
  readonly timers: { readonly intervalMs: number; readonly leaseMs: number; readonly deadMs: number };
  /** What is not as it should be, one sentence each; empty when all is well. */
  readonly problems: readonly string[];
  readonly realtime: boolean;
  readonly kernelPath: 'syscalls' | 'commands';
  readonly version: string;
  readonly pid: number;
  readonly bootId: string;
  /** When the daemon started, ISO 8601. */
  readonly started: string;
  /** When this was true, ISO 8601. */
  readonly at: string;
}

export interface PeerStatus {
  readonly node: string;
  /** `unknown` while nothing is heard from it. */
  readonly role: Role | 'unknown';
  /** Since the latest heartbeat on any link; null before the first. */
  readonly lastHeardMs: number | null;
  /** Effective priority; 0 from a director that may not hold the addresses, null when unknown. */
  readonly priority: number | null;
  /** Why its priority is 0, or `none`. */
  readonly refusal: Refusal;
  readonly maintenance: boolean;
  /** It has proved that its heartbeats are its own and new. */
  readonly proven: boolean;
  readonly configDiffers: boolean;
  /** Of its floating interfaces, as it last said; empty before the first heartbeat. */
  readonly macs: readonly string[];
}

export interface LinkStatus {
  readonly name: string;
  readonly interface: string;
  readonly carrier: boolean;
  /** The peer was heard here within the dead time. */
  readonly hears: boolean;
  /** The peer says that it hears this director here. */
  readonly heard_by_peer: boolean;
  readonly lastHeardMs: number | null;
  readonly sent: number;
  readonly sendFailures: number;
  readonly received: number;
  readonly lost: number;
  readonly jitterMs: number | null;
  readonly roundTripMs: number | null;
}

export interface PathStatus {
  readonly name: string;
  /** How it is found out: by ARP or ND with every heartbeat, by ping, by a script, or by the real servers of a service. */
  readonly kind: 'arp' | 'icmp' | 'script' | 'service';
  /** Null of a script and a service, as is `target`. */
  readonly interface: string | null;
  readonly target: string | null;
  /** Null until it answered or was given up for the first time. */
  readonly up: boolean | null;
  /** What the peer says of its own; null while nothing is heard from it. */
  readonly peerUp: boolean | null;
  readonly required: boolean;
  /** What losing it takes from the priority. */
  readonly score: number;
  /** What is complained of, where somebody looks who has words. */
  readonly detail: string | null;
}

/** An interface of a floating address; losing its carrier counts as losing a required path. */
export interface InterfaceStatus {
  readonly name: string;
  readonly carrier: boolean;
  readonly peerCarrier: boolean | null;
}

export interface LeaseStatus {
  readonly mode: GateSnapshot['mode'];
  /** What the configuration asks for; `mode` may be weaker. */
  readonly configured: GateSnapshot['mode'];
  /** Where the kernel stops what goes out; null without a gate. `output`: it has no egress hook. */
  readonly hooks: GateHooks | null;
  readonly remainingMs: number | null;
  /** valid_lft of the floating addresses. */
  readonly lifetimeSeconds: number;
  readonly renewalsLate: number;
  readonly reinstalled: number;
  readonly problem: string | null;
}

/** What the process that asks knows besides. */
export interface Surroundings {
  readonly version: string;
  /** An API that cannot listen, a journal that cannot write. */
  readonly extraProblems?: readonly string[];
  /** By its name, what is wrong with a track that is reported to the pulse. */
  readonly complaints?: ReadonlyMap<string, string>;
}

export function statusView(
  snapshot: PulseSnapshot,
  settings: Settings,
  { version, extraProblems = [], complaints = noComplaints }: Surroundings,
): Status {
  const { state, gate } = snapshot;
  return {
    pair: settings.pair,
    node: settings.nodeName,
    role: statedRole(state.office),
    since: wallOf(snapshot, state.sinceMs),
    term: state.term,
    why: explainWhy(state.why, settings),
    reason: state.why,
    priority: settings.priority,
    maintenance: state.isMaintenance,
    peer: peerStatus(snapshot, settings),
    floating: snapshot.floating.map(({ address, interfaceName, held }) => ({
      address,
      interface: interfaceName,
      held,
    })),
    links: snapshot.links.map((link, index) => linkStatus(link, index, snapshot, settings)),
    paths: settings.paths.map((path, index) => pathStatus(path, index, { snapshot, settings, complaints })),
    interfaces: floatingInterfaces(settings).map((name, index) => ({
      name,
      carrier: !state.downInterfaces.includes(name),
      peerCarrier: isOkAtPeer(snapshot, settings.paths.length + index, settings) ?? null,
    })),
    contested: contestedSince(snapshot),
    foreign:
      state.foreign === undefined
        ? null
        : {
            address: state.foreign.address,
            mac: state.foreign.mac,
            at: wallOf(snapshot, state.foreign.atMs),
          },
    lease: {
      mode: gate.mode,
      configured: settings.gate,
      hooks: gate.hooks ?? null,
      remainingMs: gate.remainingMs ?? null,
      lifetimeSeconds: settings.addressLifetimeSeconds,
      renewalsLate: gate.renewalsLate,
      reinstalled: gate.reinstalled,
      problem: gate.problem ?? null,
    },
    timers: { intervalMs: settings.intervalMs, leaseMs: settings.leaseMs, deadMs: settings.deadMs },
    problems: [...problemsOf(snapshot, settings, complaints), ...extraProblems],
    realtime: snapshot.realtimeProblem === undefined,
    kernelPath: snapshot.kernelPath,
    version,
    pid: snapshot.pid,
    bootId: snapshot.bootId,
    started: new Date(snapshot.startedWallMs).toISOString(),
    at: new Date(snapshot.wallMs).toISOString(),
  };
}

const noComplaints: ReadonlyMap<string, string> = new Map();

/** Is the peer heard on any link, as of this snapshot? */
export function isPeerHeard({ state, atMs }: Pick<PulseSnapshot, 'state' | 'atMs'>, deadMs: number): boolean {
  return state.peer !== undefined && atMs - state.peer.heardAtMs < deadMs;
}

function pathStatus(
  path: PathSetting,
  index: number,
  {
    snapshot,
    settings,
    complaints,
  }: {
    readonly snapshot: PulseSnapshot;
    readonly settings: Settings;
    readonly complaints: ReadonlyMap<string, string>;
  },
): PathStatus {
  const { name, interfaceName, address, source, isRequired, score } = path;
  const kind = trackKind(path);
  const isPath = kind === 'path';
  return {
    name,
    kind: isPath ? (source === 'wire' ? 'arp' : 'icmp') : kind,
    interface: isPath ? interfaceName : null,
    target: isPath ? address : null,
    up: snapshot.state.paths[index]?.isUp ?? null,
    peerUp: isOkAtPeer(snapshot, index, settings) ?? null,
    required: isRequired,
    score,
    detail: complaints.get(name) ?? null,
  };
}

/** What the peer last said of the track of this position; undefined once it is silent, or counts others. */
export function isOkAtPeer(snapshot: PulseSnapshot, index: number, settings: Settings): boolean | undefined {
  const trackCount = tracksOf(snapshot.state, settings).length;
  const said = isPeerHeard(snapshot, settings.deadMs)
    ? snapshot.state.peer?.advertisement.pathsOk
    : undefined;
  return said?.length === trackCount ? said[index] : undefined;
}

function peerStatus(snapshot: PulseSnapshot, settings: Settings): PeerStatus {
  const { peer } = snapshot.state;
  const advertisement = isPeerHeard(snapshot, settings.deadMs) ? peer?.advertisement : undefined;
  return {
    node: settings.peerName,
    role: advertisement?.role ?? 'unknown',
    lastHeardMs: peer === undefined ? null : ageMs(snapshot, peer.heardAtMs),
    priority: advertisement?.priority ?? null,
    refusal: advertisement?.refusal ?? 'none',
    maintenance: advertisement?.isMaintenance ?? false,
    proven: peer?.isProven ?? false,
    configDiffers: snapshot.isConfigDifferent,
    macs: peer?.macs ?? [],
  };
}

function linkStatus(
  link: LinkCounts,
  index: number,
  snapshot: PulseSnapshot,
  settings: Settings,
): LinkStatus {
  return {
    name: link.name,
    interface: link.interfaceName,
    carrier: link.carrier,
    hears: isLinkHeard(link, snapshot, settings.deadMs),
    heard_by_peer: isHeardByPeer(snapshot, index, settings.deadMs),
    lastHeardMs: link.lastHeardAtMs === undefined ? null : ageMs(snapshot, link.lastHeardAtMs),
    sent: link.sent,
    sendFailures: link.sendFailures,
    received: link.received,
    lost: link.lost,
    jitterMs: rounded(link.jitterMs),
    roundTripMs: rounded(link.roundTripMs),
  };
}

export function isLinkHeard(
  link: LinkCounts,
  snapshot: Pick<PulseSnapshot, 'atMs'>,
  deadMs: number,
): boolean {
  return link.lastHeardAtMs !== undefined && snapshot.atMs - link.lastHeardAtMs < deadMs;
}

/** What the peer last said; nothing it said counts once it is silent. */
export function isHeardByPeer(snapshot: PulseSnapshot, index: number, deadMs: number): boolean {
  return isPeerHeard(snapshot, deadMs) && snapshot.state.peer?.advertisement.hears[index] === true;
}

function problemsOf(
  snapshot: PulseSnapshot,
  settings: Settings,
  complaints: ReadonlyMap<string, string>,
): readonly string[] {
  const { state, gate, realtimeProblem } = snapshot;
  const isHeard = isPeerHeard(snapshot, settings.deadMs);
  return [
    ...(isHeard ? [] : [silenceOf(state, snapshot, settings)]),
    ...snapshot.links.flatMap((link, index) => linkProblem(link, index, snapshot, settings, isHeard)),
    ...(snapshot.isConfigDifferent
      ? [`The configuration of ${settings.peerName} differs: make both files the same.`]
      : []),
    ...(state.isMaintenance ? ['In maintenance: vipair maintenance off ends it.'] : []),
    ...(isHeard && state.peer?.advertisement.isMaintenance === true
      ? [`${settings.peerName} is in maintenance and will not take over.`]
      : []),
    ...(state.isBehind
      ? [
          `Not in sync: ${settings.peerName} knows connections that this director does not, so it will not take over by choice before it has caught up.`,
        ]
      : []),
    ...settings.paths.flatMap((path, index) =>
      pathProblem(path, state.paths[index]?.isUp === false, complaints.get(path.name)),
    ),
    ...floatingInterfaces(settings)
      .filter(
        (name) =>
          state.downInterfaces.includes(name) &&
          !snapshot.links.some(({ interfaceName, carrier }) => interfaceName === name && !carrier),
      )
      .map((name) => `${name}, which floating addresses are on, has no carrier.`),
    ...foreignProblem(snapshot),
    ...(contestedSince(snapshot) === null
      ? []
      : [`Contested: ${settings.peerName} is silent but still answers for the addresses.`]),
    ...addressProblems(snapshot),
    ...(gate.problem === undefined ? [] : [`The lease is weaker than configured: ${gate.problem}`]),
    ...(realtimeProblem === undefined ? [] : [`Not in real time: ${realtimeProblem}`]),
    ...(snapshot.kernelPath === 'commands' ? ['The kernel is spoken to by commands, which is slower.'] : []),
  ];
}

function pathProblem(path: PathSetting, isDown: boolean, complaint: string | undefined): readonly string[] {
  if (!isDown && complaint === undefined) {
    return [];
  }
  switch (trackKind(path)) {
    case 'path':
      return [`Path ${path.name}: ${complaint ?? `${path.address} does not answer`}.`];
    case 'script':
      return [`Script ${path.name}: ${complaint ?? 'fails'}.`];
    case 'service':
      return [`Service ${path.name}: ${complaint ?? 'too few of its real servers are usable'}.`];
  }
}

/** Not for ever: who claimed an address once may have been mended. */
const foreignForMs = 600_000;

function foreignProblem(snapshot: PulseSnapshot): readonly string[] {
  const { foreign } = snapshot.state;
  return foreign === undefined || snapshot.atMs - foreign.atMs > foreignForMs
    ? []
    : [
        `${foreign.mac}, which is not of the pair, claimed ${foreign.address} ${formatMs(ageMs(snapshot, foreign.atMs))} ago: find that host and take the address from it.`,
      ];
}

function contestedSince(snapshot: PulseSnapshot): string | null {
  const { office } = snapshot.state;
  const contestedAtMs = office.role === 'backup' ? office.contestedAtMs : undefined;
  return contestedAtMs === undefined ? null : wallOf(snapshot, contestedAtMs);
}

function silenceOf(state: DirectorState, snapshot: PulseSnapshot, settings: Settings): string {
  return state.peer === undefined
    ? `Nothing was ever heard from ${settings.peerName}.`
    : `Nothing is heard from ${settings.peerName} since ${formatMs(ageMs(snapshot, state.peer.heardAtMs))}.`;
}

function linkProblem(
  link: LinkCounts,
  index: number,
  snapshot: PulseSnapshot,
  settings: Settings,
  isPeerThere: boolean,
): readonly string[] {
  const { deadMs, peerName } = settings;
  if (!link.carrier) {
    return [`Link ${link.name}: ${link.interfaceName} has no carrier.`];
  }
  if (!isPeerThere) {
    return [];
  }
  if (!isLinkHeard(link, snapshot, deadMs)) {
    return [`Link ${link.name}: ${peerName} is not heard here.`];
  }
  return isHeardByPeer(snapshot, index, deadMs)
    ? []
    : [`Link ${link.name}: ${peerName} does not hear this director here.`];
}

function addressProblems({ state, floating }: PulseSnapshot): readonly string[] {
  const isActive = statedRole(state.office) === 'active';
  // After a hand-over the old owner keeps the addresses for a moment, to serve what still arrives.
  const isServing = state.office.role === 'backup' && state.office.servesUntilMs !== undefined;
  if (isServing || state.office.role === 'claiming') {
    return [];
  }
  return floating
    .filter(({ held }) => held !== isActive)
    .map(({ address, interfaceName }) =>
      isActive
        ? `${address} is not on ${interfaceName}, although this director is active.`
        : `${address} is on ${interfaceName}, although this director is not active.`,
    );
}

function ageMs({ atMs }: Pick<PulseSnapshot, 'atMs'>, instantMs: number): number {
  return Math.max(0, Math.round(atMs - instantMs));
}

/** A monotonic instant of the pulse as wall time. */
function wallOf({ atMs, wallMs }: PulseSnapshot, instantMs: number): string {
  return new Date(Math.round(wallMs - (atMs - instantMs))).toISOString();
}

function rounded(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms * 1000) / 1000;
}
