import { trackKind } from '../core/paths.ts';
import { type Settings, type Why } from '../core/state.ts';
import { floatingInterfaces } from '../core/tracks.ts';
import { type NodeName, otherNode } from './network.ts';
import { createWorld, type World } from './world.ts';

/**
 * What single failures of the active director would do, found out by letting them happen to the production
 * core. A position counts in the settings, where both nodes have the same order.
 */
export type SingleFailure =
  | { readonly kind: 'host' }
  | { readonly kind: 'killed' }
  | { readonly kind: 'frozen' }
  /** The interface of floating addresses loses its carrier, or keeps it and passes nothing. */
  | { readonly kind: 'carrier' | 'silent'; readonly index: number }
  /** Its heartbeats pass in neither direction. */
  | { readonly kind: 'link'; readonly index: number }
  /** The active cannot reach what the other reaches still. */
  | { readonly kind: 'path' | 'script' | 'service'; readonly index: number };

/** Of what is watched besides carriers; its position is that in `Settings.paths`. */
export type TrackFailure = Extract<SingleFailure, { kind: 'path' | 'script' | 'service' }>;

export function isTrackFailure(failure: { readonly kind: SingleFailure['kind'] }): failure is TrackFailure {
  return failure.kind === 'path' || failure.kind === 'script' || failure.kind === 'service';
}

export interface Rehearsed {
  readonly failure: SingleFailure;
  /** Whom it happened to. */
  readonly active: NodeName;
  /** Until the other answers for the addresses, counted from when the core learns of it; undefined if it never does. */
  readonly movedAfterMs: number | undefined;
  /** Why the other took over. */
  readonly why: Why | undefined;
  /** In the end both answer for the addresses. */
  readonly isSplit: boolean;
  /** The other waits, because the silent one still answers. */
  readonly isContested: boolean;
}

/** Every single failure, with either director in office. */
export function rehearse(settings: Readonly<Record<NodeName, Settings>>): readonly Rehearsed[] {
  return singleFailures(settings.a).flatMap((failure) =>
    (['a', 'b'] as const).map((active) => rehearseOne(settings, failure, active)),
  );
}

export function singleFailures(settings: Settings): readonly SingleFailure[] {
  return [
    { kind: 'host' },
    { kind: 'killed' },
    { kind: 'frozen' },
    ...floatingInterfaces(settings).flatMap((_, index) => [
      { kind: 'carrier', index } as const,
      { kind: 'silent', index } as const,
    ]),
    ...settings.links.map((_, index) => ({ kind: 'link', index }) as const),
    ...settings.paths.map((path, index) => ({ kind: trackKind(path), index }) as const),
  ];
}

/** Nobody waits for what only takes long: it is counted, and added afterwards. */
const longestLifetimeSeconds = 3;
const longestContestMs = 500;

function rehearseOne(
  settings: Readonly<Record<NodeName, Settings>>,
  failure: SingleFailure,
  active: NodeName,
): Rehearsed {
  const short = { a: shortened(settings.a), b: shortened(settings.b) };
  const world = createWorld({ seed: 1, settings: short });
  const other = otherNode(active);
  const own = settings[active];
  settle(world, short, active);
  let why: Why | undefined;
  world.onStep(({ node, before, after }) => {
    if (node === other && after.office.role === 'active' && before.office.role !== 'active') {
      why = after.why;
    }
  });
  const failedMs = world.nowMs();
  fail(world, settings[active], failure, active);
  const movedMs = runUntilMoved(world, short[active], other);
  const office = world.state(other)?.office;
  return {
    failure,
    active,
    why,
    movedAfterMs:
      movedMs === undefined
        ? undefined
        : // It may happen right after a heartbeat, and is noticed one later.
          movedMs - failedMs + own.intervalMs + leftOutMs(own, short[active], failure, why),
    isSplit: own.floating.some(
      (_, index) => isHeard(world, settings, active, index) && isHeard(world, settings, other, index),
    ),
    isContested: office?.role === 'backup' && office.contestedAtMs !== undefined,
  };
}

/** Does the node answer for the floating address where anybody can hear it? */
function isHeard(
  world: World,
  settings: Readonly<Record<NodeName, Settings>>,
  name: NodeName,
  index: number,
): boolean {
  const interfaceName = settings[name].floating[index]?.interfaceName;
  return (
    interfaceName !== undefined && world.network.isPlugged(name, interfaceName) && world.speaks(name, index)
  );
}

