import { type Settings } from '../core/state.ts';
import { chooseFaults, describeFault, type Fault, makeWhole, plan } from './faults.ts';
import { type Violation, type Watcher, watchInvariants } from './invariants.ts';
import { type NodeName } from './network.ts';
import { createRandom, type Random } from './random.ts';
import { pairSettings } from './settings.ts';
import { createWorld, type World, type WorldOptions } from './world.ts';

/** A pair, and what goes wrong in it. Everything follows from the seed; the faults may be thinned out. */
export interface Scenario {
  readonly seed: number;
  readonly settings: Readonly<Record<NodeName, Settings>>;
  readonly latenessMs: number;
  readonly startMs: Readonly<Record<NodeName, number>>;
  readonly faults: readonly Fault[];
  /** From here on nothing goes wrong any more. */
  readonly wholeFromMs: number;
}

export interface Outcome {
  readonly violation: Violation | undefined;
  readonly seen: Watcher['seen'];
  readonly stepCount: number;
}

/** A core or a kernel that is wrong on purpose. */
export type Mutation = Pick<WorldOptions, 'step' | 'latches'>;

/** The faults begin when the pair has found itself. */
const faultsFromMs = 2500;
const faultsForMs = 4500;
const peaceMs = 1500;

export function scenarioOf(seed: number): Scenario {
  const random = createRandom(seed);
  const settings = chooseSettings(random);
  const scale = settings.a.deadMs / 300;
  const span = { fromMs: faultsFromMs, untilMs: faultsFromMs + faultsForMs * Math.min(scale, 2) };
  return {
    seed,
    settings,
    latenessMs: random.pick([0, 1, settings.a.intervalMs / 4]),
    startMs: { a: 0, b: random.pick([0, random.between(0, 20), random.between(0, 1500)]) },
    faults: chooseFaults(random, settings, span),
    wholeFromMs: span.untilMs,
  };
}

/**
 * The longest that a pair needs to be as it should when everything works again: both may have to start,
 * listen, and wait for a claim that failed and for one that the other had first.
 */
export function settlingMs({ listenMs, deadMs, intervalMs, failback }: Settings): number {
  const failbackMs = failback.kind === 'auto' ? failback.delayMs + 1000 : 0;
  return 1000 + 2 * listenMs + 2 * deadMs + 4 * intervalMs + failbackMs;
}

/** What has been as it should for so long stays so: no wait of a director is longer. */
function quietMs({ listenMs, deadMs, failback }: Settings): number {
  return 1000 + listenMs + deadMs + (failback.kind === 'auto' ? failback.delayMs : 0);
}

export function runScenario(scenario: Scenario, mutation: Mutation = {}): Outcome {
  const { seed, settings, latenessMs, faults, wholeFromMs, startMs } = scenario;
  const world = createWorld({ seed, settings, latenessMs, drift: 200e-6, chatterMs: 400, ...mutation });
  const worstLatenessMs = Math.max(
    latenessMs,
    ...faults.map(({ action }) => (action.kind === 'late' ? action.latenessMs : 0)),
  );
  const worstDelayMs = Math.max(
    0.2,
    ...faults.map(({ action }) => (action.kind === 'delay' ? action.delayMs + action.jitterMs : 0)),
  );
  const watcher = watchInvariants(world, { settings, latenessMs: worstLatenessMs, delayMs: worstDelayMs });
  let stepCount = 0;
  world.onStep(() => {
    stepCount += 1;
  });
  for (const name of ['a', 'b'] as const) {
    world.at(startMs[name], () => {
      world.start(name);
    });
  }
  for (const fault of faults) {
    plan(world, fault, settings);
  }
  const settledMs = wholeFromMs + settlingMs(settings.a);
  watcher.demandPeace(settledMs);
  world.at(wholeFromMs, () => {
    makeWhole(world, settings);
  });
  const crash = runOn(world, settledMs + peaceMs, () => {
    const { lastChangeMs, lastUnservedMs } = watcher.seen;
    const restlessMs = Math.max(wholeFromMs, lastChangeMs, lastUnservedMs);
    return watcher.violation() !== undefined || world.nowMs() - restlessMs >= quietMs(settings.a);
  });
  return { violation: crash ?? watcher.violation(), seen: watcher.seen, stepCount };
}

