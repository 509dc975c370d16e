/**
 * What a fault would do to a pair, played many times over with the fault at another moment of the heartbeats
 * each time: when the addresses move and why, or why they stay, and for how long nobody serves.
 */
import { explainWhy } from '../core/explain.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { type DirectorState, type Settings } from '../core/state.ts';
import { floatingInterfaces, tracksOf } from '../core/tracks.ts';
import { type NodeName, nodeNames, otherNode } from './network.ts';
import { createRandom } from './random.ts';
import { createWorld, type World } from './world.ts';

type PairSettings = Readonly<Record<NodeName, Settings>>;

export interface Drill {
  /** As the operator writes it, such as `port-silent:eth0`. */
  readonly name: string;
  /** What happens, as a clause. */
  readonly what: string;
  readonly strike: (world: World, active: NodeName) => void;
}

export interface DrillReport {
  readonly name: string;
  readonly what: string;
  /** Of the runs, how many moved the addresses. */
  readonly movedCount: number;
  readonly runCount: number;
  /** From the fault to the claim of the other director; undefined if it never claimed. */
  readonly movedAfterMs: Spread | undefined;
  /** How long nobody served all addresses where neighbours can reach it. */
  readonly unservedMs: Spread;
  /** In the end somebody serves, in every run. */
  readonly isServedInTheEnd: boolean;
  /** How long both answered for an address at the most. */
  readonly bothMs: number;
  /** Why they moved, or why not, of the median run. */
  readonly because: string;
}

export interface Spread {
  readonly median: number;
  readonly max: number;
}

/** Every drill of a pair, in the order in which they are played. */
export function drillsOf(settings: PairSettings): readonly Drill[] {
  const { links, paths } = settings.a;
  const ports = floatingInterfaces(settings.a).map((name, index) => ({ name, index }));
  const on = (node: NodeName, index: number) => floatingInterfaces(settings[node])[index] ?? '';
  return [
    drill('host-down', 'the host of the active director dies', (world, active) => {
      world.stopPower(active);
    }),
    drill('kill', 'the active daemon is killed', (world, active) => {
      world.kill(active);
    }),
    drill('freeze', 'the active daemon stops running but is not dead', (world, active) => {
      world.freeze(active);
    }),
    drill('stop', 'the active daemon is stopped (SIGTERM)', (world, active) => {
      world.stop(active);
    }),
    drill('failover', 'the operator asks for a failover', (world, active) => {
      world.command(active, { kind: 'failover', isForced: false });
    }),
    ...ports.flatMap(({ name, index }) => [
      drill(`no-carrier:${name}`, `${name} of the active director loses its carrier`, (world, active) => {
        world.setCarrier(active, on(active, index), false);
      }),
      drill(
        `port-silent:${name}`,
        `nothing passes on ${name} of the active director, with its carrier up`,
        (world, active) => {
          world.network.port(active, on(active, index)).silent = true;
        },
      ),
    ]),
    ...links.map(({ name }, index) =>
      drill(`link-down:${name}`, `the heartbeats of link ${name} are lost`, (world) => {
        cut(world, ['a', 'b'], [index]);
      }),
    ),
    drill('links-down', 'all heartbeats are lost, and nothing else', (world) => {
      cut(world, ['a', 'b'], [...links.keys()]);
    }),
    drill(
      'one-way',
      'the heartbeats of the active director are lost, those to it are not',
      (world, active) => {
        cut(world, [active], [...links.keys()]);
      },
    ),
    ...paths
      .filter(({ source }) => source === 'wire')
      .map(({ name, interfaceName, address }) =>
        drill(`target-down:${name}`, `${address} (${name}) dies`, (world) => {
          world.setNeighbor(interfaceName, false);
        }),
      ),
    drill('partition', 'nothing at all passes between the two, while both reach everybody else', (world) => {
      world.setPartition(true);
    }),
    drill('backup-down', 'the host of the backup dies', (world, active) => {
      world.stopPower(otherNode(active));
    }),
    drill('backup-cut-off', 'nothing passes on any port of the backup', (world, active) => {
      const backup = otherNode(active);
      for (const { interfaceName } of [...settings[backup].links, ...settings[backup].floating]) {
        world.network.port(backup, interfaceName).silent = true;
      }
    }),
  ];
}

/** The drills of these names; `all` is every one. */
export function chooseDrills(
  settings: PairSettings,
  names: readonly string[],
): Result<readonly Drill[], 'unknown-fault'> {
  const drills = drillsOf(settings);
  const chosen: Drill[] = [];
  for (const name of names) {
    const found = name === 'all' ? drills : drills.filter((known) => known.name === name);
    if (found.length === 0) {
      return fail(
        'unknown-fault',
        `no fault is called ${name}; there are ${[...drills.map((known) => known.name), 'all'].join(', ')}`,
      );
    }
    chosen.push(...found);
  }
  return ok(chosen);
}

/** Plays the drill `runCount` times; the same seed gives the same report. */
export function runDrill(
  settings: PairSettings,
  drill: Drill,
  { seed, runCount }: { readonly seed: number; readonly runCount: number },
): DrillReport {
  const runs = Array.from({ length: runCount }, (_, index) => playOnce(settings, drill, seed + index));
  const moved = runs.filter(({ movedAfterMs }) => movedAfterMs !== undefined);
  const isMoving = moved.length * 2 >= runs.length;
  const told = (isMoving ? moved : runs.filter((run) => !moved.includes(run))).toSorted(
    (one, other) => (one.movedAfterMs ?? 0) - (other.movedAfterMs ?? 0),
  );
  return {
    name: drill.name,
    what: drill.what,
    movedCount: moved.length,
    runCount,
    movedAfterMs: moved.length === 0 ? undefined : spread(moved.map((run) => run.movedAfterMs ?? 0)),
    unservedMs: spread(runs.map((run) => run.unservedMs)),
    isServedInTheEnd: runs.every((run) => run.isServedInTheEnd),
    bothMs: Math.max(...runs.map((run) => run.bothMs)),
    because: told[Math.floor((told.length - 1) / 2)]?.because ?? '',
  };
}

