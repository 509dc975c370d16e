/** A rule as Prometheus reads it. Annotations may use `{{ $labels.NAME }}` and nothing else. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  /** How long it must be so before the alert fires; longer than one scrape where two targets are compared. */
  readonly for?: string;
  readonly labels: { readonly severity: Severity };
  readonly annotations: { readonly summary: string; readonly description: string };
}

/** Wake somebody; look today; know of it. */
export type Severity = 'critical' | 'warning' | 'info';

/** What `grafana/alerts.yaml` says. The target label `pair` joins the two directors of a pair. */
export function alertRules() {
  return {
    groups: [
      { name: 'vipair-office', rules: office },
      { name: 'vipair-network', rules: network },
      { name: 'vipair-services', rules: services },
      { name: 'vipair-director', rules: director },
    ],
  };
}

/** Those that say it now: a pulse that does not answer is shown with the role that it last had. */
const activeNow = 'vipair_role{role="active"} * ignoring (role) vipair_pulse_up';

const office: readonly Alert[] = [
  {
    alert: 'VipairNoActiveDirector',
    // An active that only Prometheus cannot reach is still heard by its peer.
    expr: `sum by (pair) (${activeNow}) == 0 unless on (pair) max by (pair) (vipair_peer_role{role="active"}) == 1`,
    for: '30s',
    ...critical(
      'Pair {{ $labels.pair }} has no active director',
      'Nobody holds the floating addresses: clients are cut off. Run `vipair status` on both directors: it ' +
        'says what keeps each out of office (a required path, maintenance, a failed claim). End maintenance ' +
        'with `vipair maintenance off`; if a daemon is down, `systemctl restart vipair` there.',
    ),
  },
  {
    alert: 'VipairTwoActiveDirectors',
    expr: `sum by (pair) (${activeNow}) > 1`,
    for: '30s',
    ...critical(
      'Pair {{ $labels.pair }} has two active directors',
      'The two do not hear each other on any link, and both serve. Stop one of them at once with ' +
        '`systemctl stop vipair`, the one that fewer clients reach; then mend the links (`vipair status` names ' +
        'those that are down) and start it again.',
    ),
  },
  {
    alert: 'VipairPairDown',
    expr: 'max by (pair) (up{job="vipair"}) == 0',
    for: '30s',
    ...critical(
      'No director of pair {{ $labels.pair }} answers Prometheus',
      'Either both directors are down or Prometheus is cut off from them. Ping a floating address from a ' +
        'client: if it answers, mend the way of Prometheus; if not, start the directors with ' +
        '`systemctl start vipair`, and look at `journalctl -u vipair`.',
    ),
  },
  {
    alert: 'VipairFloatingAddressMissing',
    expr: 'vipair_floating_address_held == 0 and ignoring (address, interface, role) vipair_role{role="active"} == 1',
    for: '15s',
    ...critical(
      '{{ $labels.address }} is not on {{ $labels.interface }} of the active director {{ $labels.instance }}',
      'The active director must hold all floating addresses. vipair puts back what is removed, so something ' +
        'removes it again and again, or the kernel refuses it: `vipair events` says which. Stop what manages ' +
        '{{ $labels.interface }} besides vipair, or move the addresses with `vipair failover`.',
    ),
  },
  {
    alert: 'VipairFloatingAddressLeft',
    expr: 'vipair_floating_address_held == 1 and ignoring (address, interface, role) vipair_role{role="active"} == 0',
    for: '30s',
    ...critical(
      '{{ $labels.address }} is on {{ $labels.interface }} of {{ $labels.instance }}, which is not active',
      'A director out of office must not hold a floating address. Find what added it (an ifcfg or netplan ' +
        'file, keepalived, a script), take it out there, and remove it with `ip address del`.',
    ),
  },
  {
    alert: 'VipairClaimFailed',
    expr: 'increase(vipair_claims_total{outcome="failed"}[10m]) > 0',
    ...critical(
      '{{ $labels.instance }} could not claim the floating addresses',
      'The kernel refused an address, so none was taken. `vipair events` has the reason; `vipair check` on ' +
        'that director says what is missing (interface, privilege). Until then it cannot take over.',
    ),
  },
  {
    alert: 'VipairTakeover',
    expr: 'sum without (from, to) (increase(vipair_transitions_total{to="active"}[10m])) > 0',
    ...warning(
      '{{ $labels.instance }} of pair {{ $labels.pair }} took office',
      'If nobody asked for it, run `vipair why` on {{ $labels.instance }}: it gives the reason and the facts. ' +
        'Then look at the other director, and do not move the addresses back before it is mended.',
    ),
  },
  {
    alert: 'VipairContested',
    expr: 'vipair_contested == 1',
    for: '10s',
    ...critical(
      'The peer of {{ $labels.instance }} is silent but answers for the floating addresses',
      'The peer is alive behind broken heartbeats, or hung with its kernel still answering. The addresses are ' +
        'not taken from it. Try clients: if they are served, mend the links; if not, stop the peer ' +
        '(`systemctl stop vipair`, or power) and {{ $labels.instance }} takes over by itself.',
    ),
  },
  {
    alert: 'VipairContestHappened',
    expr: 'increase(vipair_contests_total[10m]) > 0',
    ...warning(
      '{{ $labels.instance }} heard nothing from a peer that was alive',
      'All heartbeats were lost for a moment while the peer still answered for the floating addresses. Find ' +
        'what all links share (a switch, a firewall rule, IGMP snooping, CPU starvation) and give the pair a ' +
        'link of its own.',
    ),
  },
  {
    alert: 'VipairForeignClaim',
    expr: 'increase(vipair_foreign_claims_total[10m]) > 0',
    ...critical(
      'A host outside of pair {{ $labels.pair }} claims a floating address',
      '`vipair status` on {{ $labels.instance }} names its MAC address. Find its port on the switch and take ' +
        'the address from it. A real server with the address on an interface that answers ARP does this, too: ' +
        'set arp_ignore and arp_announce there.',
    ),
  },
];

