import { readFileSync } from 'node:fs';
import { attempt, run } from '../lab/command.ts';
import { eventually, pause } from '../lab/eventually.ts';
import {
  publicFloating,
  realServer2Address,
  realServerAddress,
  routers,
  type Host,
  type Lab,
  type Router,
} from '../lab/lab.ts';
import { ports } from './ports.ts';

/** The kernel's IPVS of a router, as an operator sets it by hand. */

export type Method = 'masquerading' | 'direct';

/** All services of `ports.ts` over both real servers, in the words of `ipvsadm -R`. */
export function tableText(method: Method, scheduler = 'rr'): string {
  const flag = method === 'masquerading' ? '-m' : '-g';
  return Object.values(ports)
    .flatMap((port) => {
      const service = `${port === ports.echo ? '-u' : '-t'} ${publicFloating}:${port}`;
      return [
        `-A ${service} -s ${scheduler}`,
        ...[realServerAddress, realServer2Address].map(
          (address) => `-a ${service} -r ${address}:${port} ${flag} -w 1`,
        ),
      ];
    })
    .join('\n');
}

export function loadTable(lab: Lab, router: Router, text: string): void {
  ipvsadm(lab, router, ['-C']);
  ipvsadm(lab, router, ['-R'], `${text}\n`);
}

/** `ipvsadm -Sn`, line by line. */
export function tableOf(lab: Lab, host: Host): readonly string[] {
  return ipvsadm(lab, host, ['-Sn']).trim().split('\n');
}

export function ipvsadm(lab: Lab, host: Host, words: readonly string[], input = ''): string {
  return run(['ip', 'netns', 'exec', lab.hosts[host], 'ipvsadm', ...words], input);
}

/**
 * Connection sync in both directions, so that it need not be switched when the office moves: each router tells
 * under its own syncid and listens to the other's. `threshold` is the sysctl `sync_threshold`: by the kernel's
 * default, 3 packets, a connection that is silent since its handshake is not told.
 */
export function startSync(lab: Lab, threshold: string): void {
  for (const [at, router] of routers.entries()) {
    setSysctl(lab, router, 'sync_threshold', threshold);
    const syncids = { master: at + 1, backup: routers.length - at };
    for (const [state, syncid] of Object.entries(syncids)) {
      const words = ['--start-daemon', state, '--mcast-interface', 'eth1', '--syncid', String(syncid)];
      ipvsadm(lab, router, words);
    }
  }
}

export function stopSync(lab: Lab): void {
  for (const router of routers) {
    for (const state of ['master', 'backup']) {
      attempt(['ip', 'netns', 'exec', lab.hosts[router], 'ipvsadm', '--stop-daemon', state]);
    }
  }
}

function setSysctl(lab: Lab, router: Router, name: string, value: string): void {
  const write = `echo ${value} > /proc/sys/net/ipv4/vs/${name}`;
  run(['ip', 'netns', 'exec', lab.hosts[router], 'sh', '-c', write]);
}

/** The established TCP connections that the kernel around this process knows, by their clients' ports. */
export function establishedAt(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/net/ip_vs_conn`, 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([protocol, , , , , , , state]) => protocol === 'TCP' && state === 'ESTABLISHED')
    .map(([, , port = '']) => parseInt(port, 16));
}

/** Waits until the kernel around this process knows these connections. */
export function untilConnections(
  pid: number,
  clientPorts: readonly number[],
  limitMs = 10_000,
): Promise<readonly number[]> {
  let known: readonly number[] = [];
  return eventually(
    `the connections of ports ${clientPorts.join(', ')} are known`,
    async () => {
      known = establishedAt(pid);
      if (clientPorts.every((port) => known.includes(port))) {
        return known;
      }
      await pause(100);
      return undefined;
    },
    limitMs,
    () => known.join(', '),
  );
}
