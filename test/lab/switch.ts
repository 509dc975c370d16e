import { ipBatch, run } from './command.ts';
import { routers, type Lab, type Router } from './lab.ts';

/**
 * Faults of the network, made at the switch: the carrier stays up, as with a real switch between. Each
 * fault is one transaction in the kernel, so all ports of a router fall silent at the same instant.
 *
 * - mute: nothing that the port sends is carried; deaf: nothing is carried to it; both: a silent port;
 * - beatless: heartbeats (vipair's UDP and VRRP) are dropped, all else passes.
 */
export type Fault = 'mute' | 'deaf' | 'beatless';
export type Side = 'pub' | 'priv';

const RULES = `
table bridge lab {
  set mute { type ifname; }
  set deaf { type ifname; }
  set beatless { type ifname; }
  chain arriving {
    type filter hook prerouting priority -300; policy accept;
    iifname @mute counter drop
    iifname @beatless ether type ip ip protocol udp udp dport 3694 counter drop
    iifname @beatless ether type ip ip protocol vrrp counter drop
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

/** Every fault ends; also a router's own cables are plugged in again. */
export function heal(lab: Lab): void {
  nft(lab, ['mute', 'deaf', 'beatless'].map((fault) => `flush set bridge lab ${fault}`).join('\n'));
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
