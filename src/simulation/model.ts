/**
 * Every world there is, to a depth: two directors whose time goes by in steps of one interval, and in each
 * step everything that may happen to them in every combination, instead of one drawn by chance.
 *
 * What is abstracted: clocks run alike and time comes in quanta, within which each director that runs acts on
 * all that is due; a heartbeat arrives at the end of its quantum, on one link, or never; the wire answers at
 * once whoever asks, unless the host is down. What is real is the core, with all its waits. Two worlds
 * that differ only in when they are, in the size of terms or in what is forgotten are one.
 */
import { initialState, nextDeadlineMs, step as productionStep } from '../core/director.ts';
import {
  type Advertisement,
  type DirectorEffect,
  type DirectorEvent,
  type DirectorState,
  type Settings,
} from '../core/state.ts';
import { type NodeName, nodeNames, otherNode } from './network.ts';

export interface ModelOptions {
  readonly settings: Readonly<Record<NodeName, Settings>>;
  /** How many quanta after the pair has found itself. */
  readonly depth: number;
  /** How many things may go wrong on a way: processes that die, freeze, start or thaw, heartbeats that are lost. */
  readonly faultBudget: number;
  readonly step?: typeof productionStep;
  readonly latches?: boolean;
  /** Goes this way only, as told by a violation. */
  readonly way?: readonly string[];
}

export interface ModelReport {
  readonly stateCount: number;
  readonly transitionCount: number;
  /** The way to the first world that breaks what must hold. */
  readonly violation: { readonly what: string; readonly way: readonly string[] } | undefined;
}

type Condition = 'runs' | 'frozen' | 'dead';

interface ModelNode {
  readonly condition: Condition;
  readonly state: DirectorState;
  /** Of the kernel: until when it answers; it has the addresses while `holds`. */
  readonly holds: boolean;
  readonly speaksUntilMs: number;
  /** Which life this is, and which life of the peer it has heard of. */
  readonly boot: number;
  readonly heardBoot: number;
  readonly provenBoot: number;
}

interface Letter {
  readonly to: NodeName;
  readonly advertisement: Advertisement;
  readonly boot: number;
  readonly echoesBoot: number;
}

interface ModelWorld {
  readonly atMs: number;
  readonly nodes: Readonly<Record<NodeName, ModelNode>>;
  readonly letters: readonly Letter[];
  readonly faultsLeft: number;
}

type Turn = 'on' | 'freeze' | 'thaw' | 'kill' | 'start' | 'late';

/** Breadth first, so the way to a violation is a shortest one. */
export function exploreModel(options: ModelOptions): ModelReport {
  const begin = foundPair(options);
  const seen = new Map<string, readonly string[]>([[keyOf(begin), []]]);
  let frontier: readonly ModelWorld[] = [begin];
  let transitionCount = 0;
  for (let depth = 0; depth < options.depth && frontier.length > 0; depth += 1) {
    const next: ModelWorld[] = [];
    for (const world of frontier) {
      const way = seen.get(keyOf(world)) ?? [];
      for (const [name, follow] of choices(world)) {
        if (options.way !== undefined && options.way[depth] !== name) {
          continue;
        }
        transitionCount += 1;
        const outcome = follow(options);
        const here = [...way, name];
        const what = outcome.broken ?? brokenIn(outcome.world);
        if (what !== undefined) {
          return { stateCount: seen.size, transitionCount, violation: { what, way: here } };
        }
        const key = keyOf(outcome.world);
        const known = seen.get(key);
        if (known === undefined) {
          seen.set(key, here);
          next.push(outcome.world);
        }
      }
    }
    frontier = next;
  }
  return { stateCount: seen.size, transitionCount, violation: undefined };
}

interface Outcome {
  readonly world: ModelWorld;
  readonly broken: string | undefined;
}

type Choice = readonly [name: string, follow: (options: ModelOptions) => Outcome];

/** Every combination of what becomes of the letters and of the two directors. */
function choices(world: ModelWorld): readonly Choice[] {
  const found: Choice[] = [];
  const fates = subsets(world.letters.length);
  for (const a of turnsOf(world.nodes.a)) {
    for (const b of turnsOf(world.nodes.b)) {
      for (const isLost of fates) {
        const cost = costOf(a) + costOf(b) + isLost.filter(Boolean).length;
        if (cost <= world.faultsLeft) {
          const lost = isLost.map((gone) => (gone ? 'lost' : 'arrives')).join(' ');
          found.push([
            `a ${a}, b ${b}, ${lost}`,
            (options) => advance(world, { a, b }, isLost, cost, options),
          ]);
        }
      }
    }
  }
  return found;
}

