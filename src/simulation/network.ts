import { wirePaths } from '../core/paths.ts';
import { type Settings, type Target } from '../core/state.ts';

export type NodeName = 'a' | 'b';

/** Both, in the order of their node ids. */
export const nodeNames: readonly NodeName[] = ['a', 'b'];

export function otherNode(name: NodeName): NodeName {
  return name === 'a' ? 'b' : 'a';
}

/** Heartbeats of one link in one direction. */
export interface Wire {
  cut: boolean;
  /** 0..1. */
  loss: number;
  duplication: number;
  delayMs: number;
  jitterMs: number;
}

/** A node's plug in the switch of one interface's wire. */
export interface Port {
  carrier: boolean;
  /** The carrier is there and nothing passes, either way. */
  silent: boolean;
}

/** Who is at an address as a neighbour's ARP cache has it. */
export type Owner = NodeName | 'foreign';

/** A host on a segment that speaks to the floating addresses there: a router, a client. */
export interface Neighbor {
  /** How each director would ask for it. */
  readonly at: Readonly<Record<NodeName, Target>>;
  answers: boolean;
  /** Whose way to it is broken somewhere, although both are plugged in. */
  readonly lostTo: Set<NodeName>;
  /** Owners of the floating addresses there, by position, as learned from announcements and answers. */
  readonly cache: Map<number, Owner>;
  /** Since when it could hear everything, and heard nothing but the truth. */
  wholeSinceMs: number;
}

/**
 * What lies between the two hosts: a link's wires, one switched segment for each interface, and the
 * neighbours there. Every host keeps its own MAC address, so a switch's table has nothing to unlearn;
 * a neighbour's ARP cache has, and takes it from the request style of announcement as Linux does.
 */
export interface Network {
  wire(from: NodeName, link: number): Wire;
  port(node: NodeName, interfaceName: string): Port;
  readonly neighbors: readonly Neighbor[];
  setPartition(isPartitioned: boolean): void;
  /** Does what the node sends there reach anybody? */
  isPlugged(node: NodeName, interfaceName: string): boolean;
  /** Does what one node sends on its interface reach the other node? */
  meets(from: NodeName, interfaceName: string): boolean;
  /** The other node's interface on the same segment; undefined if it has none there. */
  across(from: NodeName, interfaceName: string): string | undefined;
  /** A frame on the wire said that the owner has the floating address of this position. */
  teach(floating: number, owner: Owner, nowMs: number): void;
}

export function createNetwork(settings: Readonly<Record<NodeName, Settings>>): Network {
  const wires = {
    a: settings.a.links.map(goodWire),
    b: settings.b.links.map(goodWire),
  };
  const ports = { a: new Map<string, Port>(), b: new Map<string, Port>() };
  const segments = [
    ...settings.a.floating.map((mine, index) => ({ a: mine, b: settings.b.floating[index] ?? mine })),
    ...settings.a.links.map((mine, index) => ({ a: mine, b: settings.b.links[index] ?? mine })),
  ];
  const acrossFrom = {
    a: new Map(segments.map(({ a, b }) => [a.interfaceName, b.interfaceName])),
    b: new Map(segments.map(({ a, b }) => [b.interfaceName, a.interfaceName])),
  };
  const neighbors = neighborsOf(settings);
  let isPartitioned = false;

  function port(node: NodeName, interfaceName: string): Port {
    const known = ports[node].get(interfaceName) ?? { carrier: true, silent: false };
    ports[node].set(interfaceName, known);
    return known;
  }

  function isPlugged(node: NodeName, interfaceName: string): boolean {
    const { carrier, silent } = port(node, interfaceName);
    return carrier && !silent;
  }

  function across(from: NodeName, interfaceName: string): string | undefined {
    return acrossFrom[from].get(interfaceName);
  }

  return {
    wire(from, link) {
      const wire = wires[from][link];
      if (wire === undefined) {
        throw new Error(`there is no link ${link}`);
      }
      return wire;
    },
    port,
    neighbors,
    setPartition(partitioned) {
      isPartitioned = partitioned;
    },
    isPlugged,
    meets(from, interfaceName) {
      const there = across(from, interfaceName);
      return (
        !isPartitioned &&
        there !== undefined &&
        isPlugged(from, interfaceName) &&
        isPlugged(otherNode(from), there)
      );
    },
    across,
    teach(floating, owner, nowMs) {
      const interfaceName = settings.a.floating[floating]?.interfaceName;
      for (const neighbor of neighbors) {
        if (neighbor.at.a.interfaceName === interfaceName && neighbor.answers) {
          neighbor.cache.set(floating, owner);
          if (owner === 'foreign') {
            neighbor.wholeSinceMs = nowMs;
          }
        }
      }
    },
  };
}

/** The targets of the paths, and a router on every floating interface where no path leads to one. */
function neighborsOf({ a, b }: Readonly<Record<NodeName, Settings>>): readonly Neighbor[] {
  const theirs = wirePaths(b);
  const targets = wirePaths(a).map((mine, index) => ({ a: mine, b: theirs[index] ?? mine }));
  const routers = a.floating
    .map((mine, index) => ({ a: routerOn(mine), b: routerOn(b.floating[index] ?? mine) }))
    .filter(
      (router, index, all) =>
        index === all.findIndex((other) => other.a.interfaceName === router.a.interfaceName) &&
        targets.every((target) => target.a.interfaceName !== router.a.interfaceName),
    );
  return [...targets, ...routers].map((at) => ({
    at,
    answers: true,
    lostTo: new Set(),
    cache: new Map(),
    wholeSinceMs: 0,
  }));
}

function routerOn({ interfaceName }: Pick<Target, 'interfaceName'>): Target {
  return { interfaceName, address: `router-${interfaceName}` };
}

function goodWire(): Wire {
  return { cut: false, loss: 0, duplication: 0, delayMs: 0.2, jitterMs: 0 };
}
