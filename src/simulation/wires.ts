/**
 * What is seen on the wires beside heartbeats: who asks for which address, who answers, who says unasked that
 * it is there. Frames wait in the sockets of a director until it reads them.
 */
import { type DirectorEffect, type Settings } from '../core/state.ts';
import { type Network, type NodeName, nodeNames, otherNode } from './network.ts';
import { type Random } from './random.ts';
import { type Schedule } from './schedule.ts';

export interface Sighting {
  readonly interfaceName: string;
  readonly address: string;
  readonly mac: string;
}

export interface Wires {
  /** Who-has: the peer's kernel answers while its lease lasts, the neighbours while they are there. */
  ask(from: NodeName, probe: Extract<DirectorEffect, { kind: 'probe' }>): void;
  /** Gratuitous ARP in both styles, which every neighbour takes that hears it; a shut gate keeps it in. */
  announce(from: NodeName): void;
  /** A host that is not of the pair says that the floating address is its own. */
  claimForeign(floating: number): void;
  /** Now and then, so often on average, a neighbour asks for an address of its own: everybody sees that it is there. */
  chatter(averageMs: number): void;
  /** What waits in the director's sockets; then nothing does. */
  read(name: NodeName): readonly Sighting[];
}

export interface WiresOptions {
  readonly settings: Readonly<Record<NodeName, Settings>>;
  readonly network: Network;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly nowMs: () => number;
  /** Does the director's process live, so that somebody has these sockets? */
  readonly listens: (name: NodeName) => boolean;
  /** Does its kernel answer for the floating address? */
  readonly speaks: (name: NodeName, floating: number) => boolean;
}

/** What a socket holds; more is lost. */
const mostWaiting = 256;

export function createWires(options: WiresOptions): Wires {
  const { settings, network, schedule, random, nowMs, listens, speaks } = options;
  const waiting: Readonly<Record<NodeName, Sighting[]>> = { a: [], b: [] };

  function see(name: NodeName, sighting: Sighting): void {
    if (listens(name) && waiting[name].length < mostWaiting) {
      waiting[name].push(sighting);
    }
  }

  function answer(to: NodeName, sighting: Sighting, isThere: boolean): void {
    if (!isThere || !network.isPlugged(to, sighting.interfaceName)) {
      return;
    }
    schedule.at(nowMs() + random.between(0.05, 0.3), () => {
      if (network.isPlugged(to, sighting.interfaceName)) {
        see(to, sighting);
      }
    });
  }

  function hasNeighbor(
    name: NodeName,
    { interfaceName, address }: Pick<Sighting, 'interfaceName' | 'address'>,
  ) {
    return network.neighbors.some(
      ({ at, answers, lostTo }) =>
        answers &&
        !lostTo.has(name) &&
        at[name].address === address &&
        at[name].interfaceName === interfaceName,
    );
  }

  function chatter(averageMs: number): void {
    const heard = random.pick([undefined, ...network.neighbors]);
    if (heard?.answers === true) {
      for (const name of nodeNames) {
        const { interfaceName, address } = heard.at[name];
        if (network.isPlugged(name, interfaceName) && !heard.lostTo.has(name)) {
          see(name, { interfaceName, address, mac: `router-${interfaceName}` });
        }
      }
    }
    schedule.at(nowMs() + random.between(0, 2 * averageMs), () => {
      chatter(averageMs);
    });
  }

  return {
    ask(from, { asksFloating, targets }) {
      const peer = otherNode(from);
      if (asksFloating) {
        settings[from].floating.forEach(({ address, interfaceName }, index) => {
          const there = network.across(from, interfaceName) ?? interfaceName;
          const isThere = network.meets(from, interfaceName) && speaks(peer, index);
          answer(from, { interfaceName, address, mac: macOf(peer, there) }, isThere);
        });
      }
      for (const { interfaceName, address } of targets) {
        const target = { interfaceName, address };
        answer(from, { ...target, mac: `router-${interfaceName}` }, hasNeighbor(from, target));
      }
    },
    announce(from) {
      settings[from].floating.forEach(({ address, interfaceName }, index) => {
        if (!speaks(from, index) || !network.isPlugged(from, interfaceName)) {
          return;
        }
        network.teach(index, from, nowMs());
        const there = network.across(from, interfaceName);
        if (there !== undefined && network.meets(from, interfaceName)) {
          see(otherNode(from), { interfaceName: there, address, mac: macOf(from, interfaceName) });
        }
      });
    },
    claimForeign(floating) {
      network.teach(floating, 'foreign', nowMs());
      for (const name of nodeNames) {
        const target = settings[name].floating[floating];
        if (target !== undefined && network.isPlugged(name, target.interfaceName)) {
          see(name, { ...target, mac: 'foreign' });
        }
      }
    },
    chatter,
    read: (name) => waiting[name].splice(0),
  };
}

/** Of a director's interface. */
export function macOf(name: NodeName, interfaceName: string): string {
  return `${name}-${interfaceName}`;
}
