/** What can go wrong in a simulated pair: each fault begins, and ends by itself. */
import { type Command, type DirectorEffect, type Settings } from '../core/state.ts';
import { type NodeName, nodeNames } from './network.ts';
import { type Random } from './random.ts';
import { type World } from './world.ts';

export type FaultAction =
  | { readonly kind: 'loss'; readonly from: NodeName; readonly link: number; readonly rate: number }
  | { readonly kind: 'duplication'; readonly from: NodeName; readonly link: number }
  | {
      readonly kind: 'delay';
      readonly from: NodeName;
      readonly link: number;
      readonly delayMs: number;
      readonly jitterMs: number;
    }
  /** Nothing of the heartbeats passes in this direction; without a link on none of them. */
  | { readonly kind: 'cut'; readonly from: NodeName; readonly link: number | undefined }
  | { readonly kind: 'port-silent'; readonly node: NodeName; readonly interfaceName: string }
  | { readonly kind: 'no-carrier'; readonly node: NodeName; readonly interfaceName: string }
  /** Neither reaches the other by anything. */
  | { readonly kind: 'partition' }
  | { readonly kind: 'router-down'; readonly interfaceName: string }
  /** The process dies, and is started again at the end. */
  | { readonly kind: 'kill'; readonly node: NodeName }
  | { readonly kind: 'host-down'; readonly node: NodeName }
  | { readonly kind: 'stop'; readonly node: NodeName }
  | { readonly kind: 'freeze'; readonly node: NodeName }
  /** The process freezes right before it carries out the next effect of the kind. */
  | { readonly kind: 'stall'; readonly node: NodeName; readonly before: DirectorEffect['kind'] }
  /** The host does not run; its clock goes on. */
  | { readonly kind: 'pause'; readonly node: NodeName }
  /** The host sleeps, and its clock with it. */
  | { readonly kind: 'suspend'; readonly node: NodeName }
  | { readonly kind: 'late'; readonly node: NodeName; readonly latenessMs: number }
  | { readonly kind: 'flush-gate'; readonly node: NodeName }
  | { readonly kind: 'address-removed'; readonly node: NodeName; readonly index: number }
  | { readonly kind: 'claims-fail'; readonly node: NodeName }
  | { readonly kind: 'flood'; readonly node: NodeName }
  | { readonly kind: 'foreign-claim'; readonly floating: number }
  | { readonly kind: 'replay'; readonly to: NodeName; readonly link: number; readonly age: number }
  /** Maintenance is left at the end; a failover is not undone. */
  | { readonly kind: 'command'; readonly node: NodeName; readonly command: Command };

export interface Fault {
  readonly atMs: number;
  readonly forMs: number;
  readonly action: FaultAction;
}

const stallPoints = ['advertise', 'claim', 'release', 'mute', 'announce', 'renew'] as const;

