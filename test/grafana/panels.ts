import { lines, type Panel, row, selected, stat, table, type Target, timeline, type Word } from './panel.ts';

const office: readonly Word[] = [
  { value: 2, text: 'active', color: 'green' },
  { value: 1, text: 'backup', color: 'blue' },
  { value: 0, text: 'initialize', color: 'yellow' },
];
const upOrDown: readonly Word[] = [
  { value: 1, text: 'up', color: 'green' },
  { value: 0, text: 'down', color: 'red' },
];
const heldOrNot: readonly Word[] = [
  { value: 1, text: 'held', color: 'green' },
  { value: 0, text: 'not held', color: 'text' },
];
const noOrYes: readonly Word[] = [
  { value: 0, text: 'no', color: 'green' },
  { value: 1, text: 'yes', color: 'orange' },
];
const yesOrNo: readonly Word[] = [
  { value: 1, text: 'yes', color: 'green' },
  { value: 0, text: 'no', color: 'orange' },
];

const service = '{{proto}} {{local_address}}:{{local_port}}';
const realServer = '{{remote_address}}:{{remote_port}}';

/** In the order in which they stand. */
export function panels(): readonly Panel[] {
  return [
    row('Now'),
    stat(
      {
        title: 'Active directors',
        description: 'One is right. A director whose pulse does not answer is not counted.',
        width: 4,
        targets: [
          {
            expr: `sum(${selected('vipair_role', 'role="active"')} * ignoring (role) ${selected('vipair_pulse_up')}) or vector(0)`,
            legend: 'active',
          },
        ],
      },
      [
        { value: 0, text: 'none', color: 'red' },
        { value: 1, text: 'one', color: 'green' },
        { value: 2, text: 'two', color: 'red' },
      ],
    ),
    stat(
      {
        title: 'In office',
        width: 5,
        targets: [{ expr: `${selected('vipair_role', 'role="active"')} == 1`, legend: '{{instance}}' }],
      },
      [],
      { shows: 'name' },
    ),
    stat({ title: 'Maintenance', width: 5, targets: [plain('vipair_maintenance')] }, noOrYes),
    stat({ title: 'Contested', width: 5, targets: [plain('vipair_contested')] }, noOrYes),
    stat(
      {
        title: 'Gate',
        description: 'How the kernel takes the addresses from a director that died or froze.',
        width: 5,
        targets: [{ expr: `${selected('vipair_gate_mode')} == 1`, legend: '{{instance}}: {{mode}}' }],
      },
      [],
      { shows: 'name' },
    ),
    stat({ title: 'Metrics reachable', width: 4, targets: [plain('up', 'job="vipair"')] }, upOrDown),
    stat({ title: 'Pulse answers', width: 5, targets: [plain('vipair_pulse_up')] }, upOrDown),
    stat({ title: 'Configurations differ', width: 5, targets: [plain('vipair_config_differs')] }, noOrYes),
    stat(
      { title: 'Gate weaker than configured', width: 5, targets: [plain('vipair_lease_degraded')] },
      noOrYes,
    ),
    stat({ title: 'Real time', width: 5, targets: [plain('vipair_realtime')] }, yesOrNo),

    row('Office and addresses'),
    timeline(
      {
        title: 'Role',
        width: 12,
        targets: [
          {
            expr: `2 * ${selected('vipair_role', 'role="active"')} + ignoring (role) ${selected('vipair_role', 'role="backup"')}`,
            legend: '{{instance}}',
          },
        ],
      },
      office,
    ),
    timeline(
      {
        title: 'Floating addresses',
        width: 12,
        targets: [
          {
            expr: selected('vipair_floating_address_held'),
            legend: '{{instance}} {{address}} {{interface}}',
          },
        ],
      },
      heldOrNot,
    ),
    lines(
      {
        title: 'Changes of role and claims',
        width: 12,
        targets: [
          {
            expr: `increase(${selected('vipair_transitions_total')}[$__rate_interval]) > 0`,
            legend: '{{instance}} {{from}} to {{to}}',
          },
          {
            expr: `increase(${selected('vipair_claims_total')}[$__rate_interval]) > 0`,
            legend: '{{instance}} claim {{outcome}}',
          },
        ],
      },
      'short',
    ),
    lines(
      {
        title: 'Duration of takeovers',
        description: 'From the decision to the last announcement handed to the kernel, of the last day.',
        width: 12,
        targets: [0.5, 0.99].map((quantile) => ({
          expr: `histogram_quantile(${quantile}, sum by (instance, le) (increase(${selected('vipair_takeover_duration_seconds_bucket')}[1d])))`,
          legend: `{{instance}} ${quantile === 0.5 ? 'median' : '99 %'}`,
        })),
      },
      's',
    ),
    lines({ title: 'Term', width: 8, targets: [plain('vipair_term')] }, 'short'),
    lines(
      {
        title: 'Contests, foreign claims, addresses removed',
        width: 8,
        targets: [
          grown('vipair_contests_total', 'contests'),
          grown('vipair_foreign_claims_total', 'foreign claims'),
          grown('vipair_addresses_lost_total', 'addresses removed'),
        ],
      },
      'short',
    ),
    lines(
      { title: 'Announcements', width: 8, targets: [grown('vipair_announcements_total', 'frames')] },
      'short',
    ),

    row('Links and paths'),
    timeline(
      {
        title: 'Links',
        width: 12,
        targets: [
          { expr: selected('vipair_link_up'), legend: '{{instance}} hears {{link}}' },
          { expr: selected('vipair_link_heard_by_peer'), legend: '{{instance}} is heard on {{link}}' },
          { expr: selected('vipair_link_carrier'), legend: '{{instance}} carrier of {{link}}' },
        ],
      },
      upOrDown,
    ),
    timeline(
      {
        title: 'Paths and interfaces',
        width: 12,
        targets: [
          { expr: selected('vipair_path_up'), legend: '{{instance}} {{path}}' },
          { expr: selected('vipair_path_up_at_peer'), legend: '{{instance}} of its peer: {{path}}' },
          { expr: selected('vipair_interface_carrier'), legend: '{{instance}} {{interface}}' },
        ],
      },
      upOrDown,
    ),
    lines(
      {
        title: 'Heartbeats',
        width: 12,
        targets: [
          perSecond('vipair_heartbeats_sent_total', '{{link}} sent'),
          perSecond('vipair_heartbeats_received_total', '{{link}} received'),
        ],
      },
      'ops',
    ),
    lines(
      {
        title: 'Heartbeats lost, not sent, refused',
        width: 12,
        targets: [
          perSecond('vipair_heartbeats_lost_total', '{{link}} lost'),
          perSecond('vipair_heartbeats_send_failures_total', '{{link}} not sent'),
          perSecond('vipair_heartbeats_refused_total', 'refused: {{reason}}'),
        ],
      },
      'ops',
    ),
    lines(
      {
        title: 'Round trip and jitter',
        width: 8,
        targets: [
          { expr: selected('vipair_link_round_trip_seconds'), legend: '{{instance}} {{link}} round trip' },
          { expr: selected('vipair_link_jitter_seconds'), legend: '{{instance}} {{link}} jitter' },
        ],
      },
      's',
    ),
    lines({ title: 'Peer last heard', width: 8, targets: [plain('vipair_peer_last_heard_seconds')] }, 's'),
    lines({ title: 'Priority of the peer', width: 8, targets: [plain('vipair_peer_priority')] }, 'short'),

    row('Virtual services'),
    timeline(
      {
        title: 'Services',
        width: 12,
        targets: [{ expr: selected('vipair_virtual_service_up'), legend: `{{instance}} ${service}` }],
      },
      upOrDown,
    ),
    timeline(
      {
        title: 'Real servers',
        description: 'As the checks of each director find them.',
        width: 12,
        targets: [{ expr: selected('vipair_real_server_up'), legend: `{{instance}} ${realServer}` }],
      },
      upOrDown,
    ),
    lines(
      {
        title: 'Usable real servers',
        width: 8,
        targets: [
          {
            expr: selected('vipair_virtual_service_usable_real_servers'),
            legend: `{{instance}} ${service}`,
          },
        ],
      },
      'short',
    ),
    lines(
      {
        title: 'Established connections',
        width: 8,
        targets: [
          { expr: selected('vipair_real_server_active_connections'), legend: `{{instance}} ${realServer}` },
        ],
      },
      'short',
    ),
    lines(
      {
        title: 'Weights',
        description: '0 is quiesced: failed, drained, or by hand.',
        width: 8,
        targets: [{ expr: selected('vipair_real_server_weight'), legend: `{{instance}} ${realServer}` }],
      },
      'short',
    ),
    lines(
      {
        title: 'Bytes forwarded',
        width: 8,
        targets: [perSecond('vipair_ipvs_bytes_total', '{{direction}}')],
      },
      'Bps',
    ),
    lines(
      {
        title: 'New connections',
        width: 8,
        targets: [perSecond('vipair_ipvs_connections_total', 'scheduled')],
      },
      'cps',
    ),
    lines(
      {
        title: 'Duration of checks, 99 %',
        width: 8,
        targets: [
          {
            expr: `histogram_quantile(0.99, sum by (instance, proto, local_address, local_port, le) (rate(${selected('vipair_check_duration_seconds_bucket')}[$__rate_interval])))`,
            legend: `{{instance}} ${service}`,
          },
        ],
      },
      's',
    ),
    lines(
      {
        title: 'Checks that failed',
        width: 8,
        targets: [perSecond('vipair_check_failures_total', `${service} {{reason}}`)],
      },
      'ops',
    ),
    lines(
      {
        title: 'Lateness of checks, 99 %',
        width: 8,
        targets: [
          {
            expr: `histogram_quantile(0.99, sum by (instance, le) (rate(${selected('vipair_check_lateness_seconds_bucket')}[$__rate_interval])))`,
            legend: '{{instance}}',
          },
        ],
      },
      's',
    ),
    lines(
      {
        title: 'Changes of the table',
        width: 8,
        targets: [
          grown('vipair_ipvs_table_changes_total', 'by vipair'),
          grown('vipair_ipvs_table_drifts_total', 'by somebody else'),
          grown('vipair_ipvs_table_failures_total', 'failed'),
        ],
      },
      'short',
    ),

    row('Lease and pulse'),
    lines({ title: 'Lease remaining', width: 8, targets: [plain('vipair_lease_remaining_seconds')] }, 's'),
    lines(
      {
        title: 'Renewals late, gate put back',
        width: 8,
        targets: [
          grown('vipair_lease_renewals_late_total', 'renewals late'),
          grown('vipair_gate_reinstalled_total', 'gate put back'),
        ],
      },
      'short',
    ),
    lines(
      {
        title: 'Lateness of the pulse',
        width: 8,
        targets: [0.5, 0.99, 0.999].map((quantile) => ({
          expr: `histogram_quantile(${quantile}, sum by (instance, le) (rate(${selected('vipair_pulse_lateness_seconds_bucket')}[$__rate_interval])))`,
          legend: `{{instance}} ${quantile * 100} %`,
        })),
      },
      's',
    ),
    lines(
      {
        title: 'Director process: restarts, records dropped, journal failures',
        width: 8,
        targets: [
          grown('vipair_director_restarts_total', 'restarts'),
          grown('vipair_records_dropped_total', 'records dropped'),
          grown('vipair_journal_failures_total', 'journal failures'),
        ],
      },
      'short',
    ),
    lines(
      {
        title: 'Event-loop lag of the director process',
        width: 8,
        targets: [plain('vipair_event_loop_lag_seconds')],
      },
      's',
    ),
    lines(
      {
        title: 'Uptime of the pulse',
        width: 8,
        targets: [{ expr: `time() - ${selected('vipair_start_time_seconds')}`, legend: '{{instance}}' }],
      },
      's',
    ),
    table(
      {
        title: 'Builds',
        width: 24,
        targets: [{ expr: selected('vipair_build_info'), legend: '{{instance}}' }],
      },
      ['Time', 'Value', '__name__', 'job', 'pair'],
    ),
  ];
}

function plain(metric: string, matcher?: string): Target {
  return { expr: selected(metric, matcher), legend: '{{instance}}' };
}

function grown(counter: string, what: string): Target {
  return { expr: `increase(${selected(counter)}[$__rate_interval])`, legend: `{{instance}} ${what}` };
}

function perSecond(counter: string, what: string): Target {
  return { expr: `rate(${selected(counter)}[$__rate_interval])`, legend: `{{instance}} ${what}` };
}
