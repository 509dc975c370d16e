import { type Config } from '../config/schema.ts';
import { reportedFrom, settingsFrom } from '../config/settings.ts';
import { explainWhy, formatMs } from '../core/explain.ts';
import { type PathSetting, type Settings } from '../core/state.ts';
import { floatingInterfaces } from '../core/tracks.ts';
import { isTrackFailure, rehearse, type Rehearsed, type SingleFailure } from '../simulation/rehearsal.ts';
import { alignColumns } from './print.ts';

/** What one failure of the director in office would do, as the production core shows it in a rehearsal. */
export interface FailureFinding {
  readonly failure: string;
  readonly kind: SingleFailure['kind'];
  /** The director in office, to which it happens. */
  readonly node: string;
  /** Do the addresses move to the other? */
  readonly moves: boolean;
  /** At the latest, from the failure until the other answers; null where nothing moves. */
  readonly withinMs: number | null;
  readonly why: string;
  /** Both would answer for the addresses. */
  readonly split: boolean;
  /** A track that was meant to move nothing. */
  readonly watchedOnly: boolean;
}

/** Either node in office, every single failure. */
export function findFailures(config: Config): readonly FailureFinding[] {
  const [first = '', second = ''] = Object.keys(config.nodes).sort();
  const pair: Pair = { a: settingsFrom(config, first), b: settingsFrom(config, second) };
  return rehearse(pair).map((rehearsed) => {
    const own = pair[rehearsed.active];
    const { failure, movedAfterMs, isSplit } = rehearsed;
    return {
      failure: nameOf(failure, pair),
      kind: failure.kind,
      node: own.nodeName,
      moves: movedAfterMs !== undefined,
      withinMs:
        movedAfterMs === undefined ? null : Math.ceil(movedAfterMs + noticedAfterMs(config, failure, own)),
      why: isSplit ? `both answer then: ${reasonOf(rehearsed, pair)}` : reasonOf(rehearsed, pair),
      split: isSplit,
      watchedOnly: isWatchedOnly(failure, own),
    };
  });
}

/** What was asked for and cannot happen. */
export function failureWarnings(findings: readonly FailureFinding[]): readonly string[] {
  const idle = findings.filter((row) => isTrackFailure(row) && !row.moves && !row.watchedOnly);
  const split = findings.filter((finding) => finding.split);
  return [
    ...group(idle).map(({ failure, whys, nodes }) =>
      nodes.length > 1
        ? `${failure} never moves the addresses: ${whys.join('; ')}`
        : `${failure} never moves the addresses away from ${nodes.join()}: ${whys.join('; ')}`,
    ),
    ...group(split).map(({ failure }) => `${failure}: both directors would answer for the addresses`),
  ];
}

/** A table; what is the same for both nodes is one row. */
export function failureTable(findings: readonly FailureFinding[]): readonly string[] {
  const rows = [...new Set(findings.map(({ failure }) => failure))].flatMap((failure) => {
    const both = findings.filter((finding) => finding.failure === failure);
    const [first, ...others] = both;
    const isSame = others.every(({ moves, why }) => moves === first?.moves && why === first.why);
    return isSame && first !== undefined
      ? [rowOf(failure, { ...first, withinMs: longest(both) })]
      : both.map((finding) => rowOf(`${failure} (${finding.node})`, finding));
  });
  return alignColumns([['if the active has this', 'moves?', 'within', 'why'], ...rows]);
}

type Pair = Readonly<Record<'a' | 'b', Settings>>;

function rowOf(failure: string, { moves, withinMs, why }: FailureFinding): readonly string[] {
  return [failure, moves ? 'yes' : 'no', withinMs === null ? '' : spanText(withinMs), why];
}