/** Faults of all kinds, some of them close together: `span` is when they may begin. */
export function chooseFaults(
  random: Random,
  settings: Readonly<Record<NodeName, Settings>>,
  span: { readonly fromMs: number; readonly untilMs: number },
): readonly Fault[] {
  const count = 1 + Math.floor(random.between(0, 8));
  const scale = settings.a.deadMs / 300;
  const faults: Fault[] = [];
  let lastMs = span.fromMs;
  for (let index = 0; index < count; index += 1) {
    const isNear = index > 0 && random.chance(0.5);
    const atMs = isNear
      ? Math.min(span.untilMs - 1, lastMs + random.between(0, 1.5 * settings.a.deadMs))
      : random.between(span.fromMs, span.untilMs);
    const forMs = Math.min(10 ** random.between(0.5, 3.6) * scale, span.untilMs - atMs);
    faults.push({ atMs, forMs, action: chooseAction(random, settings) });
    lastMs = atMs;
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

function chooseAction(random: Random, settings: Readonly<Record<NodeName, Settings>>): FaultAction {
  const node = random.pick<NodeName>(['a', 'b']);
  const { links, floating, leaseMs } = settings[node];
  const link = Math.floor(random.between(0, links.length));
  const index = Math.floor(random.between(0, floating.length));
  const [first] = floating;
  const interfaceName = floating[index]?.interfaceName ?? first?.interfaceName ?? '';
  return random.pick<() => FaultAction>([
    () => ({ kind: 'loss', from: node, link, rate: random.pick([0.1, 0.3, 0.6, 1]) }),
    () => ({ kind: 'duplication', from: node, link }),
    () => ({
      kind: 'delay',
      from: node,
      link,
      delayMs: random.between(0, leaseMs / 8),
      jitterMs: random.between(0, leaseMs / 4),
    }),
    () => ({ kind: 'cut', from: node, link: random.pick([undefined, link]) }),
    () => ({ kind: 'cut', from: node, link: undefined }),
    () => ({ kind: 'port-silent', node, interfaceName }),
    () => ({ kind: 'no-carrier', node, interfaceName }),
    () => ({ kind: 'partition' }),
    () => ({
      kind: 'router-down',
      interfaceName: settings.a.floating[index]?.interfaceName ?? interfaceName,
    }),
    () => ({ kind: 'kill', node }),
    () => ({ kind: 'kill', node }),
    () => ({ kind: 'host-down', node }),
    () => ({ kind: 'stop', node }),
    () => ({ kind: 'freeze', node }),
    () => ({ kind: 'freeze', node }),
    () => ({ kind: 'stall', node, before: random.pick(stallPoints) }),
    () => ({ kind: 'stall', node, before: random.pick(stallPoints) }),
    () => ({ kind: 'pause', node }),
    () => ({ kind: 'suspend', node }),
    () => ({ kind: 'late', node, latenessMs: random.between(0, leaseMs / 2) }),
    () => ({ kind: 'flush-gate', node }),
    () => ({ kind: 'address-removed', node, index }),
    () => ({ kind: 'claims-fail', node }),
    () => ({ kind: 'flood', node }),
    () => ({ kind: 'foreign-claim', floating: index }),
    () => ({ kind: 'replay', to: node, link, age: random.next() }),
    () => ({ kind: 'command', node, command: { kind: 'failover', isForced: random.chance(0.3) } }),
    () => ({ kind: 'command', node, command: { kind: 'failover', isForced: false } }),
    () => ({ kind: 'command', node, command: { kind: 'take-over' } }),
    () => ({
      kind: 'command',
      node,
      command: { kind: 'maintenance', isOn: true, isForced: random.chance(0.5) },
    }),
  ])();
}

/** Plans the fault's beginning and its end. */
export function plan(world: World, fault: Fault, settings: Readonly<Record<NodeName, Settings>>): void {
  world.at(fault.atMs, () => {
    begin(world, fault, settings);
  });
  world.at(fault.atMs + fault.forMs, () => {
    end(world, fault.action, settings);
  });
}

function begin(world: World, { forMs, action }: Fault, settings: Readonly<Record<NodeName, Settings>>): void {
  switch (action.kind) {
    case 'loss':
      world.network.wire(action.from, action.link).loss = action.rate;
      return;
    case 'duplication':
      world.network.wire(action.from, action.link).duplication = 0.5;
      return;
    case 'delay':
      Object.assign(world.network.wire(action.from, action.link), {
        delayMs: action.delayMs,
        jitterMs: action.jitterMs,
      });
      return;
    case 'cut':
      setCut(world, action, settings, true);
      return;
    case 'port-silent':
      world.network.port(action.node, action.interfaceName).silent = true;
      return;
    case 'no-carrier':
      world.setCarrier(action.node, action.interfaceName, false);
      return;
    case 'partition':
      world.setPartition(true);
      return;
    case 'router-down':
      world.setNeighbor(action.interfaceName, false);
      return;
    case 'kill':
      world.kill(action.node);
      return;
    case 'host-down':
      world.stopPower(action.node);
      return;
    case 'stop':
      world.stop(action.node);
      return;
    case 'freeze':
      world.freeze(action.node);
      return;
    case 'stall':
      world.stall(action.node, action.before, forMs);
      return;
    case 'pause':
      world.pause(action.node, false);
      return;
    case 'suspend':
      world.pause(action.node, true);
      return;
    case 'late':
      world.setLateness(action.node, action.latenessMs);
      return;
    case 'flush-gate':
      world.flushGate(action.node);
      return;
    case 'address-removed':
      world.loseAddress(action.node, action.index);
      return;
    case 'claims-fail':
      world.failClaims(action.node, true);
      return;
    case 'flood':
      world.flood(action.node);
      return;
    case 'foreign-claim':
      world.claimForeign(action.floating);
      return;
    case 'replay':
      world.replay(action.to, action.link, action.age);
      return;
    case 'command':
      world.command(action.node, action.command);
      return;
  }
}

function end(world: World, action: FaultAction, settings: Readonly<Record<NodeName, Settings>>): void {
  switch (action.kind) {
    case 'loss':
      world.network.wire(action.from, action.link).loss = 0;
      return;
    case 'duplication':
      world.network.wire(action.from, action.link).duplication = 0;
      return;
    case 'delay':
      Object.assign(world.network.wire(action.from, action.link), { delayMs: 0.2, jitterMs: 0 });
      return;
    case 'cut':
      setCut(world, action, settings, false);
      return;
    case 'port-silent':
      world.network.port(action.node, action.interfaceName).silent = false;
      return;
    case 'no-carrier':
      world.setCarrier(action.node, action.interfaceName, true);
      return;
    case 'partition':
      world.setPartition(false);
      return;
    case 'router-down':
      world.setNeighbor(action.interfaceName, true);
      return;
    case 'kill':
    case 'host-down':
    case 'stop':
      startIfDown(world, action.node);
      return;
    case 'freeze':
      world.thaw(action.node);
      return;
    case 'pause':
    case 'suspend':
      world.resume(action.node);
      return;
    case 'late':
      world.setLateness(action.node, 0);
      return;
    case 'claims-fail':
      world.failClaims(action.node, false);
      return;
    case 'command':
      if (action.command.kind === 'maintenance') {
        world.command(action.node, { kind: 'maintenance', isOn: false, isForced: false });
      }
      return;
    case 'stall':
    case 'flush-gate':
    case 'address-removed':
    case 'flood':
    case 'foreign-claim':
    case 'replay':
      return;
  }
}

/** Whatever is left of faults that overlapped: both run, and the network is whole. */
export function makeWhole(world: World, settings: Readonly<Record<NodeName, Settings>>): void {
  world.setPartition(false);
  for (const name of nodeNames) {
    for (const link of settings[name].links.keys()) {
      Object.assign(world.network.wire(name, link), {
        cut: false,
        loss: 0,
        duplication: 0,
        delayMs: 0.2,
        jitterMs: 0,
      });
    }
    for (const { interfaceName } of [...settings[name].links, ...settings[name].floating]) {
      world.network.port(name, interfaceName).silent = false;
      world.setCarrier(name, interfaceName, true);
    }
    world.setLateness(name, 0);
    world.failClaims(name, false);
    world.resume(name);
    world.thaw(name);
    startIfDown(world, name);
    if (world.state(name)?.isMaintenance === true) {
      world.command(name, { kind: 'maintenance', isOn: false, isForced: false });
    }
  }
  for (const { interfaceName } of settings.a.floating) {
    world.setNeighbor(interfaceName, true);
  }
}

function startIfDown(world: World, name: NodeName): void {
  if (world.state(name) === undefined) {
    world.start(name);
  }
}

function setCut(
  world: World,
  { from, link }: Extract<FaultAction, { kind: 'cut' }>,
  settings: Readonly<Record<NodeName, Settings>>,
  isCut: boolean,
): void {
  for (const each of link === undefined ? settings[from].links.keys() : [link]) {
    world.network.wire(from, each).cut = isCut;
  }
}

export function describeFault({ atMs, forMs, action }: Fault): string {
  const { kind, ...rest } = action;
  const facts = Object.entries(rest).map(
    ([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
  );
  return `${atMs.toFixed(1)} ms: ${kind} for ${forMs.toFixed(1)} ms${facts.length === 0 ? '' : `, ${facts.join(', ')}`}`;
}
