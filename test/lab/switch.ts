import { ipBatch, run } from './command.ts';
import { routers, type Lab, type Router } from './lab.ts';

/**
 * Faults of the network, made at the switch: the carrier stays up, as with a real switch between. Each
 * fault is one transaction in the kernel, so all ports of a router fall silent at the same instant.
 *
 * - mute: nothing that the port sends is carried; deaf: nothing is carried to it; both: a silent port;
 * - syncless: the kernel's connection sync is dropped, all else passes;
 * - beatless: heartbeats (vipair's UDP and VRRP) are dropped, all else passes.
 *
 * Besides, the routers can be parted: nothing passes between the two, everybody else reaches both.
 */
export type Fault = 'mute' | 'deaf' | 'beatless' | 'syncless';
export type Side = 'pub' | 'priv';

const RULES = `
table bridge lab {
  set mute { type ifname; }
  set deaf { type ifname; }
  set beatless { type ifname; }
  set syncless { type ifname; }
  set parted { type ifname . ifname; }
  chain arriving {
    type filter hook prerouting priority -300; policy accept;
    iifname @mute counter drop
    iifname @beatless ether type ip ip protocol udp udp dport 3694 counter drop
    iifname @beatless ether type ip ip protocol vrrp counter drop
    iifname @syncless ether type ip ip protocol udp udp dport 8848 counter drop
  }
  chain crossing {
    type filter hook forward priority 0; policy accept;
    iifname . oifname @parted counter drop
  }
  chain leaving {
    type filter hook postrouting priority 300; policy accept;
    oifname @deaf counter drop
  }
}
`;

/** Puts the means of cutting in place; without faults they let everything pass. */
export function installSwitchFaults(lab: Lab): void {
  nft(lab, RULES);
}

/** Adds faults at both or one port of the routers, all in one transaction. */
export function inject(
  lab: Lab,
  faults: readonly Fault[],
  at: readonly Router[],
  sides: readonly Side[] = ['pub', 'priv'],
): void {
  const ports = at.flatMap((router) => sides.map((side) => `"${router}-${side}"`)).join(', ');
  nft(lab, faults.map((fault) => `add element bridge lab ${fault} { ${ports} }`).join('\n'));
}

/** The full partition: nothing passes between the two routers, while client and real server reach both. */
export function part(lab: Lab): void {
  const pairs = (['pub', 'priv'] as const).flatMap((side) => [
    `"lvs1-${side}" . "lvs2-${side}"`,
    `"lvs2-${side}" . "lvs1-${side}"`,
  ]);
  nft(lab, `add element bridge lab parted { ${pairs.join(', ')} }`);
}

/** Gives the public switch an address, so that it is a neighbour of both routers which is neither client nor prober. */
export function giveSwitchAnAddress(lab: Lab): void {
  ipBatch(lab.hosts.switch, [`addr add ${switchAddress}/24 dev public`]);
}
export const switchAddress = '192.0.2.1';

/** Every fault made here ends. Cables that are out stay out. */
export function heal(lab: Lab): void {
  nft(
    lab,
    ['mute', 'deaf', 'beatless', 'syncless', 'parted']
      .map((fault) => `flush set bridge lab ${fault}`)
      .join('\n'),
  );
}

/** Pulls a cable out of a router, or plugs it in: the router sees the carrier go. */
export function plug(lab: Lab, router: Router, side: Side, isIn: boolean): void {
  ipBatch(lab.hosts.switch, [`link set ${router}-${side} ${isIn ? 'up' : 'down'}`]);
}

/** The direct cable between the routers; both see the carrier go. */
export function plugDirect(lab: Lab, isIn: boolean): void {
  for (const router of routers) {
    ipBatch(lab.hosts[router], [`link set eth2 ${isIn ? 'up' : 'down'}`]);
  }
}

function nft(lab: Lab, text: string): void {
  run(['ip', 'netns', 'exec', lab.hosts.switch, 'nft', '-f', '-'], text);
}