function spanText(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function longest(findings: readonly FailureFinding[]): number | null {
  const times = findings.flatMap(({ withinMs }) => (withinMs === null ? [] : [withinMs]));
  return times.length === 0 ? null : Math.max(...times);
}

function group(findings: readonly FailureFinding[]) {
  return [...new Set(findings.map(({ failure }) => failure))].map((failure) => {
    const alike = findings.filter((finding) => finding.failure === failure);
    return {
      failure,
      nodes: alike.map(({ node }) => node),
      whys: [...new Set(alike.map(({ why }) => why))],
    };
  });
}

function nameOf(failure: SingleFailure, { a, b }: Pair): string {
  switch (failure.kind) {
    case 'host':
      return 'host dies';
    case 'killed':
      return 'daemon killed, not started again';
    case 'frozen':
      return 'daemon frozen';
    case 'carrier':
      return `${interfaceAt(failure.index, a, b)} without carrier`;
    case 'silent':
      return `${interfaceAt(failure.index, a, b)} silent, with carrier`;
    case 'link':
      return `link ${a.links[failure.index]?.name ?? ''} cut`;
    case 'path':
      return `path ${a.paths[failure.index]?.name ?? ''} lost`;
    case 'script':
      return `script ${a.paths[failure.index]?.name ?? ''} fails`;
    case 'service':
      return `service ${a.paths[failure.index]?.name ?? ''} down`;
  }
}

function interfaceAt(index: number, a: Settings, b: Settings): string {
  return [...new Set([a, b].map((settings) => floatingInterfaces(settings)[index] ?? ''))].join(' or ');
}

function isWatchedOnly(failure: SingleFailure, { paths }: Settings): boolean {
  const path = isTrackFailure(failure) ? paths[failure.index] : undefined;
  return path !== undefined && !path.isRequired && path.score === 0;
}

/** What the director process needs until it reports; the core begins to count there. */
function noticedAfterMs(config: Config, failure: SingleFailure, { nodeName, paths }: Settings): number {
  if (!isTrackFailure(failure)) {
    return 0;
  }
  const path = paths[failure.index];
  if (path?.isService === true) {
    // The peer may come to know later by as much as knowing takes.
    return path.peerLagMs ?? 0;
  }
  const track = reportedFrom(config, nodeName).find(({ name }) => name === path?.name);
  return track === undefined ? 0 : track.fall * track.intervalMs + track.timeoutMs;
}

function reasonOf(rehearsed: Rehearsed, pair: Pair): string {
  const { failure, active, movedAfterMs } = rehearsed;
  const own = pair[active];
  const other = pair[active === 'a' ? 'b' : 'a'];
  if (movedAfterMs !== undefined) {
    return movedReason(rehearsed, own, other);
  }
  if (rehearsed.isContested) {
    return 'contested: it still answers for the addresses, so it lives';
  }
  switch (failure.kind) {
    case 'host':
    case 'killed':
    case 'frozen':
      return 'the other does not notice';
    case 'carrier':
      return 'what the other has is not better';
    case 'silent':
      return 'nobody notices: no path that counts leads over it';
    case 'link':
      return own.links.length > 1 ? 'heartbeats take the other links' : 'the other does not notice';
    case 'path':
    case 'script':
    case 'service': {
      const path = own.paths[failure.index];
      return path === undefined ? '' : idleReason(path, own, other);
    }
  }
}

function movedReason({ why }: Rehearsed, own: Settings, other: Settings): string {
  switch (why?.kind) {
    case undefined:
      return '';
    case 'handover-taken':
      return 'it hands over to the other, which has lost nothing';
    case 'evidence':
      return 'silent, and nobody answers for the addresses';
    case 'silence':
      return `silent for the dead time of ${formatMs(own.deadMs)}`;
    case 'contest-over':
      return own.gate === 'address'
        ? 'silent, and its addresses have expired'
        : 'silent, and it does not answer for the addresses any more';
    case 'contest-timeout':
      return 'silent, and given no more time although it still answers';
    case 'nobody-answered':
    case 'started':
    case 'heard-active-peer':
    case 'lease-lost':
    case 'peer-resigned':
    case 'peer-left-office':
    case 'vacant-and-better':
    case 'vacant-too-long':
    case 'handed-over':
    case 'claim-failed':
    case 'overslept':
    case 'lost-duel':
    case 'left-by-force':
    case 'stopped':
      return explainWhy(why, other);
  }
}

function idleReason({ isRequired, score }: PathSetting, own: Settings, other: Settings): string {
  if (isRequired) {
    return 'what the other has is not better';
  }
  if (score === 0) {
    return 'it is only watched';
  }
  const left = Math.max(1, own.priority - score);
  const enough = own.priority - other.priority + 1;
  return `${own.nodeName} keeps ${own.priority} - ${score} = ${left}, which is not below the ${other.priority} of ${other.nodeName}; ${enough <= 253 && own.priority - enough >= 1 ? `a score of ${enough} is enough` : 'required: true is enough'}`;
}