interface Run {
  readonly movedAfterMs: number | undefined;
  readonly unservedMs: number;
  readonly isServedInTheEnd: boolean;
  readonly bothMs: number;
  readonly because: string;
}

/** How late a daemon on a healthy host runs. */
const latenessMs = 1;

function playOnce(settings: PairSettings, drill: Drill, seed: number): Run {
  const world = createWorld({ seed, settings, latenessMs, chatterMs: 200 });
  const { listenMs, deadMs, intervalMs } = settings.a;
  const phaseMs = createRandom(seed).between(0, 4 * intervalMs);
  world.start('a');
  world.start('b');
  const strikeMs = listenMs + 2 * deadMs + 1000 + phaseMs;
  world.runUntil(strikeMs);
  const active = nodeNames.find((name) => world.state(name)?.office.role === 'active') ?? 'a';
  const other = otherNode(active);
  const seen = { movedMs: undefined as number | undefined, unservedMs: 0, bothMs: 0, because: '' };
  let lastMs = strikeMs;
  let overlapMs: number | undefined;
  world.onStep(({ node, before, after }) => {
    if (node === other && before.office.role !== 'active' && after.office.role === 'active') {
      seen.movedMs ??= world.nowMs();
      seen.because ||= explainWhy(after.why, settings[other]);
    }
  });
  world.onMoment(() => {
    const nowMs = world.nowMs();
    if (!nodeNames.some((name) => isOfUse(world, settings, name))) {
      seen.unservedMs += nowMs - lastMs;
    }
    lastMs = nowMs;
    overlapMs = world.speaks('a') && world.speaks('b') ? (overlapMs ?? nowMs) : undefined;
    seen.bothMs = Math.max(seen.bothMs, overlapMs === undefined ? 0 : nowMs - overlapMs);
  });
  drill.strike(world, active);
  world.runUntil(strikeMs + horizonMs(settings.a));
  return {
    movedAfterMs: seen.movedMs === undefined ? undefined : seen.movedMs - strikeMs,
    unservedMs: seen.unservedMs,
    isServedInTheEnd: nodeNames.some((name) => isOfUse(world, settings, name)),
    bothMs: seen.bothMs,
    because: seen.movedMs === undefined ? whyNothingMoves(world, settings, active) : seen.because,
  };
}

/** Until everything that a director waits for has come to its end. */
function horizonMs({ deadMs, gate, addressLifetimeSeconds, contested }: Settings): number {
  return (
    2000 +
    4 * deadMs +
    (gate === 'nftables' ? 0 : 1000 * addressLifetimeSeconds) +
    (contested.kind === 'wait' ? 0 : contested.afterMs)
  );
}

/** Does it serve every address where the neighbours can reach it? */
function isOfUse(world: World, settings: PairSettings, name: NodeName): boolean {
  return (
    world.serves(name) &&
    settings[name].floating.every(({ interfaceName }) => world.network.isPlugged(name, interfaceName))
  );
}

function whyNothingMoves(world: World, settings: PairSettings, active: NodeName): string {
  const other = otherNode(active);
  const { nodeName, peerName, deadMs } = settings[other];
  const own = world.state(active);
  const backup = world.state(other);
  if (backup === undefined) {
    return `${peerName} is active and stays so`;
  }
  const { office, links } = backup;
  const heard = settings[other].links
    .filter((_, index) => isFresh(links[index]?.heardAtMs, world.localMs(other), deadMs))
    .map(({ name }) => name);
  if (office.role === 'backup' && office.contestedAtMs !== undefined) {
    return `${peerName} is silent but still answers for the addresses, so it lives (contested)`;
  }
  const lost = own === undefined ? [] : lostTracks(own, settings[active]);
  if (lost.length > 0 && heard.length > 0) {
    const isBoth = lost.every((name) => lostTracks(backup, settings[other]).includes(name));
    return isBoth
      ? `both have lost ${lost.join(', ')}`
      : `${nodeName} is no better placed: it has lost ${lostTracks(backup, settings[other]).join(', ')}`;
  }
  if (heard.length > 0) {
    return `${peerName} is heard on ${heard.join(', ')} and nothing that is watched is lost there`;
  }
  return `${nodeName} hears nobody and reaches nobody, so it is cut off itself`;
}

function isFresh(heardAtMs: number | undefined, nowMs: number, deadMs: number): boolean {
  return heardAtMs !== undefined && nowMs - heardAtMs < deadMs;
}

function lostTracks(state: DirectorState, settings: Settings): readonly string[] {
  return tracksOf(state, settings)
    .filter(({ isOk }) => !isOk)
    .map(({ name }) => name);
}

function drill(name: string, what: string, strike: Drill['strike']): Drill {
  return { name, what, strike };
}

function cut(world: World, from: readonly NodeName[], links: readonly number[]): void {
  for (const name of from) {
    for (const link of links) {
      world.network.wire(name, link).cut = true;
    }
  }
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other);
  return { median: sorted[Math.floor((sorted.length - 1) / 2)] ?? 0, max: sorted.at(-1) ?? 0 };
}
