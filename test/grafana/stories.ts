import { type Alert } from './alerts.ts';

/**
 * What Prometheus sees of a pair, and which alerts fire then: these, and no other. Everything not said is
 * as in a healthy pair: lvs1 active, lvs2 backup.
 */
export interface Story {
  readonly title: string;
  /** By series, values in promtool's notation; undefined takes the series away. */
  readonly series: Series;
  /** When it is looked, since the beginning. */
  readonly at: string;
  /** Between two scrapes. */
  readonly interval?: Interval;
  /** By name, the labels of each alert that fires. */
  readonly fires: Readonly<Record<string, readonly Labels[]>>;
}

export type Interval = '15s' | '5m';
type Series = Readonly<Record<string, string | undefined>>;
type Labels = Readonly<Record<string, string>>;
type Node = 'lvs1' | 'lvs2';
type Role = 'active' | 'backup' | 'initialize';

const always = (value: number) => `${value}+0x400`;
/** The counter went up by one, two minutes after the beginning. */
const onceAtTwoMinutes = '0+0x7 1+0x392';

const lvs1 = target('lvs1');
const lvs2 = target('lvs2');
const pair = { pair: 'edge' };

const web = { local_address: '192.0.2.10', local_port: '80', proto: 'TCP' };
const webServer = { ...web, remote_address: '10.99.0.50', remote_port: '80' };

