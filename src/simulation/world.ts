/**
 * Two directors, the network between them and their kernels, in virtual time.
 *
 * The directors run the production core and the production admission of heartbeats; what is simulated is
 * what lies around them: heartbeats on their way (`post.ts`), neighbours that ask, answer and remember
 * (`wires.ts`), a kernel that shuts the gate when the lease ends (`kernel.ts`), and here processes that are
 * late, freeze, die and start again, on hosts that sleep. Everything comes from the seed, so a run can be played again. Time jumps from one thing that
 * is due to the next.
 */
import { initialState, nextDeadlineMs, step as productionStep } from '../core/director.ts';
import {
  type Advertisement,
  type Command,
  type DirectorEffect,
  type DirectorEvent,
  type DirectorState,
  type Settings,
} from '../core/state.ts';
import { admit, newBootId, type Session } from '../wire/admission.ts';
import { type Heartbeat } from '../wire/heartbeat.ts';
import { type Clock, createClock } from './clock.ts';
import { createKernel, type Kernel } from './kernel.ts';
import { createNetwork, type Network, type NodeName, otherNode } from './network.ts';
import { createRandom, type Random } from './random.ts';
import { createPost, type Post } from './post.ts';
import { createSchedule } from './schedule.ts';
import { createWires, macOf, type Wires } from './wires.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly settings: Readonly<Record<NodeName, Settings>>;
  /** How late a process runs at most when nothing is wrong. */
  readonly latenessMs?: number;
  /** How far the two clocks drift from the world's, at most; 200e-6 is a bad one. */
  readonly drift?: number;
  /** Neighbours speak of themselves so often on average; undefined: they only answer. */
  readonly chatterMs?: number;
  /** A core, or a kernel, that is wrong on purpose: to prove that it would be noticed. */
  readonly step?: typeof productionStep;
  readonly latches?: boolean;
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

export interface World extends Pick<Wires, 'claimForeign'>, Pick<Post, 'replay'> {
  nowMs(): number;
  /** Lets everything happen that is due until then. */
  runUntil(atMs: number): void;
  /** Plans something to happen besides. */
  at(atMs: number, happen: () => void): void;
  start(node: NodeName): void;
  /** The process dies; the kernel lives on. */
  kill(node: NodeName): void;
  /** The host dies: process and kernel. */
  stopPower(node: NodeName): void;
  /** The process does not run. */
  freeze(node: NodeName): void;
  thaw(node: NodeName): void;
  /** The host does not run: its kernel answers nobody. With `clockStands` it will not know for how long. */
  pause(node: NodeName, clockStands: boolean): void;
  resume(node: NodeName): void;
  /** The process freezes right before it carries out the next effect of the kind. */
  stall(node: NodeName, effect: DirectorEffect['kind'], forMs: number): void;
  setLateness(node: NodeName, latenessMs: number): void;
  stop(node: NodeName): void;
  command(node: NodeName, command: Command): void;
  flood(node: NodeName): void;
  failClaims(node: NodeName, fails: boolean): void;
  loseAddress(node: NodeName, index: number): void;
  flushGate(node: NodeName): void;
  setCarrier(node: NodeName, interfaceName: string, isUp: boolean): void;
  /** Do the neighbours on the interface (as `a` calls it) answer and listen? */
  setNeighbor(interfaceName: string, answers: boolean): void;
  /** Does this node's way lead to the neighbours on its interface, or only to the address there? */
  setWay(
    node: NodeName,
    target: { readonly interfaceName: string; readonly address?: string },
    isOpen: boolean,
  ): void;
  /** What the director process found out of a path that the core does not ask for itself. */
  report(node: NodeName, path: number, isUp: boolean): void;
  /** Nothing at all passes between the two, while both reach everybody else. */
  setPartition(isPartitioned: boolean): void;
  readonly network: Network;
  state(node: NodeName): DirectorState | undefined;
  kernel(node: NodeName): Kernel;
  /** What the host's clock shows. */
  localMs(node: NodeName): number;
  /** Does the process run, neither frozen nor on a host that sleeps? */
  isRunning(node: NodeName): boolean;
  /** Does the host not run? */
  isPaused(node: NodeName): boolean;
  /** Does the host sleep, and its clock with it? */
  isAsleep(node: NodeName): boolean;
  /** Does the node's kernel answer ARP for a floating address now? Without an index: for any. */
  speaks(node: NodeName, floating?: number): boolean;
  /** Does it serve traffic to all of them? */
  serves(node: NodeName): boolean;
  onStep(observe: (step: WorldStep) => void): void;
  /** After everything that happens. */
  onMoment(observe: () => void): void;
  readonly random: Random;
}