function shortened(settings: Settings): Settings {
  const { contested, addressLifetimeSeconds, deadMs } = settings;
  return {
    ...settings,
    // It shall not come back during the rehearsal, nor listen longer than it must.
    failback: { kind: 'manual' },
    listenMs: deadMs,
    addressLifetimeSeconds: Math.min(addressLifetimeSeconds, longestLifetimeSeconds),
    contested:
      contested.kind === 'wait'
        ? contested
        : { kind: 'claim-after', afterMs: Math.min(contested.afterMs, longestContestMs) },
    paths: settings.paths.map((path) => ({ ...path, peerLagMs: 0 })),
  };
}

/** What the shortening left out, for a failure that had to wait for it. */
function leftOutMs(own: Settings, short: Settings, failure: SingleFailure, why: Why | undefined): number {
  if (isTrackFailure(failure)) {
    return own.paths[failure.index]?.peerLagMs ?? 0;
  }
  if (why?.kind === 'contest-timeout') {
    return own.contested.kind === 'claim-after' && short.contested.kind === 'claim-after'
      ? own.contested.afterMs - short.contested.afterMs
      : 0;
  }
  const outlivesItsDaemon = failure.kind === 'killed' || failure.kind === 'frozen';
  return outlivesItsDaemon && own.gate === 'address'
    ? 1000 * (own.addressLifetimeSeconds - short.addressLifetimeSeconds)
    : 0;
}

/** `active` comes first, the other when that is in office, until each has proved to the other that it lives. */
function settle(world: World, settings: Readonly<Record<NodeName, Settings>>, active: NodeName): void {
  const { deadMs, intervalMs } = settings.a;
  const limitMs = 20 * deadMs + 100 * intervalMs;
  const other = otherNode(active);
  const until = (holds: () => boolean) => {
    while (!holds()) {
      if (world.nowMs() > limitMs) {
        throw new Error('the pair of the rehearsal does not find itself');
      }
      world.runUntil(world.nowMs() + intervalMs);
    }
  };
  world.start(active);
  until(() => world.state(active)?.office.role === 'active');
  world.start(other);
  until(
    () =>
      world.state(other)?.office.role === 'backup' &&
      world.state(other)?.peer?.isProven === true &&
      world.state(active)?.peer?.isProven === true,
  );
  // What was heard on one link only is heard on all by now.
  world.runUntil(world.nowMs() + 3 * intervalMs);
}

function fail(world: World, settings: Settings, failure: SingleFailure, active: NodeName): void {
  switch (failure.kind) {
    case 'host':
      world.stopPower(active);
      return;
    case 'killed':
      world.kill(active);
      return;
    case 'frozen':
      world.freeze(active);
      return;
    case 'carrier':
      world.setCarrier(active, floatingInterfaces(settings)[failure.index] ?? '', false);
      return;
    case 'silent':
      world.network.port(active, floatingInterfaces(settings)[failure.index] ?? '').silent = true;
      return;
    case 'link':
      world.network.wire('a', failure.index).cut = true;
      world.network.wire('b', failure.index).cut = true;
      return;
    case 'script':
    case 'service':
      world.report(active, failure.index, false);
      return;
    case 'path': {
      const path = settings.paths[failure.index];
      if (path?.source === 'wire') {
        world.setWay(active, path, false);
      } else {
        world.report(active, failure.index, false);
      }
    }
  }
}

/** The instant at which the other first answers; it is given time to think better of it. */
function runUntilMoved(
  world: World,
  { deadMs, intervalMs, gate, addressLifetimeSeconds, contested }: Settings,
  other: NodeName,
): number | undefined {
  const patienceMs =
    4 * deadMs +
    10 * intervalMs +
    (gate === 'nftables' ? 0 : 1000 * addressLifetimeSeconds) +
    (contested.kind === 'wait' ? 0 : contested.afterMs);
  const untilMs = world.nowMs() + patienceMs;
  let movedMs: number | undefined;
  world.onMoment(() => {
    if (movedMs === undefined && world.speaks(other)) {
      movedMs = world.nowMs();
    }
  });
  while (world.nowMs() < untilMs && movedMs === undefined) {
    world.runUntil(world.nowMs() + intervalMs);
  }
  world.runUntil(world.nowMs() + 4 * intervalMs);
  return movedMs === undefined || !world.speaks(other) ? undefined : movedMs;
}
