import { type LvsConfig, type ServiceConfig } from '../config/lvs-schema.ts';
import { addressOf, isTrack, serviceCheck } from '../config/lvs-settings.ts';
import { type Config, type PerNode } from '../config/schema.ts';
import { addressLifetimeSeconds, PING } from '../config/settings.ts';
import { groupOfLink } from '../config/group.ts';
import { timersFrom, timerSums } from '../config/timers.ts';
import { formatDuration } from '../config/values.ts';
import { type Check } from '../core/check.ts';
import { type GateHooks } from '../core/state.ts';
import { serviceKey } from '../core/table.ts';
import { alignColumns } from './print.ts';

/** What was understood of a configuration, defaults filled in: for people and for `--json`. */
export interface Understood {
  readonly pair: string;
  readonly nodes: Config['nodes'];
  readonly timers: { readonly intervalMs: number; readonly leaseMs: number; readonly deadMs: number };
  /** The sums that keep the pair safe, with their numbers. */
  readonly sums: readonly string[];
  readonly links: readonly { readonly name: string; readonly interface: PerNode; readonly to: string }[];
  readonly floating: readonly {
    readonly address: string;
    readonly interface: PerNode;
    readonly label: PerNode | undefined;
  }[];
  readonly paths: readonly {
    readonly name: string;
    readonly interface: PerNode;
    readonly target: PerNode;
    readonly probe: string;
    readonly counts: string;
  }[];
  readonly scripts: readonly {
    readonly name: string;
    readonly command: readonly string[];
    readonly runs: string;
    readonly counts: string;
  }[];
  readonly failback: string;
  readonly contested: string;
  readonly gate: string;
  readonly addressLifetimeSeconds: number;
  readonly lvs: string;
  readonly services: readonly {
    readonly name: string;
    readonly service: string;
    /** Scheduler and number of real servers; empty where the table that exists says it. */
    readonly pool: string;
    readonly check: string;
    /** What else is special about it. */
    readonly notes: string;
    readonly counts: string;
  }[];
  readonly api: string;
}

export function describeConfig(config: Config): Understood {
  const { heartbeat, failback, contested } = config;
  const timers = timersFrom(heartbeat);
  return {
    pair: config.pair,
    nodes: config.nodes,
    timers,
    sums: timerSums(timers).map(({ text }) => text),
    links: heartbeat.links.map((link, index) => ({
      name: link.name,
      interface: link.interface,
      to: `${link.peers === undefined ? (groupOfLink(heartbeat, index) ?? '') : Object.values(link.peers).join(' and ')} port ${heartbeat.port}`,
    })),
    floating: config.floating.map(
      ({ address: { address, prefixLength }, interface: interfaceName, label }) => ({
        address: `${address}/${prefixLength}`,
        interface: interfaceName,
        label,
      }),
    ),
    paths: config.paths.map((path) => ({
      name: path.name,
      interface: path.interface,
      target: path.target,
      probe:
        path.probe === 'arp'
          ? 'arp'
          : `icmp every ${formatDuration(path.interval ?? PING.intervalMs)}, fall ${path.fall ?? PING.fall}`,
      counts: countsText(path),
    })),
    scripts: config.scripts.map((script) => ({
      name: script.name,
      command: script.command,
      runs: `every ${formatDuration(script.interval)}, ${formatDuration(script.timeout)} at most, rise ${script.rise}, fall ${script.fall}`,
      counts: countsText(script),
    })),
    failback: failback === 'manual' ? 'manual' : `auto after ${formatDuration(failback.auto)}`,
    contested: contested === 'wait' ? 'wait' : `claim after ${formatDuration(contested.claim_after)}`,
    gate: config.gate,
    addressLifetimeSeconds: addressLifetimeSeconds(config),
    lvs: lvsText(config.lvs),
    services: config.lvs.services.map((service) => describeService(service, config)),
    api: formatPerNode(config.api.listen),
  };
}

function lvsText({ mode, check, on_failure, sysctls, sync }: LvsConfig): string {
  const parts = [
    mode,
    `check ${check?.kind ?? 'tcp, icmp where that is not TCP'}`,
    `failed: ${on_failure}`,
    `sysctls: ${sysctls}`,
    ...(sync === undefined
      ? []
      : [`sync on ${formatPerNode(sync.interface)} with ids ${sync.id} and ${sync.id + 1}`]),
  ];
  return mode === 'off' ? mode : parts.join('; ');
}