const network: readonly Alert[] = [
  {
    alert: 'VipairPeerSilent',
    expr: 'max without (role) (vipair_peer_role{role="unknown"}) == 1',
    for: '30s',
    ...warning(
      '{{ $labels.instance }} hears nothing from its peer',
      'There is no second director to take over. If the peer is down, start it. If it runs, compare keys and ' +
        'links: `vipair status` on both says what is heard, and vipair_heartbeats_refused_total says why ' +
        'datagrams were refused (bad-authentication: the key files differ).',
    ),
  },
  {
    alert: 'VipairLinkDown',
    expr:
      '(vipair_link_up == 0 or vipair_link_heard_by_peer == 0) ' +
      'unless ignoring (link, role) vipair_peer_role{role="unknown"} == 1',
    for: '30s',
    ...warning(
      'Link {{ $labels.link }} of {{ $labels.instance }} carries no heartbeats in one direction or both',
      'The pair goes on by its other links, with one fewer to lose. `vipair status` says whether the carrier ' +
        'or a direction is missing: check the cable, the firewall (UDP port of the heartbeats), and on ' +
        'multicast links IGMP snooping.',
    ),
  },
  {
    alert: 'VipairPathDown',
    expr: 'vipair_path_up == 0',
    for: '30s',
    ...warning(
      'Path {{ $labels.path }} of {{ $labels.instance }} is down',
      'The target does not answer, or the script fails; `vipair status` says what is complained of. Mend it ' +
        'before the director is needed: while a required path is down, this director gives way to its peer.',
    ),
  },
  {
    alert: 'VipairInterfaceDown',
    expr: 'vipair_interface_carrier == 0',
    for: '30s',
    ...warning(
      '{{ $labels.interface }} of {{ $labels.instance }} has no carrier',
      'Floating addresses belong on this interface, so this director gives way to its peer. Check the cable, ' +
        'the switch port, and `ip link show {{ $labels.interface }}`.',
    ),
  },
  {
    alert: 'VipairConfigurationDiffers',
    expr: 'vipair_config_differs == 1',
    for: '10m',
    ...warning(
      'The two directors of pair {{ $labels.pair }} have different configurations',
      'Make /etc/vipair/vipair.yaml the same on both, let `vipair check` look at it, and restart first the ' +
        'backup, then the active director.',
    ),
  },
];