/** The near misses stand beside what they nearly are. */
export const stories: readonly Story[] = [
  { title: 'a healthy pair', series: {}, at: '20m', fires: {} },
  {
    title: 'nobody in office',
    series: { ...isRole('lvs1', 'backup'), ...hearsPeerAs('lvs2', 'backup'), ...holds('lvs1', always(0)) },
    at: '1m',
    fires: { VipairNoActiveDirector: [pair] },
  },
  {
    title: 'nobody in office for the length of a scrape',
    series: {
      ...isRole('lvs1', 'backup'),
      [series('lvs1', 'vipair_role', { role: 'active' })]: '1 1 0 1+0x397',
      ...holds('lvs1', '1 1 0 1+0x397'),
      ...hearsPeerAs('lvs2', 'backup'),
    },
    at: '45s',
    fires: {},
  },
  {
    title: 'the active director gone and no takeover',
    series: {
      ...without('lvs1'),
      [series('lvs1', 'up')]: always(0),
      ...hearsPeerAs('lvs2', 'unknown'),
    },
    at: '2m',
    fires: { VipairNoActiveDirector: [pair], VipairPeerSilent: [lvs2], VipairExporterDown: [lvs1] },
  },
  {
    title: 'an active director that only Prometheus cannot reach',
    series: { ...without('lvs1'), [series('lvs1', 'up')]: always(0) },
    at: '2m',
    fires: { VipairExporterDown: [lvs1] },
  },
  {
    title: 'a pair that is gone altogether',
    series: {
      ...without('lvs1'),
      ...without('lvs2'),
      [series('lvs1', 'up')]: always(0),
      [series('lvs2', 'up')]: always(0),
    },
    at: '2m',
    fires: { VipairPairDown: [pair], VipairExporterDown: [lvs1, lvs2] },
  },
  {
    title: 'one scrape that failed',
    series: { [series('lvs1', 'up')]: '1 1 0 1+0x397' },
    at: '45s',
    fires: {},
  },
  {
    title: 'two active directors',
    series: { ...isRole('lvs2', 'active'), ...holds('lvs2', always(1)), ...hearsPeerAs('lvs2', 'unknown') },
    at: '1m',
    fires: { VipairTwoActiveDirectors: [pair], VipairPeerSilent: [lvs2] },
  },
  {
    title: 'a planned failover that two scrapes saw differently',
    series: {
      [series('lvs1', 'vipair_role', { role: 'active' })]: '1 1 1 0+0x397',
      [series('lvs1', 'vipair_role', { role: 'backup' })]: '0 0 0 1+0x397',
      ...holds('lvs1', '1 1 1 0+0x397'),
      [series('lvs2', 'vipair_role', { role: 'active' })]: '0 0 1 1+0x397',
      [series('lvs2', 'vipair_role', { role: 'backup' })]: '1 1 0 0+0x397',
      ...holds('lvs2', '0 0 1 1+0x397'),
    },
    at: '45s',
    fires: {},
  },
  {
    title: 'an active director that froze and was taken over from',
    series: {
      [series('lvs1', 'vipair_pulse_up')]: always(0),
      ...isRole('lvs2', 'active'),
      ...holds('lvs2', always(1)),
      ...hearsPeerAs('lvs2', 'unknown'),
      [series('lvs2', 'vipair_transitions_total', { from: 'backup', to: 'active' })]: onceAtTwoMinutes,
    },
    at: '3m',
    fires: { VipairPulseSilent: [lvs1], VipairPeerSilent: [lvs2], VipairTakeover: [lvs2] },
  },
  {
    title: 'a takeover long ago',
    series: {
      [series('lvs1', 'vipair_transitions_total', { from: 'backup', to: 'active' })]: onceAtTwoMinutes,
      [series('lvs2', 'vipair_transitions_total', { from: 'active', to: 'backup' })]: onceAtTwoMinutes,
    },
    at: '20m',
    fires: {},
  },
  {
    title: 'an office that was given up',
    series: {
      [series('lvs2', 'vipair_transitions_total', { from: 'active', to: 'backup' })]: onceAtTwoMinutes,
    },
    at: '3m',
    fires: {},
  },
  {
    title: 'a floating address that the active director lacks',
    series: { [held('lvs1', '10.99.0.1', 'eth1')]: always(0) },
    at: '1m',
    fires: { VipairFloatingAddressMissing: [{ ...lvs1, address: '10.99.0.1', interface: 'eth1' }] },
  },
  {
    title: 'a floating address that was put back at once',
    series: { [held('lvs1')]: '1 1 0 1+0x397' },
    at: '30s',
    fires: {},
  },
  {
    title: 'a floating address on the backup',
    series: { [held('lvs2')]: always(1) },
    at: '1m',
    fires: { VipairFloatingAddressLeft: [{ ...lvs2, address: '192.0.2.10', interface: 'eth0' }] },
  },
  {
    title: 'an old owner that serves what still arrives',
    series: { [held('lvs2')]: '1 1 0+0x398' },
    at: '15s',
    fires: {},
  },
  {
    title: 'a claim that failed',
    series: { [series('lvs2', 'vipair_claims_total', { outcome: 'failed' })]: onceAtTwoMinutes },
    at: '3m',
    fires: { VipairClaimFailed: [{ ...lvs2, outcome: 'failed' }] },
  },
  {
    title: 'a claim that succeeded',
    series: { [series('lvs2', 'vipair_claims_total', { outcome: 'succeeded' })]: onceAtTwoMinutes },
    at: '3m',
    fires: {},
  },
  {
    title: 'a contest that goes on',
    series: {
      [series('lvs2', 'vipair_contested')]: always(1),
      [series('lvs2', 'vipair_contests_total')]: onceAtTwoMinutes,
    },
    at: '3m',
    fires: { VipairContested: [lvs2], VipairContestHappened: [lvs2] },
  },
  {
    title: 'a contest that ended at once',
    series: {
      [series('lvs2', 'vipair_contested')]: '0 1 0+0x398',
      [series('lvs2', 'vipair_contests_total')]: '0 1+0x399',
    },
    at: '30s',
    fires: { VipairContestHappened: [lvs2] },
  },
  {
    title: 'a contest at the moment it is seen',
    series: { [series('lvs2', 'vipair_contested')]: '0 1+0x399' },
    at: '15s',
    fires: {},
  },
  {
    title: 'a stranger that claims an address',
    series: { [series('lvs1', 'vipair_foreign_claims_total')]: onceAtTwoMinutes },
    at: '3m',
    fires: { VipairForeignClaim: [lvs1] },
  },
  {
    title: 'a stranger of long ago',
    series: { [series('lvs1', 'vipair_foreign_claims_total')]: onceAtTwoMinutes },
    at: '20m',
    fires: {},
  },
  {
    title: 'a link that one director does not hear',
    series: { [series('lvs1', 'vipair_link_up', { link: 'public' })]: always(0) },
    at: '1m',
    fires: { VipairLinkDown: [{ ...lvs1, link: 'public' }] },
  },
  {
    title: 'a link that the peer does not hear',
    series: { [series('lvs1', 'vipair_link_heard_by_peer', { link: 'private' })]: always(0) },
    at: '1m',
    fires: { VipairLinkDown: [{ ...lvs1, link: 'private' }] },
  },
  {
    title: 'all links down, which is a silent peer',
    series: {
      ...hearsPeerAs('lvs1', 'unknown'),
      [series('lvs1', 'vipair_link_up', { link: 'public' })]: always(0),
      [series('lvs1', 'vipair_link_up', { link: 'private' })]: always(0),
    },
    at: '1m',
    fires: { VipairPeerSilent: [lvs1] },
  },
  {
    title: 'a peer that was silent for the length of a scrape',
    series: {
      [series('lvs1', 'vipair_peer_role', { role: 'unknown' })]: '0 1 0+0x398',
      [series('lvs1', 'vipair_link_up', { link: 'public' })]: '1 0 1+0x398',
    },
    at: '15s',
    fires: {},
  },
  {
    title: 'a path that is down',
    series: { [series('lvs2', 'vipair_path_up', { path: 'upstream' })]: always(0) },
    at: '1m',
    fires: { VipairPathDown: [{ ...lvs2, path: 'upstream' }] },
  },
  {
    title: 'a path that is down only now',
    series: { [series('lvs2', 'vipair_path_up', { path: 'upstream' })]: '1 1 1 0+0x397' },
    at: '1m',
    fires: {},
  },
  {
    title: 'a virtual service with too few real servers',
    series: {
      [series('lvs1', 'vipair_virtual_service_up', web)]: always(0),
      [series('lvs1', 'vipair_real_server_up', webServer)]: always(0),
      [series('lvs1', 'vipair_real_server_up_at_peer', webServer)]: always(0),
      [series('lvs2', 'vipair_real_server_up', webServer)]: always(0),
      [series('lvs2', 'vipair_real_server_up_at_peer', webServer)]: always(0),
    },
    at: '2m',
    fires: {
      VipairServiceDown: [{ ...lvs1, ...web }],
      VipairRealServerDown: [
        { ...lvs1, ...webServer },
        { ...lvs2, ...webServer },
      ],
    },
  },
  {
    title: 'a real server that failed one check and is back',
    series: {
      [series('lvs1', 'vipair_real_server_up', webServer)]: '1 1 0 1+0x397',
      [series('lvs2', 'vipair_real_server_up_at_peer', webServer)]: '1 1 0 1+0x397',
    },
    at: '2m',
    fires: {},
  },
  {
    title: 'a real server that only one director reaches',
    series: {
      [series('lvs2', 'vipair_real_server_up', webServer)]: always(0),
      [series('lvs1', 'vipair_real_server_up_at_peer', webServer)]: always(0),
    },
    at: '2m',
    fires: {
      VipairRealServerDown: [{ ...lvs2, ...webServer }],
      VipairRealServerDisputed: [
        { ...lvs1, ...webServer },
        { ...lvs2, ...webServer },
      ],
    },
  },
  {
    title: 'a peer that does not say what it finds',
    series: { [series('lvs1', 'vipair_real_server_up_at_peer', webServer)]: undefined },
    at: '2m',
    fires: {},
  },
  {
    title: 'a table that cannot be read',
    series: { [series('lvs2', 'vipair_ipvs_table_up')]: always(0) },
    at: '2m',
    fires: { VipairTableUnusable: [lvs2] },
  },
  {
    title: 'a certificate with ten days left',
    series: { [series('lvs1', 'vipair_real_server_certificate_seconds', webServer)]: always(864_000) },
    at: '15m',
    fires: { VipairCertificateExpires: [{ ...lvs1, ...webServer }] },
  },
  {
    title: 'a certificate with three weeks left',
    series: { [series('lvs1', 'vipair_real_server_certificate_seconds', webServer)]: always(1_814_400) },
    at: '15m',
    fires: {},
  },
  {
    title: 'checks that begin late',
    series: {
      [series('lvs1', 'vipair_check_lateness_seconds_bucket', { le: '0.5' })]: '0+290x400',
      [series('lvs1', 'vipair_check_lateness_seconds_bucket', { le: '1' })]: '0+300x400',
      [series('lvs1', 'vipair_check_lateness_seconds_bucket', { le: '+Inf' })]: '0+300x400',
    },
    at: '15m',
    fires: { VipairChecksLate: [lvs1] },
  },
  {
    title: 'an interface without carrier',
    series: { [series('lvs2', 'vipair_interface_carrier', { interface: 'eth0' })]: always(0) },
    at: '1m',
    fires: { VipairInterfaceDown: [{ ...lvs2, interface: 'eth0' }] },
  },
  {
    title: 'configurations that differ',
    series: { [series('lvs1', 'vipair_config_differs')]: always(1) },
    at: '11m',
    fires: { VipairConfigurationDiffers: [lvs1] },
  },
  {
    title: 'configurations that are being changed',
    series: { [series('lvs1', 'vipair_config_differs')]: always(1) },
    at: '9m',
    fires: {},
  },
  {
    title: 'a gate that fell back to the lifetime of the addresses',
    series: {
      [series('lvs1', 'vipair_lease_degraded')]: always(1),
      [series('lvs1', 'vipair_gate_mode', { mode: 'nftables' })]: always(0),
      [series('lvs1', 'vipair_gate_mode', { mode: 'address' })]: always(1),
    },
    at: '2m',
    fires: { VipairGateDegraded: [{ ...lvs1, mode: 'address' }] },
  },
  {
    title: 'a gate that was configured so',
    series: {
      [series('lvs1', 'vipair_gate_mode', { mode: 'nftables' })]: always(0),
      [series('lvs1', 'vipair_gate_mode', { mode: 'address' })]: always(1),
    },
    at: '2m',
    fires: {},
  },
  {
    title: 'a gate that somebody flushed',
    series: { [series('lvs1', 'vipair_gate_reinstalled_total')]: onceAtTwoMinutes },
    at: '3m',
    fires: { VipairGateReinstalled: [lvs1] },
  },
  {
    title: 'a pulse that may not run in real time',
    series: { [series('lvs2', 'vipair_realtime')]: always(0) },
    at: '6m',
    fires: { VipairNotRealTime: [lvs2] },
  },
  {
    title: 'a pulse that wakes late, one time in twenty',
    series: {
      [series('lvs1', 'vipair_pulse_lateness_seconds_bucket', { le: '0.02' })]: '0+285x400',
      [series('lvs1', 'vipair_pulse_lateness_seconds_bucket', { le: '0.05' })]: '0+300x400',
    },
    at: '12m',
    fires: { VipairPulseLate: [lvs1] },
  },
  {
    title: 'a pulse that wakes late, one time in three hundred',
    series: {
      [series('lvs1', 'vipair_pulse_lateness_seconds_bucket', { le: '0.02' })]: '0+299x400',
      [series('lvs1', 'vipair_pulse_lateness_seconds_bucket', { le: '0.05' })]: '0+300x400',
    },
    at: '12m',
    fires: {},
  },
  {
    title: 'a lease that was renewed at the last moment',
    series: { [series('lvs1', 'vipair_lease_renewals_late_total')]: onceAtTwoMinutes },
    at: '3m',
    fires: { VipairLeaseRenewedLate: [lvs1] },
  },
  {
    title: 'a maintenance of more than a day, with a restart in it',
    interval: '5m',
    series: { [series('lvs2', 'vipair_maintenance')]: '0 1+0x99 _ _ _ 1+0x296' },
    at: '25h',
    fires: { VipairMaintenanceForgotten: [lvs2] },
  },
  {
    title: 'a maintenance of less than a day',
    interval: '5m',
    series: { [series('lvs2', 'vipair_maintenance')]: '0+0x30 1+0x369' },
    at: '25h',
    fires: {},
  },
  {
    title: 'a maintenance that began anew during the day',
    interval: '5m',
    series: { [series('lvs2', 'vipair_maintenance')]: '1+0x100 0 1+0x298' },
    at: '25h',
    fires: {},
  },
  {
    title: 'a director process that crashed',
    series: { [series('lvs1', 'vipair_director_restarts_total')]: onceAtTwoMinutes },
    at: '3m',
    fires: { VipairDirectorRestarts: [lvs1] },
  },
  {
    title: 'a pulse that was restarted, with all that it counted',
    series: {
      [series('lvs1', 'vipair_director_restarts_total')]: '3+0x7 0+0x392',
      [series('lvs1', 'vipair_foreign_claims_total')]: '3+0x7 0+0x392',
    },
    at: '3m',
    fires: {},
  },
  {
    title: 'a target without the label pair',
    series: { 'vipair_build_info{instance="lvs3:10112",job="vipair",version="0.1.0"}': always(1) },
    at: '1m',
    fires: { VipairPairUnnamed: [{ instance: 'lvs3:10112', job: 'vipair', version: '0.1.0' }] },
  },
];

