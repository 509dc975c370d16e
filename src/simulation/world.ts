/**
 * Two directors, the wires between them and their kernels, in virtual time.
 *
 * The directors run the production core and the production admission of heartbeats; what is simulated is
 * what lies around them: links that lose, delay and repeat datagrams, processes that are late, freeze, die
 * and start again, a kernel that takes the addresses away when the lease ends. Everything comes from
 * the seed, so a run can be played again. Time jumps from one thing that is due to the next.
 */
import { initialState, nextDeadlineMs, step } from '../core/director.ts';
import {
  type Advertisement,
  type Command,
  type CommandOutcome,
  type DirectorEffect,
  type DirectorEvent,
  type DirectorState,
  type Settings,
} from '../core/state.ts';
import { admit, type Session } from '../wire/admission.ts';
import { type Heartbeat } from '../wire/heartbeat.ts';
import { createRandom, type Random } from './random.ts';
import { createSchedule } from './schedule.ts';

export type NodeName = 'a' | 'b';

/** The kernel of a node, which goes on when its director does not. */
interface Kernel {
  held: boolean;
  /** Until when it answers for the addresses, and until when it serves them: the lease. */
  speaksUntilMs: number;
  servesUntilMs: number;
  /** `valid_lft`: the addresses go by themselves. */
  addressesUntilMs: number;
}

/** A run of the daemon; it ends with the process. */
interface Life {
  readonly bootId: bigint;
  state: DirectorState;
  sequence: number;
  session: Session | undefined;
  heard: Heartbeat | undefined;
  wakeAtMs: number | undefined;
}

interface Node {
  readonly name: NodeName;
  readonly settings: Settings;
  /** What the node's monotonic clock shows at world time 0. */
  readonly clockOffsetMs: number;
  readonly kernel: Kernel;
  life: Life | undefined;
  boots: number;
  frozen: boolean;
  /** What arrived while the process was frozen: it reads it when it thaws. */
  readonly inbox: (() => void)[];
  isMaintenance: boolean;
  failsClaims: boolean;
  readonly ports: Map<string, Port>;
}

/** A node's plug in the switch of one interface's wire. */
export interface Port {
  carrier: boolean;
  /** The carrier is there and nothing passes, either way. */
  silent: boolean;
}

/** One direction of one link. */
export interface Wire {
  cut: boolean;
  /** 0..1. */
  loss: number;
  duplication: number;
  delayMs: number;
  jitterMs: number;
}

export interface WorldOptions {
  readonly seed: number;
  readonly settings: Readonly<Record<NodeName, Settings>>;
  /** How late a process runs when nothing is wrong. */
  readonly latenessMs?: number;
}

/** What an observer of the world is shown. */
export interface WorldStep {
  readonly atMs: number;
  readonly node: NodeName;
  readonly event: DirectorEvent;
  readonly before: DirectorState;
  readonly after: DirectorState;
  readonly effects: readonly DirectorEffect[];
}

export interface World {
  nowMs(): number;
  /** Lets everything happen that is due until then. */
  runUntil(atMs: number): void;
  start(node: NodeName): void;
  /** The process dies; the kernel lives on. */
  kill(node: NodeName): void;
  /** The host dies: process and kernel. */
  stopPower(node: NodeName): void;
  freeze(node: NodeName): void;
  thaw(node: NodeName): void;
  stop(node: NodeName): void;
  command(node: NodeName, command: Command): void;
  failClaims(node: NodeName, fails: boolean): void;
  loseAddress(node: NodeName): void;
  wire(from: NodeName, link: number): Wire;
  port(node: NodeName, interfaceName: string): Port;
  setCarrier(node: NodeName, interfaceName: string, isUp: boolean): void;
  /** Does the upstream router, a neighbour on every wire, answer there? */
  setNeighbor(interfaceName: string, answers: boolean): void;
  /** Nothing at all passes between the two, while both reach everybody else. */
  setPartition(isPartitioned: boolean): void;
  state(node: NodeName): DirectorState | undefined;
  /** Does the node's kernel answer ARP for the floating addresses now? */
  speaks(node: NodeName): boolean;
  /** Does it serve traffic to them? */
  serves(node: NodeName): boolean;
  onStep(observe: (step: WorldStep) => void): void;
  /** After everything that happens. */
  onMoment(observe: () => void): void;
  readonly random: Random;
}