const director: readonly Alert[] = [
  {
    alert: 'VipairExporterDown',
    expr: 'up{job="vipair"} == 0',
    for: '1m',
    ...warning(
      '{{ $labels.instance }} does not answer Prometheus',
      'The host or its vipair is down, or api.listen cannot be reached. Look at `systemctl status vipair` ' +
        'there; if it runs, `vipair status` says whether the API could not listen.',
    ),
  },
  {
    alert: 'VipairPulseSilent',
    expr: 'vipair_pulse_up == 0',
    for: '30s',
    ...critical(
      'The pulse of {{ $labels.instance }} does not answer its director process',
      'The process that sends heartbeats hangs or is frozen; its other metrics are what it last said. The ' +
        'kernel has taken the addresses from it. Restart it with `systemctl restart vipair`, after a look at ' +
        '`journalctl -u vipair`.',
    ),
  },
  {
    alert: 'VipairGateDegraded',
    // The mode in force comes along as a label.
    expr: 'vipair_gate_mode == 1 and ignoring (mode) vipair_lease_degraded == 1',
    for: '1m',
    ...warning(
      'The gate of {{ $labels.instance }} is weaker than configured: {{ $labels.mode }}',
      'If this director dies or freezes in office, its kernel may not take the addresses from it in time, and ' +
        'there can be two owners. `vipair status` has the reason and the remedy (a kernel of 5.16 or newer, ' +
        'the nf_tables module, CAP_NET_ADMIN).',
    ),
  },
  {
    alert: 'VipairGateReinstalled',
    expr: 'increase(vipair_gate_reinstalled_total[10m]) > 0',
    ...warning(
      'Somebody removed the gate of {{ $labels.instance }}',
      'The nftables rules of vipair were gone or changed, and were put back. Find what flushes the whole ' +
        'ruleset (`nft flush ruleset` in /etc/nftables.conf or a firewall manager) and let it flush only its ' +
        'own tables.',
    ),
  },
  {
    alert: 'VipairNotRealTime',
    expr: 'vipair_realtime == 0',
    for: '5m',
    ...info(
      'The pulse of {{ $labels.instance }} does not run in real time',
      'A busy host may delay its heartbeats. Start vipair by deploy/vipair.service, which grants the ' +
        'permission (CAP_SYS_NICE, LimitRTPRIO), or use the profile `relaxed` and silence this alert.',
    ),
  },
  {
    alert: 'VipairPulseLate',
    expr: 'histogram_quantile(0.99, rate(vipair_pulse_lateness_seconds_bucket[5m])) > 0.02',
    for: '5m',
    ...warning(
      'The pulse of {{ $labels.instance }} wakes late',
      'One wake-up in a hundred is more than 20 ms late: the host is short of CPU or stolen from by its ' +
        'hypervisor. Give it real-time permission, take load away, or use the profile `relaxed`; otherwise ' +
        'the addresses may move without need.',
    ),
  },
  {
    alert: 'VipairLeaseRenewedLate',
    expr: 'increase(vipair_lease_renewals_late_total[10m]) > 0',
    ...warning(
      '{{ $labels.instance }} nearly lost its lease',
      'A heartbeat left when less than one interval of the lease was left. If it goes on, the addresses will ' +
        'move without need: see VipairPulseLate, or set a longer heartbeat.lease and heartbeat.dead on both.',
    ),
  },
  {
    alert: 'VipairMaintenanceForgotten',
    // Not `for: 1d`, which one missed scrape would begin anew.
    expr: 'min_over_time(vipair_maintenance[1d]) == 1 and vipair_maintenance offset 1d == 1',
    ...warning(
      '{{ $labels.instance }} is in maintenance since more than a day',
      'It will not take over, whatever happens to its peer. If the work is done, run ' +
        '`vipair maintenance off` on it.',
    ),
  },
  {
    alert: 'VipairDirectorRestarts',
    expr: 'increase(vipair_director_restarts_total[15m]) > 0',
    ...warning(
      'The director process of {{ $labels.instance }} ended and was started again',
      'The addresses and heartbeats did not notice, but checks, API and metrics paused. `journalctl -u vipair` ' +
        'has its last words: report them as a bug.',
    ),
  },
  {
    alert: 'VipairPairUnnamed',
    expr: 'vipair_build_info{pair=""} == 1',
    ...warning(
      '{{ $labels.instance }} is scraped without the label pair',
      'The alerts on a whole pair do not know who belongs together. Add the label `pair` to the target in the ' +
        'scrape configuration, the same for both directors of a pair.',
    ),
  },
];