/** What promtool runs: the stories of one interval, each against every alert. */
export function promtoolTests(
  rulesPath: string,
  interval: Interval,
  alerts: readonly Alert[],
): { readonly rule_files: readonly string[] } & Record<string, unknown> {
  return {
    rule_files: [rulesPath],
    evaluation_interval: interval,
    tests: stories
      .filter((story) => (story.interval ?? '15s') === interval)
      .map(({ title, series: changed, at, fires }) => ({
        name: title,
        interval,
        input_series: Object.entries({
          ...everythingOf('lvs1'),
          ...everythingOf('lvs2'),
          ...changed,
        }).flatMap(([name, values]) => (values === undefined ? [] : [{ series: name, values }])),
        alert_rule_test: alerts.map((alert) => ({
          eval_time: at,
          alertname: alert.alert,
          exp_alerts: (fires[alert.alert] ?? []).map((labels) => expected(alert, labels)),
        })),
      })),
  };
}

function expected({ labels: own, annotations }: Alert, labels: Labels) {
  return {
    exp_labels: { ...own, ...labels },
    exp_annotations: Object.fromEntries(
      Object.entries(annotations).map(([name, text]) => [name, filledIn(text, labels)]),
    ),
  };
}

/** A label that the alert does not have would be a hole in the sentence. */
function filledIn(text: string, labels: Labels): string {
  return text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, name: string) => {
    const value = labels[name];
    if (value === undefined) {
      throw new Error(`no label ${name} for: ${text}`);
    }
    return value;
  });
}