/** A core that throws is a finding like any other. */
function runOn(world: World, endMs: number, isEnough: () => boolean): Violation | undefined {
  try {
    for (let untilMs = 0; untilMs < endMs && !isEnough(); untilMs += 500) {
      world.runUntil(untilMs);
    }
    return undefined;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { invariant: 'crash', atMs: world.nowMs(), detail };
  }
}

/** Deletes faults and shortens them while the same invariant still breaks. */
export function shrink(scenario: Scenario, violation: Violation, mutation: Mutation = {}): Scenario {
  const breaks = (faults: readonly Fault[]) =>
    runScenario({ ...scenario, faults }, mutation).violation?.invariant === violation.invariant;
  let { faults } = scenario;
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false;
    for (const fault of faults) {
      const fewer = faults.filter((other) => other !== fault);
      if (breaks(fewer)) {
        faults = fewer;
        isSmaller = true;
      }
    }
  }
  return { ...scenario, faults };
}

/** What a person needs to see of a failure, the line that plays it again first. */
export function describeFailure(scenario: Scenario, { invariant, atMs, detail }: Violation): string {
  const { priority, failback, contested, paths, intervalMs, leaseMs, deadMs } = scenario.settings.a;
  return [
    `npm run simulate -- --seed ${scenario.seed}`,
    `  ${invariant} is broken at ${atMs.toFixed(1)} ms: ${detail}`,
    `  interval ${intervalMs}, lease ${leaseMs}, dead ${deadMs} ms; priorities ${priority} and ${scenario.settings.b.priority}; failback ${failback.kind}, contested ${contested.kind}, ${paths.length} paths`,
    `  starts at ${scenario.startMs.a} and ${scenario.startMs.b.toFixed(1)} ms, late by up to ${scenario.latenessMs} ms`,
    ...scenario.faults.map((fault) => `  ${describeFault(fault)}`),
  ].join('\n');
}

function chooseSettings(random: Random): Record<NodeName, Settings> {
  const times = random.pick([
    { intervalMs: 50, leaseMs: 200, deadMs: 300, listenMs: 1000, addressLifetimeSeconds: 3 },
    { intervalMs: 50, leaseMs: 200, deadMs: 300, listenMs: 1000, addressLifetimeSeconds: 3 },
    { intervalMs: 20, leaseMs: 110, deadMs: 160, listenMs: 1000, addressLifetimeSeconds: 3 },
    { intervalMs: 200, leaseMs: 1000, deadMs: 1500, listenMs: 1500, addressLifetimeSeconds: 3 },
  ]);
  const path = { name: 'upstream', interfaceName: 'eth0', address: '192.0.2.1', source: 'wire' } as const;
  const shared = {
    ...times,
    failback: random.pick<Settings['failback']>([
      { kind: 'manual' },
      { kind: 'manual' },
      { kind: 'auto', delayMs: 500 },
    ]),
    contested: random.pick<Settings['contested']>([
      { kind: 'wait' },
      { kind: 'wait' },
      { kind: 'claim-after', afterMs: random.between(0, 2000) },
    ]),
    paths: random.pick<Settings['paths']>([
      [],
      [],
      [{ ...path, isRequired: true, score: 0 }],
      [{ ...path, isRequired: false, score: random.pick([20, 60]) }],
      [
        { ...path, isRequired: true, score: 0 },
        { ...path, name: 'inside', interfaceName: 'eth1', address: '10.99.0.9', isRequired: true, score: 0 },
      ],
    ]),
    links: [
      { name: 'public', interfaceName: 'eth0' },
      ...(random.chance(0.9) ? [{ name: 'private', interfaceName: 'eth1' }] : []),
      ...(random.chance(0.4) ? [{ name: 'direct', interfaceName: 'eth2' }] : []),
    ],
  } as const;
  const { a, b } = pairSettings(shared);
  return { a, b: { ...b, priority: random.pick([100, 100, 150, 200]) } };
}