function turnsOf({ condition }: ModelNode): readonly Turn[] {
  switch (condition) {
    case 'runs':
      return ['on', 'late', 'freeze', 'kill'];
    case 'frozen':
      return ['on', 'thaw', 'kill'];
    case 'dead':
      return ['on', 'start'];
  }
}

/** To recover costs nothing: then a way may end well. */
function costOf(turn: Turn): number {
  return turn === 'on' || turn === 'thaw' || turn === 'start' ? 0 : 1;
}

function subsets(count: number): readonly (readonly boolean[])[] {
  return Array.from({ length: 2 ** count }, (_, bits) =>
    Array.from({ length: count }, (_unused, index) => (bits & (1 << index)) !== 0),
  );
}

/** One quantum: letters first, then what is due until its end, instant by instant on both sides. */
function advance(
  world: ModelWorld,
  turns: Readonly<Record<NodeName, Turn>>,
  isLost: readonly boolean[],
  cost: number,
  options: ModelOptions,
): Outcome {
  const { intervalMs } = options.settings.a;
  const run = new Quantum(world, options);
  for (const name of nodeNames) {
    run.turn(name, turns[name]);
  }
  world.letters.forEach((letter, index) => {
    if (isLost[index] !== true) {
      run.deliver(letter);
    }
  });
  run.passUntil(world.atMs + intervalMs, (name) => turns[name] !== 'late');
  const hasHeard = cost === 0 && nodeNames.every((name) => run.hasRun(name)) && world.letters.length === 2;
  return { world: run.end(world.faultsLeft - cost, hasHeard), broken: run.broken };
}

/** A world in the making: within a quantum the nodes change in place. */
class Quantum {
  readonly #options: ModelOptions;
  readonly #nodes: Record<NodeName, ModelNode>;
  readonly #letters: Letter[] = [];
  #atMs: number;
  readonly #wasBoth: boolean;
  #isSettled = false;
  broken: string | undefined;

  constructor(world: ModelWorld, options: ModelOptions) {
    this.#options = options;
    this.#nodes = { ...world.nodes };
    this.#atMs = world.atMs;
    this.#wasBoth = this.#speaks('a') && this.#speaks('b');
  }

  turn(name: NodeName, turn: Turn): void {
    const node = this.#nodes[name];
    switch (turn) {
      case 'on':
      case 'late':
        return;
      case 'freeze':
        this.#nodes[name] = { ...node, condition: 'frozen' };
        return;
      case 'thaw':
        this.#nodes[name] = { ...node, condition: 'runs' };
        this.#tell(name, { kind: 'deadline', atMs: this.#atMs });
        return;
      case 'kill':
        this.#nodes[name] = { ...node, condition: 'dead' };
        return;
      case 'start':
        this.#nodes[name] = {
          ...node,
          condition: 'runs',
          state: initialState(this.#options.settings[name]),
          speaksUntilMs: this.#atMs,
          boot: node.boot + 1,
          heardBoot: 0,
          provenBoot: 0,
        };
        this.#tell(name, { kind: 'started', atMs: this.#atMs, isMaintenance: false });
        return;
    }
  }

