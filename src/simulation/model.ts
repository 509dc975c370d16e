/**
 * Every world there is, to a depth: two directors whose time goes by in steps of one interval, and in each
 * step everything that may happen to them in every combination, instead of one drawn by chance.
 *
 * What is abstracted: clocks run alike and time comes in quanta, within which each director that runs acts on
 * all that is due; a heartbeat arrives at the end of its quantum, on one link, or never; the wire answers at
 * once whoever asks, unless the host is down. What is real is the core, with all its waits. Two worlds
 * that differ only in when they are, in the size of terms or in what is forgotten are one.
 */
import { initialState } from '../core/director.ts';
import { keyOf } from './model-key.ts';
import { type NodeName, nodeNames } from './network.ts';
import { type ModelNode, type ModelWorld, Quantum, type Rules, type Turn } from './quantum.ts';

export interface ModelOptions extends Rules {
  /** How many quanta after the pair has found itself. */
  readonly depth: number;
  /** How many things may go wrong on a way: processes that die, freeze, start or thaw, heartbeats that are lost. */
  readonly faultBudget: number;
  /** Goes this way only, as told by a violation. */
  readonly way?: readonly string[];
}

export interface ModelReport {
  readonly stateCount: number;
  readonly transitionCount: number;
  /** The way to the first world that breaks what must hold. */
  readonly violation: { readonly what: string; readonly way: readonly string[] } | undefined;
}

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
