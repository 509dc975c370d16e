/** A world of the model (`model.ts`), and what one quantum of time makes of it. */
import { initialState, nextDeadlineMs, step as productionStep } from '../core/director.ts';
import {
  type Advertisement,
  type DirectorEffect,
  type DirectorEvent,
  type DirectorState,
  type Settings,
} from '../core/state.ts';
import { type NodeName, nodeNames, otherNode } from './network.ts';

/** By what the world goes. */
export interface Rules {
  readonly settings: Readonly<Record<NodeName, Settings>>;
  /** A core, or a kernel, that is wrong on purpose. */
  readonly step?: typeof productionStep;
  readonly latches?: boolean;
}

type Condition = 'runs' | 'frozen' | 'dead';

export interface ModelNode {
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

export interface Letter {
  readonly to: NodeName;
  readonly advertisement: Advertisement;
  readonly boot: number;
  readonly echoesBoot: number;
}

export interface ModelWorld {
  readonly atMs: number;
  readonly nodes: Readonly<Record<NodeName, ModelNode>>;
  readonly letters: readonly Letter[];
  readonly faultsLeft: number;
}

export type Turn = 'on' | 'freeze' | 'thaw' | 'kill' | 'start' | 'late';

/** A world in the making: within a quantum the nodes change in place. */
export class Quantum {
  readonly #options: Rules;
  readonly #nodes: Record<NodeName, ModelNode>;
  readonly #letters: Letter[] = [];
  #atMs: number;
  readonly #wasBoth: boolean;
  #isSettled = false;
  broken: string | undefined;

  constructor(world: ModelWorld, options: Rules) {
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

function macOf(name: NodeName): string {
  return `mac-${name}`;
}