const names: readonly NodeName[] = ['a', 'b'];

export function createWorld(options: WorldOptions): World {
  const random = createRandom(options.seed);
  const schedule = createSchedule();
  const latenessMs = options.latenessMs ?? 0;
  const steps: ((step: WorldStep) => void)[] = [];
  const moments: (() => void)[] = [];
  const wires = new Map<string, Wire>();
  const nodes: Readonly<Record<NodeName, Node>> = {
    a: createNode('a', options.settings.a, random.between(0, 1e6)),
    b: createNode('b', options.settings.b, random.between(0, 1e6)),
  };
  const deafNeighbors = new Set<string>();
  let isPartitioned = false;
  let nowMs = 0;

  function wire(from: NodeName, link: number): Wire {
    const key = `${from}${link}`;
    const known = wires.get(key) ?? { cut: false, loss: 0, duplication: 0, delayMs: 0.2, jitterMs: 0 };
    wires.set(key, known);
    return known;
  }

  function at(atMs: number, happen: () => void): void {
    schedule.at(atMs, happen);
  }

  /** Lets the life on a node take an event now, carries out what it wants, and plans its next waking. */
  function dispatch(node: Node, life: Life, make: (atMs: number) => DirectorEvent): void {
    const queue = [make];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (node.life !== life) {
        return;
      }
      const event = next(nowMs + node.clockOffsetMs);
      const before = life.state;
      const [after, effects] = step(before, event, node.settings);
      life.state = after;
      for (const effect of effects) {
        perform(node, life, effect, (raised) => queue.push(raised));
      }
      for (const observe of steps) {
        observe({ atMs: nowMs, node: node.name, event, before, after, effects });
      }
    }
    plan(node, life);
  }

  function plan(node: Node, life: Life): void {
    const dueMs = nextDeadlineMs(life.state, node.settings);
    if (dueMs === undefined || node.life !== life) {
      return;
    }
    const wakeAtMs = Math.max(nowMs, dueMs - node.clockOffsetMs + random.between(0, latenessMs));
    if (life.wakeAtMs !== undefined && life.wakeAtMs <= wakeAtMs && life.wakeAtMs > nowMs) {
      return;
    }
    life.wakeAtMs = wakeAtMs;
    at(wakeAtMs, () => {
      if (life.wakeAtMs === wakeAtMs) {
        life.wakeAtMs = undefined;
        reach(node, life, () => {
          dispatch(node, life, (atMs) => ({ kind: 'deadline', atMs }));
        });
      }
    });
  }

  /** Does the work if the process runs, later if it is frozen, never if it is another life by then. */
  function reach(node: Node, life: Life, work: () => void): void {
    if (node.life !== life) {
      return;
    }
    if (node.frozen) {
      node.inbox.push(work);
    } else {
      work();
    }
  }

  function perform(
    node: Node,
    life: Life,
    effect: DirectorEffect,
    raise: (make: (atMs: number) => DirectorEvent) => void,
  ): void {
    const { kernel, settings } = node;
    switch (effect.kind) {
      case 'advertise':
        renewLease(node, effect.advertisement);
        send(node, life, effect.advertisement);
        return;
      case 'claim':
        if (node.failsClaims) {
          raise((atMs) => ({ kind: 'claim-failed', atMs, reason: 'the kernel refused' }));
          return;
        }
        kernel.held = true;
        kernel.speaksUntilMs = nowMs + settings.leaseMs;
        kernel.servesUntilMs = nowMs + settings.leaseMs;
        kernel.addressesUntilMs = nowMs + 1000 * settings.addressLifetimeSeconds;
        raise((atMs) => ({ kind: 'claimed', atMs }));
        return;
      case 'renew':
        kernel.addressesUntilMs = nowMs + 1000 * settings.addressLifetimeSeconds;
        return;
      case 'mute':
        kernel.speaksUntilMs = nowMs;
        return;
      case 'release':
        kernel.held = false;
        kernel.speaksUntilMs = nowMs;
        kernel.servesUntilMs = nowMs;
        return;
      case 'stop':
        node.life = undefined;
        return;
      case 'probe':
        ask(node, life, effect);
        return;
      case 'announce':
      case 'answer':
        return;
    }
  }

  function port(name: NodeName, interfaceName: string): Port {
    const { ports } = nodes[name];
    const known = ports.get(interfaceName) ?? { carrier: true, silent: false };
    ports.set(interfaceName, known);
    return known;
  }

  function isConnected(name: NodeName, interfaceName: string): boolean {
    const { carrier, silent } = port(name, interfaceName);
    return carrier && !silent;
  }

  /** Who-has on the wire: the peer's kernel answers while its lease lasts, the neighbours while they are there. */
  function ask(node: Node, life: Life, probe: Extract<DirectorEffect, { kind: 'probe' }>): void {
    const peer = nodes[node.name === 'a' ? 'b' : 'a'];
    const answer = (interfaceName: string, address: string, mac: string, isThere: () => boolean) => {
      at(nowMs + random.between(0.05, 0.3), () => {
        if (!isConnected(node.name, interfaceName) || !isThere()) {
          return;
        }
        reach(node, life, () => {
          dispatch(node, life, (atMs) => ({ kind: 'answer-heard', atMs, interfaceName, address, mac }));
        });
      });
    };
    if (probe.asksFloating) {
      for (const { address, interfaceName } of node.settings.floating) {
        answer(
          interfaceName,
          address,
          macOf(peer.name, interfaceName),
          () => !isPartitioned && isConnected(peer.name, interfaceName) && speaks(peer),
        );
      }
    }
    for (const { interfaceName, address } of probe.targets) {
      answer(interfaceName, address, 'router', () => !deafNeighbors.has(interfaceName));
    }
  }

  function speaks(node: Node): boolean {
    return isHeld(node) && (node.settings.gate !== 'nftables' || nowMs < node.kernel.speaksUntilMs);
  }

  /** As the gate does: the datagram that says `active` renews the lease, but only one that is still alive. */
  function renewLease(node: Node, advertisement: Advertisement): void {
    const { kernel, settings } = node;
    if (advertisement.role === 'active' && nowMs < kernel.speaksUntilMs) {
      kernel.speaksUntilMs = nowMs + settings.leaseMs;
      kernel.servesUntilMs = nowMs + settings.leaseMs;
    }
  }

  function send(node: Node, life: Life, advertisement: Advertisement): void {
    life.sequence += 1;
    const to = nodes[node.name === 'a' ? 'b' : 'a'];
    for (const link of node.settings.links.keys()) {
      const heartbeat = envelope(node, life, link, advertisement);
      const { cut, loss, duplication, delayMs, jitterMs } = wire(node.name, link);
      const { interfaceName } = node.settings.links[link] ?? { interfaceName: '' };
      if (
        cut ||
        isPartitioned ||
        !isConnected(node.name, interfaceName) ||
        !isConnected(to.name, interfaceName) ||
        random.chance(loss)
      ) {
        continue;
      }
      for (let copies = random.chance(duplication) ? 2 : 1; copies > 0; copies -= 1) {
        at(nowMs + delayMs + random.between(0, jitterMs), () => {
          deliver(to, link, heartbeat);
        });
      }
    }
  }

  function deliver(node: Node, link: number, heartbeat: Heartbeat): void {
    const { life } = node;
    if (life === undefined || wire(node.name === 'a' ? 'b' : 'a', link).cut) {
      return;
    }
    reach(node, life, () => {
      const { session, verdict } = admit(life.session, heartbeat, link, {
        bootId: life.bootId,
        sequence: life.sequence,
      });
      life.session = session;
      if (!verdict.ok) {
        return;
      }
      const { isProven, isLatest } = verdict.value;
      if (isLatest) {
        life.heard = heartbeat;
      }
      const { advertisement } = isLatest ? heartbeat : (life.heard ?? heartbeat);
      const macs = macsOf(node.name === 'a' ? 'b' : 'a', node.settings);
      dispatch(node, life, (atMs) => ({
        kind: 'advertisement',
        atMs,
        link,
        isProven,
        advertisement,
        macs,
      }));
    });
  }

  function start(name: NodeName): void {
    const node = nodes[name];
    node.boots += 1;
    node.frozen = false;
    node.inbox.length = 0;
    const life: Life = {
      bootId: (BigInt(Math.floor(nowMs)) << 16n) + BigInt(node.boots),
      state: initialState(node.settings),
      sequence: 0,
      session: undefined,
      heard: undefined,
      wakeAtMs: undefined,
    };
    node.life = life;
    dispatch(node, life, (atMs) => ({ kind: 'started', atMs, isMaintenance: node.isMaintenance }));
  }

  function withLife(name: NodeName, make: (atMs: number) => DirectorEvent): void {
    const node = nodes[name];
    const { life } = node;
    if (life !== undefined) {
      reach(node, life, () => {
        dispatch(node, life, make);
      });
    }
  }

  function isHeld({ kernel }: Node): boolean {
    return kernel.held && nowMs < kernel.addressesUntilMs;
  }

  return {
    random,
    nowMs: () => nowMs,
    runUntil(atMs) {
      for (let next = schedule.nextMs(); next !== undefined && next <= atMs; next = schedule.nextMs()) {
        nowMs = next;
        schedule.runNext();
        moments.forEach((observe) => {
          observe();
        });
      }
      nowMs = atMs;
      moments.forEach((observe) => {
        observe();
      });
    },
    start,
    kill(name) {
      nodes[name].life = undefined;
    },
    stopPower(name) {
      const node = nodes[name];
      node.life = undefined;
      node.kernel.held = false;
    },
    freeze(name) {
      nodes[name].frozen = true;
    },
    thaw(name) {
      const node = nodes[name];
      node.frozen = false;
      // What waits in the sockets is read first, then the timers: as the driver does it.
      for (const work of node.inbox.splice(0)) {
        work();
      }
    },
    stop(name) {
      withLife(name, (atMs) => ({ kind: 'stop', atMs }));
    },
    command(name, command) {
      if (command.kind === 'maintenance') {
        nodes[name].isMaintenance = command.isOn;
      }
      withLife(name, (atMs) => ({ kind: 'command', atMs, commandId: 'test', command }));
    },
    failClaims(name, fails) {
      nodes[name].failsClaims = fails;
    },
    loseAddress(name) {
      nodes[name].kernel.held = false;
      const [floating] = nodes[name].settings.floating;
      withLife(name, (atMs) => ({ kind: 'address-lost', atMs, address: floating?.address ?? '' }));
    },
    wire,
    port,
    setCarrier(name, interfaceName, isUp) {
      port(name, interfaceName).carrier = isUp;
      withLife(name, (atMs) => ({ kind: 'carrier', atMs, interfaceName, isUp }));
    },
    setNeighbor(interfaceName, answers) {
      if (answers) {
        deafNeighbors.delete(interfaceName);
      } else {
        deafNeighbors.add(interfaceName);
      }
    },
    setPartition(partitioned) {
      isPartitioned = partitioned;
    },
    state: (name) => nodes[name].life?.state,
    speaks: (name) => speaks(nodes[name]),
    serves: (name) => {
      const node = nodes[name];
      return isHeld(node) && (node.settings.gate !== 'nftables' || nowMs < node.kernel.servesUntilMs);
    },
    onStep: (observe) => {
      steps.push(observe);
    },
    onMoment: (observe) => {
      moments.push(observe);
    },
  };
}