/** Nothing of the node is there. */
function without(node: Node): Series {
  return Object.fromEntries(Object.keys(everythingOf(node)).map((name) => [name, undefined]));
}

/** What a healthy pair shows of one of its nodes. */
function everythingOf(node: Node): Series {
  const isActive = node === 'lvs1';
  return {
    [series(node, 'up')]: always(1),
    [series(node, 'vipair_build_info', { version: '0.1.0' })]: always(1),
    [series(node, 'vipair_pulse_up')]: always(1),
    ...isRole(node, isActive ? 'active' : 'backup'),
    ...hearsPeerAs(node, isActive ? 'backup' : 'active'),
    ...holds(node, always(Number(isActive))),
    [series(node, 'vipair_transitions_total', { from: 'backup', to: 'active' })]: always(0),
    [series(node, 'vipair_transitions_total', { from: 'active', to: 'backup' })]: always(0),
    [series(node, 'vipair_claims_total', { outcome: 'succeeded' })]: always(1),
    [series(node, 'vipair_claims_total', { outcome: 'failed' })]: always(0),
    ...each(node, ['contested', 'config_differs', 'maintenance', 'lease_degraded'], 0),
    ...each(node, ['contests_total', 'foreign_claims_total', 'director_restarts_total'], 0),
    ...each(node, ['gate_reinstalled_total', 'lease_renewals_late_total'], 0),
    ...each(node, ['realtime'], 1),
    [series(node, 'vipair_gate_mode', { mode: 'nftables' })]: always(1),
    [series(node, 'vipair_gate_mode', { mode: 'address' })]: always(0),
    ...each(node, ['link_up', 'link_heard_by_peer'], 1, { link: 'public' }),
    ...each(node, ['link_up', 'link_heard_by_peer'], 1, { link: 'private' }),
    ...each(node, ['path_up'], 1, { path: 'upstream' }),
    ...each(node, ['interface_carrier'], 1, { interface: 'eth0' }),
    ...each(node, ['virtual_service_up'], 1, web),
    ...each(node, ['real_server_up', 'real_server_up_at_peer'], 1, webServer),
    ...each(node, ['ipvs_table_up'], 1),
    [series(node, 'vipair_check_lateness_seconds_bucket', { le: '0.5' })]: '0+300x400',
    [series(node, 'vipair_check_lateness_seconds_bucket', { le: '1' })]: '0+300x400',
    [series(node, 'vipair_check_lateness_seconds_bucket', { le: '+Inf' })]: '0+300x400',
    [series(node, 'vipair_pulse_lateness_seconds_bucket', { le: '0.02' })]: '0+300x400',
    [series(node, 'vipair_pulse_lateness_seconds_bucket', { le: '0.05' })]: '0+300x400',
    [series(node, 'vipair_pulse_lateness_seconds_bucket', { le: '+Inf' })]: '0+300x400',
  };
}

