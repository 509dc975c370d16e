import { type Settings, statedRole } from '../core/state.ts';
import { floatingInterfaces } from '../core/tracks.ts';
import { serviceMetricDocs } from './service-metric-docs.ts';
import { type Services, type ServicesSnapshot } from './services.ts';
import { type Histogram, type PulseSnapshot } from './snapshot.ts';
import { isHeardByPeer, isLinkHeard, isOkAtPeer, isPeerHeard } from './status.ts';
import { roles, type Transition } from './tally.ts';

/** What is known when Prometheus asks. */
export interface MetricsSample {
  readonly settings: Settings;
  readonly version: string;
  readonly nodeVersion: string;
  /** The latest the pulse gave; undefined before the first. */
  readonly snapshot: PulseSnapshot | undefined;
  /** The pulse answered just now. */
  readonly isPulseUp: boolean;
  readonly transitions: readonly Transition[];
  readonly eventLoopLagSeconds: number;
  readonly journalFailures: number;
  /** Undefined where virtual services are none of this director's business. */
  readonly lvs?: LvsSample | undefined;
}

export interface LvsSample {
  readonly snapshot: ServicesSnapshot;
  readonly services: Services;
}

export interface Reading {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface MetricText {
  readonly name: string;
  readonly help: string;
  /** Each with a bounded number of values. */
  readonly labels: readonly string[];
}

export type MetricDoc =
  | (MetricText & {
      readonly type: 'gauge' | 'counter';
      readonly read: (sample: MetricsSample) => readonly Reading[];
    })
  | (MetricText & {
      readonly type: 'histogram';
      readonly read: (sample: MetricsSample) => readonly HistogramReading[];
    });

export interface HistogramReading {
  readonly labels: Readonly<Record<string, string>>;
  readonly histogram: Histogram;
}

/**
 * Every metric of vipair: the only truth for the registry and the table in the README. Once released, a
 * name is a contract. Counters hold what the pulse counted since it started.
 */
export const metricDocs: readonly MetricDoc[] = [
  state('vipair_role', 'role', 'The role of this director: 1 for the one it has.', roles, ({ state }) =>
    statedRole(state.office),
  ),
  gauge('vipair_term', 'The highest term seen or held.', ({ state }) => state.term),
  {
    name: 'vipair_transitions_total',
    type: 'counter',
    labels: ['from', 'to'],
    help: 'Changes of role seen by this director process.',
    read: ({ transitions }) =>
      transitions.map(({ from, to, count }) => ({ labels: { from, to }, value: count })),
  },
  {
    name: 'vipair_takeover_duration_seconds',
    type: 'histogram',
    labels: [],
    help: 'From the decision to take over to the last announcement handed to the kernel.',
    read: ({ snapshot }) => unlabelled(snapshot?.claims.durations),
  },
  perLink('counter', 'vipair_heartbeats_sent_total', 'Heartbeats sent.', ({ sent }) => sent),
  perLink(
    'counter',
    'vipair_heartbeats_send_failures_total',
    'Heartbeats that could not be sent.',
    ({ sendFailures }) => sendFailures,
  ),
  perLink(
    'counter',
    'vipair_heartbeats_received_total',
    'Heartbeats of the peer.',
    ({ received }) => received,
  ),
  perLink(
    'counter',
    'vipair_heartbeats_lost_total',
    'Heartbeats that the peer sent and that never came, by their sequence numbers.',
    ({ lost }) => lost,
  ),
  {
    name: 'vipair_heartbeats_refused_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Datagrams that were no heartbeat of the peer, by reason.',
    read: ({ snapshot }) =>
      Object.entries(snapshot?.refused ?? {}).map(([reason, value]) => ({ labels: { reason }, value })),
  },
  counter('vipair_notes_sent_total', 'Notes to the director process of the peer.', ({ notes }) => notes.sent),
  counter(
    'vipair_notes_received_total',
    'Notes of the director process of the peer.',
    ({ notes }) => notes.received,
  ),
  counter(
    'vipair_notes_dropped_total',
    'Notes that were not sent: too long, too many, or no peer to read them.',
    ({ notes }) => notes.dropped,
  ),
  {
    name: 'vipair_notes_refused_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Datagrams that were no note of the peer or none to be read now, by reason.',
    read: ({ snapshot }) =>
      Object.entries(snapshot?.notes.refused ?? {}).map(([reason, value]) => ({ labels: { reason }, value })),
  },
  perLink('gauge', 'vipair_link_up', 'The peer was heard on the link within the dead time.', (link, at) =>
    Number(isLinkHeard(link, at.snapshot, at.settings.deadMs)),
  ),
  perLink('gauge', 'vipair_link_heard_by_peer', 'The peer says that it hears this director.', (_, at) =>
    Number(isHeardByPeer(at.snapshot, at.index, at.settings.deadMs)),
  ),
  perLink('gauge', 'vipair_link_carrier', 'The interface has a carrier.', ({ carrier }) => Number(carrier)),
  perLink(
    'gauge',
    'vipair_link_jitter_seconds',
    'Variation of the gaps between heartbeats (RFC 3550).',
    ({ jitterMs }) => seconds(jitterMs),
  ),
  perLink('gauge', 'vipair_link_round_trip_seconds', 'Round trip of heartbeats.', ({ roundTripMs }) =>
    seconds(roundTripMs),
  ),
  state(
    'vipair_peer_role',
    'role',
    'The role of the peer: 1 for the one it has, or unknown while it is silent.',
    [...roles, 'unknown'],
    (snapshot, { deadMs }) =>
      (isPeerHeard(snapshot, deadMs) ? snapshot.state.peer?.advertisement.role : undefined) ?? 'unknown',
  ),
  gauge('vipair_peer_last_heard_seconds', 'Since the last heartbeat on any link.', ({ state, atMs }) =>
    seconds(state.peer === undefined ? undefined : Math.max(0, atMs - state.peer.heardAtMs)),
  ),
  gauge(
    'vipair_peer_priority',
    'Effective priority of the peer; 0 if it may not take over.',
    ({ state }) => state.peer?.advertisement.priority,
  ),
  {
    name: 'vipair_floating_address_held',
    type: 'gauge',
    labels: ['address', 'interface'],
    help: 'The kernel of this director has the floating address.',
    read: ({ snapshot }) =>
      (snapshot?.floating ?? []).map(({ address, interfaceName, held }) => ({
        labels: { address, interface: interfaceName },
        value: Number(held),
      })),
  },
  {
    name: 'vipair_path_up',
    type: 'gauge',
    labels: ['path'],
    help: 'The target of the path answers, or the script succeeds.',
    read: ({ snapshot, settings }) =>
      settings.paths.flatMap(({ name }, index) =>
        known({ path: name }, asNumber(snapshot?.state.paths[index]?.isUp)),
      ),
  },
  {
    name: 'vipair_path_up_at_peer',
    type: 'gauge',
    labels: ['path'],
    help: 'The peer says the same of its own; no value while it is silent.',
    read: ({ snapshot, settings }) =>
      snapshot === undefined
        ? []
        : settings.paths.flatMap(({ name }, index) =>
            known({ path: name }, asNumber(isOkAtPeer(snapshot, index, settings))),
          ),
  },
  {
    name: 'vipair_interface_carrier',
    type: 'gauge',
    labels: ['interface'],
    help: 'The interface of floating addresses has a carrier.',
    read: ({ snapshot, settings }) =>
      snapshot === undefined
        ? []
        : floatingInterfaces(settings).map((name) => ({
            labels: { interface: name },
            value: Number(!snapshot.state.downInterfaces.includes(name)),
          })),
  },
  gauge(
    'vipair_contested',
    'The peer is silent but still answers for the floating addresses.',
    ({ state: { office } }) => Number(office.role === 'backup' && office.contestedAtMs !== undefined),
  ),
  counter(
    'vipair_contests_total',
    'Times the peer was silent but still answered for the floating addresses.',
    ({ state: { contestCount } }) => contestCount,
  ),
  counter(
    'vipair_foreign_claims_total',
    'Times a MAC that is not of the pair claimed a floating address.',
    ({ state: { foreignCount } }) => foreignCount,
  ),
  counter(
    'vipair_announcements_total',
    'Gratuitous ARP and unsolicited NA frames sent.',
    ({ announcementsSent }) => announcementsSent,
  ),
  counter(
    'vipair_addresses_lost_total',
    'Floating addresses that somebody else removed.',
    ({ addressesLost }) => addressesLost,
  ),
  {
    name: 'vipair_claims_total',
    type: 'counter',
    labels: ['outcome'],
    help: 'Claims of the floating addresses.',
    read: ({ snapshot }) =>
      snapshot === undefined
        ? []
        : [
            { labels: { outcome: 'succeeded' }, value: snapshot.claims.attempts - snapshot.claims.failures },
            { labels: { outcome: 'failed' }, value: snapshot.claims.failures },
          ],
  },
  gauge('vipair_maintenance', 'The operator keeps this director out of office.', ({ state }) =>
    Number(state.isMaintenance),
  ),
  gauge('vipair_config_differs', 'The configuration of the peer differs.', ({ isConfigDifferent }) =>
    Number(isConfigDifferent),
  ),
  state(
    'vipair_gate_mode',
    'mode',
    'How the kernel takes the addresses from a director that died or froze.',
    ['nftables', 'address', 'off'],
    ({ gate }) => gate.mode,
  ),
  gauge('vipair_lease_degraded', 'The lease is weaker than configured.', ({ gate }) =>
    Number(gate.problem !== undefined),
  ),
  gauge('vipair_lease_remaining_seconds', 'Until the kernel shuts the gate unless renewed.', ({ gate }) =>
    seconds(gate.remainingMs),
  ),
  counter(
    'vipair_lease_renewals_late_total',
    'Heartbeats in office that left when less than one interval of the lease was left.',
    ({ gate }) => gate.renewalsLate,
  ),
  counter(
    'vipair_gate_reinstalled_total',
    'Times the gate was gone or changed by somebody else and was put back.',
    ({ gate }) => gate.reinstalled,
  ),
  gauge('vipair_realtime', 'The pulse runs in real time.', ({ realtimeProblem }) =>
    Number(realtimeProblem === undefined),
  ),
  {
    name: 'vipair_pulse_lateness_seconds',
    type: 'histogram',
    labels: [],
    help: 'How late the pulse woke for what was due.',
    read: ({ snapshot }) => unlabelled(snapshot?.lateness),
  },
  {
    name: 'vipair_pulse_up',
    type: 'gauge',
    labels: [],
    help: 'The pulse answered this scrape; if 0, the rest is what it last said.',
    read: ({ isPulseUp }) => [{ labels: {}, value: Number(isPulseUp) }],
  },
  counter(
    'vipair_director_restarts_total',
    'Times the director process ended and was started again.',
    ({ directorRestarts }) => directorRestarts,
  ),
  counter(
    'vipair_records_dropped_total',
    'Step records that the director process did not take in time.',
    ({ recordsDropped }) => recordsDropped,
  ),
  {
    name: 'vipair_journal_failures_total',
    type: 'counter',
    labels: [],
    help: 'Failed writes of the events file; the events are in memory still.',
    read: ({ journalFailures }) => [{ labels: {}, value: journalFailures }],
  },
  {
    name: 'vipair_event_loop_lag_seconds',
    type: 'gauge',
    labels: [],
    help: 'Longest delay of the event loop of the director process in the last 15 to 30 s.',
    read: ({ eventLoopLagSeconds }) => [{ labels: {}, value: eventLoopLagSeconds }],
  },
  ...serviceMetricDocs,
  {
    name: 'vipair_build_info',
    type: 'gauge',
    labels: ['version', 'node_version'],
    help: 'Always 1; the labels say what runs.',
    read: ({ version, nodeVersion }) => [{ labels: { version, node_version: nodeVersion }, value: 1 }],
  },
  gauge('vipair_start_time_seconds', 'When the pulse started, Unix time.', ({ startedWallMs }) =>
    seconds(startedWallMs),
  ),
];

type Value = number | undefined;

function gauge(name: string, help: string, read: (snapshot: PulseSnapshot) => Value): MetricDoc {
  return single('gauge', name, help, read);
}

function counter(name: string, help: string, read: (snapshot: PulseSnapshot) => Value): MetricDoc {
  return single('counter', name, help, read);
}

function single(
  type: 'gauge' | 'counter',
  name: string,
  help: string,
  read: (snapshot: PulseSnapshot) => Value,
): MetricDoc {
  return {
    name,
    type,
    labels: [],
    help,
    read: ({ snapshot }) => known({}, snapshot === undefined ? undefined : read(snapshot)),
  };
}

interface AtLink {
  readonly snapshot: PulseSnapshot;
  readonly settings: Settings;
  readonly index: number;
}

function perLink(
  type: 'gauge' | 'counter',
  name: string,
  help: string,
  read: (link: PulseSnapshot['links'][number], at: AtLink) => Value,
): MetricDoc {
  return {
    name,
    type,
    labels: ['link'],
    help,
    read: ({ snapshot, settings }) =>
      snapshot === undefined
        ? []
        : snapshot.links.flatMap((link, index) =>
            known({ link: link.name }, read(link, { snapshot, settings, index })),
          ),
  };
}

/** One series per state, 1 for the one that is: a state is never a label value that comes and goes. */
function state(
  name: string,
  label: string,
  help: string,
  all: readonly string[],
  read: (snapshot: PulseSnapshot, settings: Settings) => string,
): MetricDoc {
  return {
    name,
    type: 'gauge',
    labels: [label],
    help,
    read: ({ snapshot, settings }) => {
      const current = snapshot === undefined ? undefined : read(snapshot, settings);
      return current === undefined
        ? []
        : all.map((value) => ({ labels: { [label]: value }, value: Number(value === current) }));
    },
  };
}

function unlabelled(histogram: Histogram | undefined): readonly HistogramReading[] {
  return histogram === undefined ? [] : [{ labels: {}, histogram }];
}

/** A value that is not known is left out: a made-up 0 would be believed. */
function known(labels: Reading['labels'], value: Value): readonly Reading[] {
  return value === undefined ? [] : [{ labels, value }];
}

function asNumber(isSo: boolean | undefined): Value {
  return isSo === undefined ? undefined : Number(isSo);
}

function seconds(ms: Value): Value {
  return ms === undefined ? undefined : ms / 1000;
}