/** Both names, in the order of their node ids. */
export const nodeNames = names;

export type { CommandOutcome };

function createNode(name: NodeName, settings: Settings, clockOffsetMs: number): Node {
  return {
    name,
    settings,
    clockOffsetMs,
    kernel: { held: false, speaksUntilMs: 0, servesUntilMs: 0, addressesUntilMs: 0 },
    life: undefined,
    boots: 0,
    frozen: false,
    inbox: [],
    isMaintenance: false,
    failsClaims: false,
    ports: new Map(),
  };
}

function macOf(name: NodeName, interfaceName: string): string {
  return `${name}-${interfaceName}`;
}

function macsOf(name: NodeName, settings: Settings): readonly string[] {
  return settings.floating.map(({ interfaceName }) => macOf(name, interfaceName));
}

function envelope(node: Node, life: Life, link: number, advertisement: Advertisement): Heartbeat {
  const { heard } = life;
  return {
    pairId: 1n,
    nodeId: node.settings.nodeId,
    keyId: 1,
    bootId: life.bootId,
    sequence: life.sequence,
    link,
    intervalMs: node.settings.intervalMs,
    leaseMs: node.settings.leaseMs,
    deadMs: node.settings.deadMs,
    advertisement,
    acknowledged:
      heard === undefined
        ? undefined
        : {
            bootId: heard.bootId,
            sequence: heard.sequence,
            link: heard.link,
            sentAtUs: heard.sentAtUs,
            heldUs: 0,
          },
    floatingMacs: [],
    sentAtUs: 0,
  };
}