  deliver({ to, advertisement, boot, echoesBoot }: Letter): void {
    const node = this.#nodes[to];
    if (node.condition !== 'runs') {
      return;
    }
    const provenBoot = echoesBoot === node.boot ? boot : node.provenBoot;
    this.#nodes[to] = { ...node, heardBoot: boot, provenBoot };
    this.#tell(to, {
      kind: 'advertisement',
      atMs: this.#atMs,
      link: 0,
      isProven: provenBoot === boot,
      advertisement,
      macs: [macOf(otherNode(to))],
    });
  }

  hasRun(name: NodeName): boolean {
    return this.#nodes[name].condition === 'runs';
  }

  passUntil(endMs: number, isOnTime: (name: NodeName) => boolean): void {
    for (;;) {
      const due = nodeNames
        .filter((name) => this.#nodes[name].condition === 'runs' && isOnTime(name))
        .map((name) => ({ name, atMs: this.#dueMs(name) }))
        .filter(({ atMs }) => atMs < endMs)
        .sort((one, other) => one.atMs - other.atMs)[0];
      if (due === undefined) {
        this.#atMs = endMs;
        return;
      }
      this.#atMs = Math.max(this.#atMs, due.atMs);
      this.#tell(due.name, { kind: 'deadline', atMs: this.#atMs });
      this.#check();
    }
  }

  end(faultsLeft: number, hasHeard: boolean): ModelWorld {
    this.#isSettled = this.#wasBoth && hasHeard;
    this.#check();
    return { atMs: this.#atMs, nodes: this.#nodes, letters: this.#letters, faultsLeft };
  }

  #dueMs(name: NodeName): number {
    const { state } = this.#nodes[name];
    return Math.max(
      this.#atMs,
      nextDeadlineMs(state, this.#options.settings[name]) ?? Number.POSITIVE_INFINITY,
    );
  }

  #tell(name: NodeName, event: DirectorEvent): void {
    const events = [event];
    for (let next = events.shift(); next !== undefined; next = events.shift()) {
      const { state } = this.#nodes[name];
      const step = this.#options.step ?? productionStep;
      const [after, effects] = step(state, next, this.#options.settings[name]);
      if (after.term < state.term) {
        this.broken = `${name}'s term fell`;
      }
      this.#nodes[name] = { ...this.#nodes[name], state: after };
      for (const effect of effects) {
        events.push(...this.#perform(name, effect));
      }
    }
  }

  #perform(name: NodeName, effect: DirectorEffect): readonly DirectorEvent[] {
    const node = this.#nodes[name];
    const { leaseMs } = this.#options.settings[name];
    const atMs = this.#atMs;
    switch (effect.kind) {
      case 'claim':
        this.#nodes[name] = { ...node, holds: true, speaksUntilMs: atMs + leaseMs };
        return [{ kind: 'claimed', atMs }];
      case 'mute':
        this.#nodes[name] = { ...node, speaksUntilMs: atMs };
        return [];
      case 'release':
        this.#nodes[name] = { ...node, holds: false, speaksUntilMs: atMs };
        return [];
      case 'advertise':
        this.#advertise(name, effect.advertisement);
        return [];
      case 'probe':
        return this.#ask(name, effect.asksFloating);
      case 'renew':
      case 'announce':
      case 'answer':
      case 'stop':
        return [];
    }
  }

  #advertise(name: NodeName, advertisement: Advertisement): void {
    const node = this.#nodes[name];
    const { leaseMs } = this.#options.settings[name];
    const isAlive = this.#atMs < node.speaksUntilMs || this.#options.latches === false;
    if (advertisement.role === 'active' && isAlive) {
      this.#nodes[name] = { ...node, speaksUntilMs: this.#atMs + leaseMs };
    }
    const to = otherNode(name);
    const earlier = this.#letters.findIndex((letter) => letter.to === to);
    if (earlier >= 0) {
      // Only the last word of a quantum is worth a choice of its fate.
      this.#letters.splice(earlier, 1);
    }
    this.#letters.push({ to, advertisement, boot: node.boot, echoesBoot: node.heardBoot });
  }

  /** The wire answers before the next question. */
  #ask(name: NodeName, asksFloating: boolean): readonly DirectorEvent[] {
    const atMs = this.#atMs;
    const [floating] = this.#options.settings[name].floating;
    if (!asksFloating || floating === undefined) {
      return [];
    }
    const peer = otherNode(name);
    const { address, interfaceName } = floating;
    const answers: DirectorEvent[] = [
      { kind: 'answer-heard', atMs, interfaceName, address: 'router', mac: 'router' },
    ];
    return this.#speaks(peer)
      ? [{ kind: 'answer-heard', atMs, interfaceName, address, mac: macOf(peer) }, ...answers]
      : answers;
  }

  #speaks(name: NodeName): boolean {
    const { holds, speaksUntilMs } = this.#nodes[name];
    return holds && this.#atMs < speaksUntilMs;
  }

  /** Two that claimed at the same instant have the same term; the first heartbeat that arrives ends it. */
  #check(): void {
    const { a, b } = this.#nodes;
    if (this.#speaks('a') && this.#speaks('b') && (a.state.term !== b.state.term || this.#isSettled)) {
      this.broken ??= this.#isSettled ? 'both go on answering' : 'both answer for the addresses';
    }
  }
}

