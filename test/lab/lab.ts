import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attempt, ipBatch, run } from './command.ts';
import { endAll, processesIn } from './processes.ts';

/**
 * A laboratory in network namespaces: a client on a public switch, a real server on a private one, and
 * between them two routers. A host beside them, `watch`, has a foot on both switches and no address of
 * its own: it sees what is announced and asks who owns what, without anybody's ARP cache in the way.
 *
 *     client ── public ──┬── lvs1 eth0   eth1 ──┬── private ── realServer
 *                        ├── lvs2 eth0   eth1 ──┤
 *                        └── watch eth0  eth1 ──┘        lvs1 eth2 ── lvs2 eth2 (direct)
 *
 * Everything is named after the process (`vp<pid>x<n>-…`) and goes when the lab is disposed of, when the
 * process ends, and on ^C and SIGTERM. What a SIGKILL leaves behind is swept by the next lab.
 */
export interface Lab extends AsyncDisposable {
  readonly name: string;
  /** Logs, keys, configurations and sockets of the lab. */
  readonly directory: string;
  /** Namespace of each host. */
  readonly hosts: Readonly<Record<Host, string>>;
  readonly isDirect: boolean;
  /** Removes everything at once; idempotent. */
  remove(): void;
}

export const routers = ['lvs1', 'lvs2'] as const;
export type Router = (typeof routers)[number];
export type Host = Router | RealServerHost | 'client' | 'watch' | 'switch';
export type RealServerHost = 'realServer' | 'realServer2';

export const publicFloating = '192.0.2.10';
export const privateFloating = '10.99.0.1';

/** Own addresses of each router. */
export const ownAddresses: Readonly<Record<Router, Readonly<Record<'eth0' | 'eth1' | 'eth2', string>>>> = {
  lvs1: { eth0: '192.0.2.2', eth1: '10.99.0.2', eth2: '10.98.0.2' },
  lvs2: { eth0: '192.0.2.3', eth1: '10.99.0.3', eth2: '10.98.0.3' },
};
export const clientAddress = '192.0.2.100';
export const realServerAddress = '10.99.0.50';
export const realServer2Address = '10.99.0.51';

export interface LabOptions {
  /** Also a direct cable between the routers. */
  readonly direct?: boolean;
  /** Also a second real server beside the first. */
  readonly secondRealServer?: boolean;
  /** Instead of a name made of the process id; such a lab is not swept. */
  readonly name?: string;
  readonly directory?: string;
}

export function openLab(options: LabOptions = {}): Lab {
  sweep();
  labCount += 1;
  const name = options.name ?? `vp${process.pid}x${labCount}`;
  const isDirect = options.direct ?? true;
  const lab = labNamed(name, options.directory ?? mkdtempSync(join(tmpdir(), `${name}-`)), isDirect);
  removeAtExit(lab);
  try {
    build(lab, options.secondRealServer === true);
  } catch (error) {
    lab.remove();
    throw error;
  }
  return lab;
}

/** A lab that stands already, left behind on purpose by another process. */
export function labNamed(name: string, directory: string, isDirect = true): Lab {
  const hosts = Object.fromEntries(hostNames.map((host) => [host, `${name}-${host}`])) as Record<
    Host,
    string
  >;
  const remove = () => {
    openLabs.delete(lab);
    endings.get(lab)?.forEach((end) => {
      end();
    });
    removeNamespaces(Object.values(hosts));
    rmSync(directory, { recursive: true, force: true });
  };
  const lab: Lab = {
    name,
    directory,
    hosts,
    isDirect,
    remove,
    [Symbol.asyncDispose]: () => {
      remove();
      return Promise.resolve();
    },
  };
  return lab;
}

const hostNames = ['switch', 'client', 'realServer', 'realServer2', 'lvs1', 'lvs2', 'watch'] as const;
const realServerAddresses = [
  ['realServer', realServerAddress],
  ['realServer2', realServer2Address],
] as const;
const openLabs = new Set<Lab>();
let labCount = 0;

/** Before the lab is removed. A program that has just been started is in none of its namespaces yet, and not found there. */
export function atRemoval(lab: Lab, end: () => void): void {
  endings.set(lab, [...(endings.get(lab) ?? []), end]);
}
const endings = new WeakMap<Lab, readonly (() => void)[]>();

/** The lab outlives this process: neither its end nor ^C removes it. */
export function keepLab(lab: Lab): void {
  openLabs.delete(lab);
}

