import { explain } from '../../src/core/explain.ts';
import { type DirectorEffect, type Office, type Settings } from '../../src/core/state.ts';
import { type NodeName, nodeNames } from '../../src/simulation/network.ts';
import { pairSettings } from '../../src/simulation/settings.ts';
import { createWorld, type World, type WorldStep } from '../../src/simulation/world.ts';

/**
 * Plays a scenario that is written as commands, one a line, and writes down what happens: who changes
 * office and why, and every effect but the heartbeats and the renewals, which would bury the rest.
 */
export function play(commands: readonly string[], overrides: Partial<Settings> = {}): string {
  const settings = pairSettings(overrides);
  const world = createWorld({ seed: 1, settings });
  const lines: string[] = [];
  let answering = '';
  world.onStep((step) => {
    lines.push(...describe(step, settings[step.node]));
  });
  world.onMoment(() => {
    const now = nodeNames.filter((name) => world.speaks(name)).join('+');
    if (now !== answering) {
      lines.push(`${stamp(world.nowMs())}    ${now === '' ? 'nobody' : now} answers for the addresses`);
      answering = now;
    }
  });
  for (const command of commands) {
    execute(world, command);
  }
  return lines.length === 0 ? '(quiet)' : lines.join('\n');
}

function describe(step: WorldStep, settings: Settings): string[] {
  const { before, after, effects, event } = step;
  const wanted = effects
    .filter(({ kind }) => kind !== 'advertise' && kind !== 'renew' && kind !== 'probe')
    .map(nameOf);
  const role =
    shown(before.office) === shown(after.office) ? '' : `${shown(before.office)} -> ${shown(after.office)}`;
  const isNews =
    role !== '' ||
    event.kind === 'carrier' ||
    after.contestCount !== before.contestCount ||
    after.foreignCount !== before.foreignCount ||
    after.paths.some(({ isUp }, index) => isUp !== before.paths[index]?.isUp);
  if (!isNews && wanted.length === 0) {
    return [];
  }
  const head = [stamp(step.atMs), step.node, role, wanted.join(', ')]
    .filter((part) => part !== '')
    .join('  ');
  const why = !isNews
    ? []
    : [`             ${explain({ event, before, after, effects, number: 0, wallMs: 0 }, settings)}`];
  return [head, ...why];
}

function shown(office: Office): string {
  return office.role;
}

function nameOf(effect: DirectorEffect): string {
  if (effect.kind !== 'answer') {
    return effect.kind;
  }
  const { outcome } = effect;
  if (outcome.ok) {
    return `answer ${outcome.isChanged ? 'done' : 'already so'}`;
  }
  return `answer ${outcome.reason}${outcome.refusal === undefined ? '' : ` (${outcome.refusal})`}`;
}

function stamp(atMs: number): string {
  return atMs.toFixed(1).padStart(9);
}

/** The commands of a scenario. `link` counts from 0; without it a cut takes all links of that direction. */
function execute(world: World, command: string): void {
  const [verb = '', first = '', second = '', third = ''] = command.trim().split(/\s+/);
  const isForced = [second, third].includes('force');
  switch (verb) {
    case 'run':
      world.runUntil(world.nowMs() + Number(first));
      return;
    case 'start':
      world.start(nodeNamed(first));
      return;
    case 'kill':
      world.kill(nodeNamed(first));
      return;
    case 'stop-power':
      world.stopPower(nodeNamed(first));
      return;
    case 'freeze':
      world.freeze(nodeNamed(first));
      return;
    case 'thaw':
      world.thaw(nodeNamed(first));
      return;
    case 'pause':
    case 'suspend':
      world.pause(nodeNamed(first), verb === 'suspend');
      return;
    case 'resume':
      world.resume(nodeNamed(first));
      return;
    case 'stall':
      world.stall(nodeNamed(first), effectNamed(second), Number(third));
      return;
    case 'flush-gate':
      world.flushGate(nodeNamed(first));
      return;
    case 'stop':
      world.stop(nodeNamed(first));
      return;
    case 'cut':
    case 'heal':
      for (const link of second === '' ? [0, 1] : [Number(second)]) {
        world.network.wire(nodeNamed(first), link).cut = verb === 'cut';
      }
      return;
    case 'partition':
      world.setPartition(first === 'on');
      return;
    case 'port':
      world.network.port(nodeNamed(first), second).silent = third === 'silent';
      return;
    case 'carrier':
      world.setCarrier(nodeNamed(first), second, third === 'up');
      return;
    case 'neighbor':
      world.setNeighbor(first, second === 'answers');
      return;
    case 'failover':
      world.command(nodeNamed(first), { kind: 'failover', isForced });
      return;
    case 'take-over':
      world.command(nodeNamed(first), { kind: 'take-over' });
      return;
    case 'maintenance':
      world.command(nodeNamed(first), { kind: 'maintenance', isOn: second === 'on', isForced });
      return;
    case 'claims':
      world.failClaims(nodeNamed(first), second === 'fail');
      return;
    case 'lose-address':
      world.loseAddress(nodeNamed(first), 0);
      return;
    default:
      throw new Error(`a scenario has no command "${command}"`);
  }
}

const effects = ['advertise', 'claim', 'mute', 'release', 'announce'] as const;

function effectNamed(text: string): DirectorEffect['kind'] {
  const known = effects.find((kind) => kind === text);
  if (known === undefined) {
    throw new Error(`a scenario cannot stall before "${text}"`);
  }
  return known;
}

function nodeNamed(text: string): NodeName {
  if (text !== 'a' && text !== 'b') {
    throw new Error(`a scenario has no node "${text}"`);
  }
  return text;
}