/** A run of the daemon; it ends with the process. */
interface Life {
  readonly bootId: bigint;
  state: DirectorState;
  sequence: number;
  session: Session | undefined;
  heard: Heartbeat | undefined;
  wakeAtMs: number | undefined;
  readonly events: ((atMs: number) => DirectorEvent)[];
  /** The step that is being carried out, with the effects that are left. */
  current: { readonly step: WorldStep; next: number } | undefined;
  /** As of the last heartbeat. */
  readonly downInterfaces: Set<string>;
}

interface Node {
  readonly name: NodeName;
  readonly settings: Settings;
  readonly interfaceNames: readonly string[];
  readonly macs: readonly string[];
  readonly clock: Clock;
  readonly kernel: Kernel;
  life: Life | undefined;
  boots: number;
  isFrozen: boolean;
  isPaused: boolean;
  stall: { readonly effect: DirectorEffect['kind']; readonly forMs: number } | undefined;
  latenessMs: number;
  /** What waits while the process does not run: it reads that first when it does. */
  readonly inbox: (() => void)[];
  isMaintenance: boolean;
  failsClaims: boolean;
}

/** What a clock that drifts loses on the way from one time to the other and back. */
const roundingMs = 1e-6;
/** A director that asks to be woken at once, again and again, would stop the world. */
const mostAtOnce = 20_000;
/** 2026-01-01, to make boot ids of. */
const epochMs = 1_767_225_600_000;

