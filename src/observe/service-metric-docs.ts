import { type VirtualAddress } from '../core/table.ts';
import { type HistogramReading, type LvsSample, type MetricDoc, type Reading } from './metric-docs.ts';
import { type ServerStatus, type ServiceStatus } from './services.ts';
import { type Histogram } from './snapshot.ts';

/** Named as node_exporter names them in `node_ipvs_*`, so that both join. */
const serviceLabels = ['local_address', 'local_port', 'local_mark', 'proto'] as const;
const serverLabels = [...serviceLabels, 'remote_address', 'remote_port'] as const;

/** The metrics of virtual services and real servers; part of `metricDocs`. */
export const serviceMetricDocs: readonly MetricDoc[] = [
  perService('vipair_virtual_service_up', 'Enough real servers are usable.', ({ up }) => Number(up)),
  perService(
    'vipair_virtual_service_usable_real_servers',
    'Real servers that may take new connections.',
    ({ usable }) => usable,
  ),
  perService('vipair_virtual_service_quorum', 'So many must be usable.', ({ quorum }) => quorum),
  perServer(
    'vipair_real_server_up',
    'The checks find it well; no value before the first verdict.',
    ({ health }) => (health === 'unknown' ? undefined : Number(health === 'up')),
  ),
  perServer(
    'vipair_real_server_up_at_peer',
    'The checks of the peer find it well; no value while that is not known.',
    ({ peerUp }) => (peerUp === null ? undefined : Number(peerUp)),
  ),
  perServer(
    'vipair_real_server_weight',
    'Weight in the kernel; no value while it is not in the table.',
    ({ weight }) => weight ?? undefined,
  ),
  perServer('vipair_real_server_drained', 'The operator lets it have no new connections.', ({ drained }) =>
    Number(drained !== null),
  ),
  perServer(
    'vipair_real_server_active_connections',
    'Established connections.',
    ({ activeConnections }) => activeConnections ?? undefined,
  ),
  perServer(
    'vipair_real_server_inactive_connections',
    'Connections in any other state.',
    ({ inactiveConnections }) => inactiveConnections ?? undefined,
  ),
  perServer(
    'vipair_real_server_certificate_seconds',
    'How long the certificate that it shows is yet valid.',
    ({ certificateDays }) => (certificateDays === null ? undefined : certificateDays * 86_400),
  ),
  {
    name: 'vipair_check_duration_seconds',
    type: 'histogram',
    labels: serviceLabels,
    help: 'How long the checks of the real servers take.',
    read: ({ lvs }) => (lvs === undefined ? [] : durations(lvs)),
  },
  {
    name: 'vipair_check_failures_total',
    type: 'counter',
    labels: [...serviceLabels, 'reason'],
    help: 'Checks that failed, by reason.',
    read: ({ lvs }) =>
      lvs === undefined
        ? []
        : lvs.services.services.flatMap(({ at, service }) =>
            lvs.snapshot.failures
              .filter((failure) => failure.service === service)
              .map(({ reason, count }) => ({ labels: { ...labelsOf(at), reason }, value: count })),
          ),
  },
  {
    name: 'vipair_check_lateness_seconds',
    type: 'histogram',
    labels: [],
    help: 'How much later than meant checks begin.',
    read: ({ lvs }) => (lvs === undefined ? [] : [{ labels: {}, histogram: lvs.snapshot.latenessMs }]),
  },
  total('gauge', 'vipair_ipvs_table_up', 'The table of the kernel can be read and changed.', ({ services }) =>
    Number(services.problem === null),
  ),
  total(
    'counter',
    'vipair_ipvs_table_changes_total',
    'Changes of the table by this director.',
    ({ services }) => services.counts.changes,
  ),
  total(
    'counter',
    'vipair_ipvs_table_failures_total',
    'Times the table could not be read or changed.',
    ({ services }) => services.counts.failures,
  ),
  total(
    'counter',
    'vipair_ipvs_table_drifts_total',
    'Changes of the table by somebody else.',
    ({ services }) => services.counts.drifts,
  ),
  total(
    'counter',
    'vipair_ipvs_connections_total',
    'Connections that IPVS has scheduled.',
    ({ services }) => services.totals?.connections,
  ),
  {
    name: 'vipair_ipvs_packets_total',
    type: 'counter',
    labels: ['direction'],
    help: 'Packets that IPVS has forwarded; with direct routing only those that come in.',
    read: ({ lvs }) => bothWays(lvs, 'packetsIn', 'packetsOut'),
  },
  {
    name: 'vipair_ipvs_bytes_total',
    type: 'counter',
    labels: ['direction'],
    help: 'Bytes that IPVS has forwarded.',
    read: ({ lvs }) => bothWays(lvs, 'bytesIn', 'bytesOut'),
  },
];

function perService(
  name: string,
  help: string,
  read: (service: ServiceStatus) => number | undefined,
): MetricDoc {
  return {
    name,
    type: 'gauge',
    labels: serviceLabels,
    help,
    read: ({ lvs }) =>
      (lvs?.services.services ?? []).flatMap((service) => reading(labelsOf(service.at), read(service))),
  };
}

function perServer(
  name: string,
  help: string,
  read: (server: ServerStatus) => number | undefined,
): MetricDoc {
  return {
    name,
    type: 'gauge',
    labels: serverLabels,
    help,
    read: ({ lvs }) =>
      (lvs?.services.services ?? []).flatMap(({ at, servers }) =>
        servers.flatMap((server) =>
          reading(
            { ...labelsOf(at), remote_address: server.address, remote_port: String(server.port) },
            read(server),
          ),
        ),
      ),
  };
}

function total(
  type: 'gauge' | 'counter',
  name: string,
  help: string,
  read: (sample: LvsSample) => number | undefined,
): MetricDoc {
  return {
    name,
    type,
    labels: [],
    help,
    read: ({ lvs }) => reading({}, lvs === undefined ? undefined : read(lvs)),
  };
}

function durations({ services, snapshot }: LvsSample): readonly HistogramReading[] {
  return services.services.flatMap(({ at, service }) => {
    const histogram: Histogram | undefined = snapshot.durations.get(service);
    return histogram === undefined ? [] : [{ labels: labelsOf(at), histogram }];
  });
}

type Amount = 'packetsIn' | 'packetsOut' | 'bytesIn' | 'bytesOut';

function bothWays(lvs: LvsSample | undefined, into: Amount, outOf: Amount): readonly Reading[] {
  const totals = lvs?.services.totals ?? undefined;
  return totals === undefined
    ? []
    : [
        { labels: { direction: 'in' }, value: totals[into] },
        { labels: { direction: 'out' }, value: totals[outOf] },
      ];
}

function labelsOf(at: VirtualAddress): Readonly<Record<(typeof serviceLabels)[number], string>> {
  switch (at.kind) {
    case 'address':
      return {
        local_address: at.address,
        local_port: String(at.port),
        local_mark: '',
        proto: at.protocol.toUpperCase(),
      };
    case 'fwmark':
      return {
        local_address: '',
        local_port: '0',
        local_mark: at.mark.toString(16).toUpperCase().padStart(8, '0'),
        proto: 'FWM',
      };
  }
}

function reading(labels: Reading['labels'], value: number | undefined): readonly Reading[] {
  return value === undefined ? [] : [{ labels, value }];
}
