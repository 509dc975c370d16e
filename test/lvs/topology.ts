import { attempt, ipBatch, run } from '../lab/command.ts';
import { startDaemon, type Daemon } from '../lab/daemon.ts';
import { eventually, pause } from '../lab/eventually.ts';
import { fileURLToPath } from 'node:url';
import {
  openLab,
  publicFloating,
  realServer2Address,
  realServerAddress,
  type Lab,
  type RealServerHost,
} from '../lab/lab.ts';
import { installSwitchFaults } from '../lab/switch.ts';
import { type Method } from './ipvs.ts';

export const realServerHosts = ['realServer', 'realServer2'] as const satisfies readonly RealServerHost[];

/** The name by which each real server answers, and its address. */
export const realServers: Readonly<Record<RealServerHost, { name: string; address: string }>> = {
  realServer: { name: 'rs1', address: realServerAddress },
  realServer2: { name: 'rs2', address: realServer2Address },
};
const publicLegs: Readonly<Record<RealServerHost, string>> = {
  realServer: '192.0.2.51',
  realServer2: '192.0.2.52',
};

/**
 * The lab with two real servers. Masquerading: their one way out is the private floating address. Direct: they
 * have the virtual address on their loopback, hidden from ARP, and a leg of their own on the client's wire by
 * which answers leave; requests still come from the director over the private wire.
 */
export function openTopology(method: Method): Lab {
  const lab = openLab({ secondRealServer: true });
  installSwitchFaults(lab);
  if (method === 'direct') {
    for (const host of realServerHosts) {
      addPublicLeg(lab, host);
    }
  }
  return lab;
}

function addPublicLeg(lab: Lab, host: RealServerHost): void {
  const namespace = lab.hosts[host];
  const port = `${host.toLowerCase()}-pub`;
  ipBatch(undefined, [
    `link add eth1 netns ${namespace} type veth peer name ${port} netns ${lab.hosts.switch}`,
  ]);
  ipBatch(lab.hosts.switch, [`link set ${port} master public`, `link set ${port} up`]);
  // Before the address is there: without these two a real server would answer for it beside the director.
  const hide = ['arp_ignore 1', 'arp_announce 2'].map((setting) => {
    const [name = '', value = ''] = setting.split(' ');
    return `echo ${value} > /proc/sys/net/ipv4/conf/all/${name}`;
  });
  run(['ip', 'netns', 'exec', namespace, 'sh', '-ec', hide.join('; ')]);
  ipBatch(namespace, [
    'link set eth1 up',
    `addr add ${publicLegs[host]}/24 dev eth1`,
    `addr add ${publicFloating}/32 dev lo`,
  ]);
}

const program = fileURLToPath(new URL('./real-server-program.js', import.meta.url));

/** Starts the program of a real server and waits until it listens. */
export async function startRealServer(lab: Lab, host: RealServerHost): Promise<Daemon> {
  const { name } = realServers[host];
  const daemon = startDaemon(lab, host, [process.execPath, program, name], { name });
  const told = daemon.log().length;
  await eventually(
    `${name} listens`,
    async () => {
      if (daemon.log().slice(told).includes('ready')) {
        return true;
      }
      await pause(50);
      return undefined;
    },
    10_000,
    () => daemon.log(),
  );
  return daemon;
}

export function macOf(lab: Lab, host: RealServerHost | 'lvs1' | 'lvs2', device: string): string {
  const shown = attempt(['ip', '-n', lab.hosts[host], '-j', 'link', 'show', device]).stdout;
  const [link] = JSON.parse(shown) as readonly { readonly address: string }[];
  return link?.address ?? '';
}