function build(lab: Lab, hasSecond: boolean): void {
  const { hosts } = lab;
  const present = hostNames.filter((host) => hasSecond || host !== 'realServer2');
  ipBatch(
    undefined,
    present.map((host) => `netns add ${hosts[host]}`),
  );
  // Before any interface is there, so that none waits a second for duplicate address detection.
  for (const host of present) {
    setSysctls(hosts[host], host === 'lvs1' || host === 'lvs2');
  }
  const plugs = [
    { host: 'client', device: 'eth0', port: 'client', bridge: 'public' },
    { host: 'realServer', device: 'eth0', port: 'realserver', bridge: 'private' },
    ...(hasSecond
      ? [{ host: 'realServer2', device: 'eth0', port: 'realserver2', bridge: 'private' } as const]
      : []),
    ...[...routers, 'watch' as const].flatMap((host) => [
      { host, device: 'eth0', port: `${host}-pub`, bridge: 'public' },
      { host, device: 'eth1', port: `${host}-priv`, bridge: 'private' },
    ]),
  ] as const;
  // Snooping would need a querier; a switch without it floods, which is what a heartbeat's group wants.
  const bridge = 'type bridge stp_state 0 forward_delay 0 mcast_snooping 0';
  ipBatch(hosts.switch, [
    'link set lo up',
    `link add public ${bridge}`,
    `link add private ${bridge}`,
    'link set public up',
    'link set private up',
  ]);
  ipBatch(undefined, [
    ...plugs.map(
      ({ host, device, port }) =>
        `link add ${device} netns ${hosts[host]} type veth peer name ${port} netns ${hosts.switch}`,
    ),
    ...(lab.isDirect
      ? [`link add eth2 netns ${hosts.lvs1} type veth peer name eth2 netns ${hosts.lvs2}`]
      : []),
  ]);
  ipBatch(
    hosts.switch,
    plugs.flatMap(({ port, bridge: to }) => [`link set ${port} master ${to}`, `link set ${port} up`]),
  );
  ipBatch(hosts.client, [
    'link set lo up',
    'link set eth0 up',
    `addr add ${clientAddress}/24 dev eth0`,
    `route add 10.99.0.0/24 via ${publicFloating}`,
  ]);
  for (const [host, address] of realServerAddresses.slice(0, hasSecond ? 2 : 1)) {
    ipBatch(hosts[host], [
      'link set lo up',
      'link set eth0 up',
      `addr add ${address}/24 dev eth0`,
      `route add default via ${privateFloating}`,
    ]);
  }
  ipBatch(hosts.watch, ['link set lo up', 'link set eth0 up', 'link set eth1 up']);
  for (const router of routers) {
    const own = ownAddresses[router];
    ipBatch(hosts[router], [
      'link set lo up',
      ...(['eth0', 'eth1', ...(lab.isDirect ? (['eth2'] as const) : [])] as const).flatMap((device) => [
        `link set ${device} up`,
        `addr add ${own[device]}/24 dev ${device}`,
      ]),
    ]);
  }
}

function setSysctls(namespace: string, isRouter: boolean): void {
  const settings = [
    ['ipv6/conf/default/accept_dad', 0],
    ['ipv6/conf/all/accept_dad', 0],
    ['ipv4/conf/all/rp_filter', 0],
    ['ipv4/conf/default/rp_filter', 0],
    ['ipv4/ip_forward', isRouter ? 1 : 0],
    // A redirect would take the client past the floating address.
    ['ipv4/conf/all/send_redirects', 0],
    ['ipv4/conf/default/send_redirects', 0],
    ['ipv4/icmp_ratelimit', 0],
  ] as const;
  const script = settings.map(([name, value]) => `echo ${value} > /proc/sys/net/${name}`).join('; ');
  attempt(['ip', 'netns', 'exec', namespace, 'sh', '-c', script]);
}

/** Labs whose process is gone without having been able to tidy up. */
function sweep(): void {
  const stale = run(['ip', 'netns', 'list'])
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => {
      const owner = /^vp(\d+)x\d+-\w+$/.exec(name)?.[1];
      return owner !== undefined && !isAlive(Number(owner));
    });
  removeNamespaces(stale);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Ends every process in the namespaces, then removes them; what is gone already is no error. */
export function removeNamespaces(names: readonly string[]): void {
  endAll(names.flatMap(processesIn));
  for (const name of names) {
    attempt(['ip', 'netns', 'del', name]);
  }
}

/** `finally` does not run on a signal or on `process.exit`; removal is synchronous so that it can run there. */
function removeAtExit(lab: Lab): void {
  if (openLabs.size === 0 && labCount <= 1) {
    const removeAll = () => {
      for (const open of [...openLabs]) {
        open.remove();
      }
    };
    process.on('exit', removeAll);
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      process.on(signal, () => {
        removeAll();
        process.stderr.write(`\n${signal}: everything the lab made is removed.\n`);
        process.exit(code);
      });
    }
  }
  openLabs.add(lab);
}