function describeService(
  service: ServiceConfig,
  { lvs, nodes }: Pick<Config, 'lvs' | 'nodes'>,
): Understood['services'][number] {
  const { name = '', scheduler = 'wlc', servers, quorum, hysteresis, sorry, on_failure } = service;
  const [anyNode = ''] = Object.keys(nodes);
  const notes = [
    ...(on_failure === undefined ? [] : [on_failure]),
    ...(quorum === 1 ? [] : [`quorum ${quorum}${hysteresis === 0 ? '' : ` ± ${hysteresis}`}`]),
    ...(sorry === undefined ? [] : [`sorry ${sorry.address.address}`]),
  ];
  return {
    name,
    service: serviceKey(addressOf(service)),
    pool:
      servers === undefined
        ? ''
        : `${scheduler}, ${servers.length} real server${servers.length === 1 ? '' : 's'}`,
    check: checkText(serviceCheck(service, lvs, anyNode)),
    notes: notes.join(', '),
    counts: isTrack(service) ? countsText(service) : '',
  };
}

function checkText({ kind, intervalMs, fall }: Check): string {
  return kind === 'none' ? 'not checked' : `${kind} every ${formatDuration(intervalMs)}, fall ${fall}`;
}

function countsText({ required, score }: Pick<Config['scripts'][number], 'required' | 'score'>): string {
  return score === undefined ? ((required ?? true) ? 'required' : 'watched only') : `score ${score}`;
}

/** `node`: this host; `hooks`: of the gate that its kernel takes, where that was tried. */
export function describeText(
  config: Config,
  file: string,
  { node, hooks }: { readonly node: string | undefined; readonly hooks: GateHooks | undefined },
): string {
  const understood = describeConfig(config);
  const { intervalMs, leaseMs, deadMs } = understood.timers;
  const nodes = Object.entries(understood.nodes).map(
    ([name, { priority }]) => `${name} (priority ${priority})`,
  );
  const rows: (readonly [string, string])[] = [
    ['pair', `${understood.pair}: ${nodes.join(' and ')}${node === undefined ? '' : `; this is ${node}`}`],
    ['times', `interval ${intervalMs} ms, lease ${leaseMs} ms, dead ${deadMs} ms`],
    ...understood.sums.map((sum) => ['', sum] as const),
    ...titled(
      'links',
      understood.links.map(({ name, interface: via, to }) => [name, formatPerNode(via), to]),
    ),
    ...titled(
      'floating',
      understood.floating.map(({ address, interface: on, label }) => [
        address,
        formatPerNode(on),
        label === undefined ? '' : `label ${formatPerNode(label)}`,
      ]),
    ),
    ...titled(
      'paths',
      understood.paths.map(({ name, interface: via, target, probe, counts }) => [
        name,
        formatPerNode(via),
        formatPerNode(target),
        probe,
        counts,
      ]),
    ),
    ...titled(
      'scripts',
      understood.scripts.map(({ name, command, runs, counts }) => [name, command.join(' '), runs, counts]),
    ),
    [
      'gate',
      `${understood.gate}${hooks === undefined ? '' : `, at the ${hooks} hooks`}; addresses live ${understood.addressLifetimeSeconds} s without renewal`,
    ],
    ['moves', `failback ${understood.failback}; contested: ${understood.contested}`],
    ['lvs', understood.lvs],
    ...titled(
      'services',
      understood.services.map(({ name, service, pool, check, notes, counts }) => [
        name,
        service,
        pool,
        check,
        notes,
        counts,
      ]),
    ),
    ['api', understood.api],
  ];
  return [`${file} is right`, ...alignColumns(rows).map((line) => `  ${line}`)].join('\n');
}

/** A table within the table: the title stands before its first row. */
function titled(title: string, rows: readonly (readonly string[])[]): (readonly [string, string])[] {
  return alignColumns(rows).map((line, index) => [index === 0 ? title : '', line] as const);
}

function formatPerNode(value: PerNode): string {
  return typeof value === 'string'
    ? value
    : Object.entries(value)
        .map(([node, own]) => `${own} (${node})`)
        .join(', ');
}