function isRole(node: Node, role: Role): Series {
  return oneOf(node, 'vipair_role', ['active', 'backup', 'initialize'], role);
}

function hearsPeerAs(node: Node, role: Role | 'unknown'): Series {
  return oneOf(node, 'vipair_peer_role', ['active', 'backup', 'initialize', 'unknown'], role);
}

function oneOf(node: Node, metric: string, roles: readonly string[], current: string): Series {
  return Object.fromEntries(
    roles.map((role) => [series(node, metric, { role }), always(Number(role === current))]),
  );
}

function holds(node: Node, values: string): Series {
  return { [held(node)]: values, [held(node, '10.99.0.1', 'eth1')]: values };
}

function held(node: Node, address = '192.0.2.10', interfaceName = 'eth0'): string {
  return series(node, 'vipair_floating_address_held', { address, interface: interfaceName });
}

function each(node: Node, metrics: readonly string[], value: number, labels: Labels = {}): Series {
  return Object.fromEntries(metrics.map((name) => [series(node, `vipair_${name}`, labels), always(value)]));
}

function series(node: Node, metric: string, labels: Labels = {}): string {
  const all = Object.entries({ ...target(node), ...labels }).map(([name, value]) => `${name}="${value}"`);
  return `${metric}{${all.join(',')}}`;
}

/** What the scrape configuration of the README gives each series. */
function target(node: Node) {
  return { instance: `${node}:10112`, job: 'vipair', pair: 'edge' };
}