function brokenIn({ nodes }: ModelWorld): string | undefined {
  return nodeNames.some((name) => !Number.isFinite(nodes[name].state.term))
    ? 'a term is no number'
    : undefined;
}

/** The world in which the search begins: one is active, and each has proved to the other that it lives. */
function foundPair(options: ModelOptions): ModelWorld {
  let world: ModelWorld = {
    atMs: 10_000,
    nodes: { a: unborn('a', options), b: unborn('b', options) },
    letters: [],
    faultsLeft: options.faultBudget,
  };
  const quanta = Math.ceil(options.settings.a.listenMs / options.settings.a.intervalMs) + 20;
  for (let count = 0; count < quanta; count += 1) {
    const turn = count === 0 ? 'start' : 'on';
    const { world: next, broken } = advance(world, { a: turn, b: turn }, [false, false], 0, options);
    if (broken !== undefined) {
      throw new Error(`the pair does not find itself: ${broken}`);
    }
    world = next;
  }
  return world;
}

function unborn(name: NodeName, { settings }: ModelOptions): ModelNode {
  return {
    condition: 'dead',
    state: initialState(settings[name]),
    holds: false,
    speaksUntilMs: 0,
    boot: 0,
    heardBoot: 0,
    provenBoot: 0,
  };
}

function macOf(name: NodeName): string {
  return `mac-${name}`;
}

/** What happened longer ago than this decides nothing any more. */
const forgottenMs = 1000;

/**
 * The world without its instant, without reasons, and with terms and lives by their rank. The faults that are
 * left are part of it: a poorer way must not hide a richer one.
 */
function keyOf({ atMs, nodes, letters, faultsLeft }: ModelWorld): string {
  const terms = rankOf([
    ...nodeNames.flatMap((name) => [nodes[name].state.term, nodes[name].state.peer?.advertisement.term ?? 0]),
    ...letters.map(({ advertisement }) => advertisement.term),
  ]);
  const boots = Object.fromEntries(
    nodeNames.map((name) => {
      const peer = nodes[otherNode(name)];
      const inLetters = letters.flatMap(({ to, boot, echoesBoot }) => (to === name ? [echoesBoot] : [boot]));
      return [name, rankOf([0, nodes[name].boot, peer.heardBoot, peer.provenBoot, ...inLetters])];
    }),
  );
  const bootOf = (name: NodeName, boot: number) => boots[name]?.get(boot) ?? 0;
  return JSON.stringify([
    faultsLeft,
    ...nodeNames.map((name) => {
      const { condition, state, holds, speaksUntilMs, boot, heardBoot, provenBoot } = nodes[name];
      const peer = otherNode(name);
      return [
        condition,
        holds && speaksUntilMs > atMs ? speaksUntilMs - atMs : holds,
        bootOf(name, boot),
        bootOf(peer, heardBoot),
        bootOf(peer, provenBoot),
        condition === 'dead' ? 0 : relative(state, atMs, terms),
      ];
    }),
    ...letters.map(({ to, advertisement, boot, echoesBoot }) => [
      to,
      relative(advertisement, atMs, terms),
      bootOf(otherNode(to), boot),
      bootOf(to, echoesBoot),
    ]),
  ]);
}

function rankOf(values: readonly number[]): ReadonlyMap<number, number> {
  const sorted = [...new Set(values)].sort((one, other) => one - other);
  return new Map(sorted.map((value, rank) => [value, rank]));
}

function relative(value: unknown, atMs: number, terms: ReadonlyMap<number, number>): unknown {
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  if (Array.isArray(value)) {
    return value.map((each) => relative(each, atMs, terms));
  }
  return Object.entries(value)
    .filter(([key]) => !decidesNothing.includes(key))
    .map(([key, each]) => {
      if (typeof each !== 'number') {
        return relative(each, atMs, terms);
      }
      if (key === 'term') {
        return terms.get(each);
      }
      return key.endsWith('Ms')
        ? Math.max(-forgottenMs, Math.min(forgottenMs, Math.round(each - atMs)))
        : each;
    });
}

/** Told, shown and counted, but never asked for in a decision; and announcements, which are for neighbours. */
const decidesNothing: readonly string[] = [
  'why',
  'startedAtMs',
  'announcedCount',
  'announceAtMs',
  'renewAtMs',
  'foreign',
  'foreignCount',
  'contestCount',
  'neighbors',
  'handoverCount',
  'macs',
  'beganAtMs',
];