export function createWorld(options: WorldOptions): World {
  const random = createRandom(options.seed);
  const schedule = createSchedule();
  const network = createNetwork(options.settings);
  const step = options.step ?? productionStep;
  const steps: ((step: WorldStep) => void)[] = [];
  const moments: (() => void)[] = [];
  const drift = options.drift ?? 0;
  const nodes: Readonly<Record<NodeName, Node>> = { a: createNode('a'), b: createNode('b') };
  let nowMs = 0;
  let busyAtMs = 0;
  let busyCount = 0;
  const around = { settings: options.settings, network, schedule, random, nowMs: () => nowMs };
  const wires = createWires({
    ...around,
    listens: (name) => nodes[name].life !== undefined,
    speaks: (name, floating) => speaks(nodes[name], floating),
  });
  const post = createPost({
    ...around,
    deliver: (to, link, heartbeat) => {
      deliver(nodes[to], link, heartbeat);
    },
  });

  function createNode(name: NodeName): Node {
    const settings = options.settings[name];
    const floating = settings.floating.map(({ interfaceName }) => interfaceName);
    return {
      name,
      settings,
      interfaceNames: [...new Set([...settings.links.map((link) => link.interfaceName), ...floating])],
      macs: floating.map((interfaceName) => macOf(name, interfaceName)),
      clock: createClock(random.between(0, 1e6), 1 + random.between(-drift, drift)),
      kernel: createKernel({ settings, latches: options.latches ?? true }),
      life: undefined,
      boots: 0,
      isFrozen: false,
      isPaused: false,
      stall: undefined,
      latenessMs: options.latenessMs ?? 0,
      inbox: [],
      isMaintenance: false,
      failsClaims: false,
    };
  }

  function localMs(node: Node): number {
    return node.clock.localMs(nowMs);
  }

  function runs(node: Node): boolean {
    return !node.isFrozen && !node.isPaused;
  }

  /** Does the work if the process runs, later if it is frozen, never if it is another life by then. */
  function reach(node: Node, life: Life, work: () => void): void {
    if (node.life !== life) {
      return;
    }
    if (runs(node)) {
      work();
    } else {
      node.inbox.push(() => {
        reach(node, life, work);
      });
    }
  }

  function goOn(node: Node): void {
    while (runs(node)) {
      const work = node.inbox.shift();
      if (work === undefined) {
        return;
      }
      work();
    }
  }

  function dispatch(node: Node, life: Life, make: (atMs: number) => DirectorEvent): void {
    if (life.current !== undefined) {
      life.events.push(make);
      return;
    }
    look(node, life);
    life.events.push(make);
    drain(node, life);
  }

  /** Takes the events one after the other, each with all that comes of it, until none is left or the process stalls. */
  function drain(node: Node, life: Life): void {
    for (;;) {
      if (nowMs !== busyAtMs) {
        busyAtMs = nowMs;
        busyCount = 0;
      }
      busyCount += 1;
      if (busyCount > mostAtOnce) {
        const { kind } = life.current?.step.event ?? { kind: 'nothing' };
        throw new Error(
          `time stands still at ${nowMs} ms: ${node.name} in ${life.state.office.role}, ${kind}`,
        );
      }
      const { current } = life;
      if (current === undefined) {
        const make = node.life === life ? life.events.shift() : undefined;
        if (make === undefined) {
          break;
        }
        const event = make(localMs(node));
        const before = life.state;
        const [after, effects] = step(before, event, node.settings);
        life.state = after;
        node.isMaintenance = after.isMaintenance;
        life.current = { step: { atMs: nowMs, node: node.name, event, before, after, effects }, next: 0 };
      } else if (current.next < current.step.effects.length) {
        const effect = current.step.effects[current.next];
        if (effect !== undefined && effect.kind === node.stall?.effect) {
          stallNow(node, life, node.stall.forMs);
          return;
        }
        current.next += 1;
        if (effect !== undefined) {
          perform(node, life, effect);
        }
      } else {
        life.current = undefined;
        for (const observe of steps) {
          observe(current.step);
        }
      }
    }
    plan(node, life);
  }

  function stallNow(node: Node, life: Life, forMs: number): void {
    node.stall = undefined;
    node.isFrozen = true;
    node.inbox.unshift(() => {
      if (node.life === life) {
        drain(node, life);
      }
    });
    schedule.at(nowMs + forMs, () => {
      node.isFrozen = false;
      goOn(node);
    });
  }

  function plan(node: Node, life: Life): void {
    const dueMs = nextDeadlineMs(life.state, node.settings);
    if (dueMs === undefined || node.life !== life) {
      return;
    }
    const lateMs = node.latenessMs === 0 ? 0 : random.between(0, node.latenessMs);
    const wakeAtMs = Math.max(nowMs, node.clock.worldMs(dueMs) + roundingMs) + lateMs;
    if (life.wakeAtMs !== undefined && life.wakeAtMs <= wakeAtMs + node.latenessMs && life.wakeAtMs > nowMs) {
      return;
    }
    if (!Number.isFinite(wakeAtMs)) {
      return;
    }
    life.wakeAtMs = wakeAtMs;
    schedule.at(wakeAtMs, () => {
      if (life.wakeAtMs === wakeAtMs) {
        life.wakeAtMs = undefined;
        reach(node, life, () => {
          dispatch(node, life, (atMs) => ({ kind: 'deadline', atMs }));
        });
      }
    });
  }

  /** As the daemon does before every step that something is due for: what was seen on the wires comes first. */
  function look(node: Node, life: Life): void {
    const dueMs = nextDeadlineMs(life.state, node.settings);
    if (dueMs !== undefined && localMs(node) >= dueMs) {
      for (const sighting of wires.read(node.name)) {
        life.events.push((atMs) => ({ kind: 'answer-heard', atMs, ...sighting }));
      }
    }
  }

  function perform(node: Node, life: Life, effect: DirectorEffect): void {
    const { kernel } = node;
    switch (effect.kind) {
      case 'advertise':
        send(node, life, effect.advertisement);
        tick(node, life);
        return;
      case 'claim':
        if (node.failsClaims) {
          life.events.push((atMs) => ({ kind: 'claim-failed', atMs, reason: 'the kernel refused' }));
          return;
        }
        kernel.claim(localMs(node));
        life.events.push((atMs) => ({ kind: 'claimed', atMs }));
        return;
      case 'renew':
        kernel.renew(localMs(node));
        return;
      case 'mute':
        kernel.mute(localMs(node));
        return;
      case 'release':
        kernel.release(localMs(node));
        return;
      case 'stop':
        node.life = undefined;
        return;
      case 'probe':
        wires.ask(node.name, effect);
        return;
      case 'announce':
        wires.announce(node.name);
        return;
      case 'answer':
        return;
    }
  }

  /** What the daemon looks at with every heartbeat. */
  function tick(node: Node, life: Life): void {
    for (const interfaceName of node.interfaceNames) {
      const isUp = network.port(node.name, interfaceName).carrier;
      if (isUp === life.downInterfaces.has(interfaceName)) {
        if (isUp) {
          life.downInterfaces.delete(interfaceName);
        } else {
          life.downInterfaces.add(interfaceName);
        }
        life.events.push((atMs) => ({ kind: 'carrier', atMs, interfaceName, isUp }));
      }
    }
    const { lost, hasLeaseEnded } = node.kernel.look(localMs(node));
    for (const address of lost) {
      life.events.push((atMs) => ({ kind: 'address-lost', atMs, address }));
    }
    if (hasLeaseEnded) {
      life.events.push((atMs) => ({ kind: 'lease-lost', atMs }));
    }
  }

  function speaks(node: Node, floating: number): boolean {
    return !node.isPaused && node.kernel.speaks(floating, localMs(node));
  }

  function send(node: Node, life: Life, advertisement: Advertisement): void {
    life.sequence += 1;
    if (advertisement.role === 'active') {
      node.kernel.renewLease(localMs(node));
    }
    post.send(node.name, envelope(node, life, advertisement));
  }

  function deliver(node: Node, link: number, heartbeat: Heartbeat): void {
    const { life } = node;
    if (life === undefined) {
      return;
    }
    reach(node, life, () => {
      const own = { bootId: life.bootId, sequence: life.sequence };
      const { session, verdict } = admit(life.session, heartbeat, link, own);
      life.session = session;
      if (!verdict.ok) {
        return;
      }
      const { isProven, isLatest } = verdict.value;
      const believed = !isLatest && life.heard?.bootId === heartbeat.bootId ? life.heard : heartbeat;
      life.heard = believed;
      const { macs } = nodes[otherNode(node.name)];
      dispatch(node, life, (atMs) => ({
        kind: 'advertisement',
        atMs,
        link,
        isProven,
        advertisement: believed.advertisement,
        macs,
      }));
    });
  }

  function start(name: NodeName): void {
    const node = nodes[name];
    node.boots += 1;
    node.isFrozen = false;
    node.isPaused = false;
    node.stall = undefined;
    node.inbox.length = 0;
    wires.read(name);
    node.clock.go(nowMs);
    node.kernel.restart(localMs(node));
    const life: Life = {
      bootId: newBootId(epochMs + nowMs, node.boots),
      state: initialState(node.settings),
      sequence: 0,
      session: undefined,
      heard: undefined,
      wakeAtMs: undefined,
      events: [],
      current: undefined,
      downInterfaces: new Set(),
    };
    node.life = life;
    dispatch(node, life, (atMs) => ({ kind: 'started', atMs, isMaintenance: node.isMaintenance }));
  }

  function tell(name: NodeName, make: (atMs: number) => DirectorEvent): void {
    const node = nodes[name];
    const { life } = node;
    if (life !== undefined) {
      reach(node, life, () => {
        dispatch(node, life, make);
      });
    }
  }

  if (options.chatterMs !== undefined) {
    wires.chatter(options.chatterMs);
  }

  return {
    random,
    network,
    nowMs: () => nowMs,
    runUntil(atMs) {
      for (let next = schedule.nextMs(); next !== undefined && next <= atMs; next = schedule.nextMs()) {
        nowMs = next;
        schedule.runNext();
        for (const observe of moments) {
          observe();
        }
      }
      nowMs = atMs;
    },
    at: (atMs, happen) => {
      schedule.at(atMs, happen);
    },
    start,
    kill(name) {
      nodes[name].life = undefined;
    },
    stopPower(name) {
      const node = nodes[name];
      node.life = undefined;
      node.kernel.reset();
    },
    freeze(name) {
      nodes[name].isFrozen = true;
    },
    thaw(name) {
      nodes[name].stall = undefined;
      nodes[name].isFrozen = false;
      goOn(nodes[name]);
    },
    pause(name, clockStands) {
      const node = nodes[name];
      node.isPaused = true;
      if (clockStands) {
        node.clock.stand(nowMs);
      }
    },
    resume(name) {
      const node = nodes[name];
      const { life } = node;
      node.isPaused = false;
      node.clock.go(nowMs);
      goOn(node);
      if (life !== undefined) {
        life.wakeAtMs = undefined;
        plan(node, life);
      }
    },
    stall(name, effect, forMs) {
      nodes[name].stall = { effect, forMs };
    },
    setLateness(name, latenessMs) {
      nodes[name].latenessMs = latenessMs;
    },
    stop(name) {
      tell(name, (atMs) => ({ kind: 'stop', atMs }));
    },
    command(name, command) {
      tell(name, (atMs) => ({ kind: 'command', atMs, commandId: 'test', command }));
    },
    flood(name) {
      tell(name, (atMs) => ({ kind: 'wire-flooded', atMs }));
    },
    failClaims(name, fails) {
      nodes[name].failsClaims = fails;
    },
    loseAddress(name, index) {
      nodes[name].kernel.loseAddress(index);
    },
    flushGate(name) {
      nodes[name].kernel.flush();
    },
    setCarrier(name, interfaceName, isUp) {
      network.port(name, interfaceName).carrier = isUp;
    },
    setNeighbor(interfaceName, answers) {
      for (const neighbor of network.neighbors) {
        if (neighbor.at.a.interfaceName === interfaceName) {
          neighbor.answers = answers;
          // What has been away asks anew.
          neighbor.cache.clear();
          neighbor.wholeSinceMs = nowMs;
        }
      }
    },
    setWay(name, { interfaceName, address }, isOpen) {
      for (const { at, lostTo } of network.neighbors) {
        const own = at[name];
        if (own.interfaceName !== interfaceName || (address !== undefined && own.address !== address)) {
          continue;
        }
        if (isOpen) {
          lostTo.delete(name);
        } else {
          lostTo.add(name);
        }
      }
    },
    report(name, index, isUp) {
      tell(name, (atMs) => ({ kind: 'path-reported', atMs, index, isUp }));
    },
    setPartition(isPartitioned) {
      network.setPartition(isPartitioned);
    },
    claimForeign: (floating) => {
      wires.claimForeign(floating);
    },
    replay: (to, onLink, age) => {
      post.replay(to, onLink, age);
    },
    state: (name) => nodes[name].life?.state,
    kernel: (name) => nodes[name].kernel,
    localMs: (name) => localMs(nodes[name]),
    isRunning: (name) => nodes[name].life !== undefined && runs(nodes[name]),
    isPaused: (name) => nodes[name].isPaused,
    isAsleep: (name) => nodes[name].isPaused && nodes[name].clock.worldMs(0) === Number.POSITIVE_INFINITY,
    speaks(name, floating) {
      const node = nodes[name];
      return floating === undefined
        ? node.settings.floating.some((_, index) => speaks(node, index))
        : speaks(node, floating);
    },
    serves(name) {
      const node = nodes[name];
      return (
        !node.isPaused && node.settings.floating.every((_, index) => node.kernel.serves(index, localMs(node)))
      );
    },
    onStep: (observe) => {
      steps.push(observe);
    },
    onMoment: (observe) => {
      moments.push(observe);
    },
  };
}

function envelope(node: Node, life: Life, advertisement: Advertisement): Heartbeat {
  const { heard } = life;
  const { nodeId, intervalMs, leaseMs, deadMs } = node.settings;
  return {
    pairId: 1n,
    nodeId,
    keyId: 1,
    bootId: life.bootId,
    sequence: life.sequence,
    link: 0,
    intervalMs,
    leaseMs,
    deadMs,
    advertisement,
    acknowledged:
      heard === undefined
        ? undefined
        : { bootId: heard.bootId, sequence: heard.sequence, link: heard.link, sentAtUs: 0, heldUs: 0 },
    floatingMacs: node.macs,
    sentAtUs: 0,
  };
}