/** A virtual service, and a real server of it, by the labels that node_exporter gives them, too. */
const service = '{{ $labels.proto }} {{ $labels.local_address }}:{{ $labels.local_port }}';
const realServer = '{{ $labels.remote_address }}:{{ $labels.remote_port }}';

const services: readonly Alert[] = [
  {
    alert: 'VipairServiceDown',
    expr: 'vipair_virtual_service_up == 0',
    for: '30s',
    ...critical(
      `Virtual service ${service} is down`,
      'Fewer of its real servers are usable than its quorum asks for. `vipair services` on {{ $labels.instance }} ' +
        'says of each whether it failed, and how, or is drained. Mend one, or end a drain with `vipair undrain`.',
    ),
  },
  {
    alert: 'VipairRealServerDown',
    expr: 'vipair_real_server_up == 0',
    for: '1m',
    ...warning(
      `Real server ${realServer} is down`,
      'The checks of {{ $labels.instance }} fail, so it gets no new connections. `vipair services` says why; if ' +
        'the other director finds it well, look at the wire between the two instead.',
    ),
  },
  {
    alert: 'VipairRealServerDisputed',
    expr: 'vipair_real_server_up != vipair_real_server_up_at_peer',
    for: '1m',
    ...warning(
      `The directors disagree about real server ${realServer}`,
      'One of the two finds it well and the other does not, so a takeover would change what clients get. Compare ' +
        '`vipair services` on both; look for a cable, a route or a packet filter that only one of them has.',
    ),
  },
  {
    alert: 'VipairTableUnusable',
    expr: 'vipair_ipvs_table_up == 0',
    for: '1m',
    ...critical(
      'The IPVS table of {{ $labels.instance }} cannot be read or changed',
      'Failed real servers stay in the table as they are. `vipair services` on it says what is wrong: ipvsadm is ' +
        'not installed, ip_vs is not loaded, a permission is missing, or the kernel refuses a rule.',
    ),
  },
  {
    alert: 'VipairCertificateExpires',
    expr: 'vipair_real_server_certificate_seconds < 14 * 86400',
    for: '10m',
    ...warning(
      `The certificate of ${realServer} expires within 2 weeks`,
      'Clients will refuse it, and a check that verifies it will fail. Renew it on the real server; the check ' +
        'shows the new one with its next look (`vipair services`).',
    ),
  },
  {
    alert: 'VipairChecksLate',
    expr: 'histogram_quantile(0.99, rate(vipair_check_lateness_seconds_bucket[5m])) > 0.5',
    for: '5m',
    ...warning(
      'The checks of {{ $labels.instance }} begin late',
      'One check in a hundred begins more than half a second late, and so a failed real server is noticed late. ' +
        'The host is short of CPU, or there are too many checks for it: set a longer `interval`.',
    ),
  },
];

function critical(summary: string, description: string) {
  return texts('critical', summary, description);
}

function warning(summary: string, description: string) {
  return texts('warning', summary, description);
}

function info(summary: string, description: string) {
  return texts('info', summary, description);
}

function texts(severity: Severity, summary: string, description: string) {
  return { labels: { severity }, annotations: { summary, description } };
}
