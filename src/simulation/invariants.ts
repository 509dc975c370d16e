/**
 * What must hold in every world, whatever goes wrong in it.
 *
 * Two kernels may both answer for an address only where the design says so, and these are all such cases:
 *
 * - *hand-over*: the new owner goes first. The old one goes when it hears so: as long as a datagram takes,
 *   or, when that is lost, until the next heartbeat or the new owner's announcement is heard.
 * - *isolation*: on no floating interface does one reach the other, so neither can ask the wire.
 * - *contest-timeout*: the operator configured `contested: claim after`.
 * - *suspend*: the host slept and its clock with it, so its lease did not end.
 * - *pause*: the host did not run, for less than its lease, and so looked dead; over with the lease at the latest.
 * - *flushed gate*: somebody flushed the ruleset of a host whose director does not run to put it back.
 *
 * But for the pause, each is excused only until both directors run and hear each other and had time to settle it.
 */
import { step } from '../core/director.ts';
import { explain } from '../core/explain.ts';
import { type Settings } from '../core/state.ts';
import { type NodeName, nodeNames, otherNode } from './network.ts';
import { type World, type WorldStep } from './world.ts';

export type Invariant =
  | 'one-owner'
  | 'no-claim-from-a-live-owner'
  | 'all-or-nothing'
  | 'available'
  | 'no-flapping'
  | 'neighbors-know'
  | 'terms-rise'
  | 'explained'
  | 'maintenance'
  | 'crash';

export interface Violation {
  readonly invariant: Invariant;
  readonly atMs: number;
  readonly detail: string;
}

export interface Watcher {
  violation(): Violation | undefined;
  /** The faults are over: from `settledMs` on somebody serves and nothing moves. */
  demandPeace(settledMs: number): void;
  /** The longest that both answered, and when somebody served at last. */
  readonly seen: { longestOverlapMs: number; lastChangeMs: number; lastUnservedMs: number; overlaps: number };
}

export interface WatchOptions {
  readonly settings: Readonly<Record<NodeName, Settings>>;
  /** The worst that the scenario does to a process or a datagram when it is not held up altogether. */
  readonly latenessMs: number;
  readonly delayMs: number;
}

/** A director that asked to be relieved waits so long; see handover.ts. */
const patienceMs = 1000;
const convergenceMs = 2000;
/** What may last is looked at so often. */
const lookGapMs = 10;

export function watchInvariants(world: World, options: WatchOptions): Watcher {
  const { settings, latenessMs, delayMs } = options;
  const { intervalMs, deadMs, leaseMs } = settings.a;
  /** Time enough for two that hear each other to settle who stays, also for one that is deaf. */
  const settleMs = Math.max(deadMs, patienceMs) + deadMs + 4 * intervalMs + delayMs + latenessMs;
  const soonMs = 2 * intervalMs + delayMs + latenessMs;
  const floating = settings.a.floating.map((_, index) => index);
  const seen = { longestOverlapMs: 0, lastChangeMs: 0, lastUnservedMs: 0, overlaps: 0 };
  let violation: Violation | undefined;
  let lookedAtMs = 0;
  /** One may have announced itself where the other could not hear it, and has not been heard since. */
  let isUnsettled = false;
  let unsettledMs = 0;
  let peaceFromMs = Number.POSITIVE_INFINITY;
  let excusedUntilMs = 0;
  let overlap:
    | { readonly sinceMs: number; heldUpMs: number; wasHeldUp: boolean; readonly isHandover: boolean }
    | undefined;
  const partialSinceMs: Record<NodeName, number | undefined> = { a: undefined, b: undefined };
  const heldUpMs: Record<NodeName, number> = { a: 0, b: 0 };
  /** Who alone answers for each address and since when, and whether the neighbours could be told so. */
  const owners = floating.map((): { holder: NodeName | undefined; sinceMs: number; isTold: boolean } => ({
    holder: undefined,
    sinceMs: 0,
    isTold: true,
  }));

  function report(invariant: Invariant, detail: string): void {
    violation ??= { invariant, atMs: world.nowMs(), detail };
  }

  function interfaceOf(name: NodeName, index: number): string {
    return settings[name].floating[index]?.interfaceName ?? '';
  }

  /** Does the node answer for the address where others can hear it? */
  function isHeardFor(name: NodeName, index: number): boolean {
    return world.speaks(name, index) && world.network.isPlugged(name, interfaceOf(name, index));
  }

  function isIsolated(): boolean {
    return floating.every((index) => !world.network.meets('a', interfaceOf('a', index)));
  }

  /** Would a heartbeat of this node arrive and be read now, without luck? */
  function isAudible(from: NodeName): boolean {
    return (
      world.isRunning('a') &&
      world.isRunning('b') &&
      settings[from].links.some(({ interfaceName }, link) => {
        const { cut, loss } = world.network.wire(from, link);
        return !cut && loss === 0 && world.network.meets(from, interfaceName);
      })
    );
  }

  function excuse(): void {
    const nowMs = world.nowMs();
    const isAsleep = nodeNames.some((name) => world.isAsleep(name));
    const isOpen = nodeNames.some((name) => world.kernel(name).isFlushed());
    if (isIsolated() || isAsleep || isOpen) {
      excusedUntilMs = nowMs + settleMs;
    } else if (nodeNames.some((name) => world.isPaused(name))) {
      excusedUntilMs = Math.max(excusedUntilMs, nowMs + leaseMs);
    } else if (overlap !== undefined && nowMs < excusedUntilMs && !(isAudible('a') || isAudible('b'))) {
      excusedUntilMs = nowMs + settleMs;
    }
  }

  function checkOwners(): void {
    const nowMs = world.nowMs();
    const both = floating.find((index) => isHeardFor('a', index) && isHeardFor('b', index));
    if (both === undefined) {
      overlap = undefined;
      return;
    }
    if (overlap === undefined) {
      seen.overlaps += 1;
      overlap = { sinceMs: nowMs, heldUpMs: nowMs, wasHeldUp: false, isHandover: newOwner() !== undefined };
    }
    const owner = newOwner();
    if (overlap.isHandover && owner !== undefined && !isAudible(owner)) {
      overlap.heldUpMs = nowMs;
      overlap.wasHeldUp = true;
    }
    if (nowMs < excusedUntilMs) {
      return;
    }
    // Told as what is left when the excuses are taken off: an overlap may have begun under one.
    const unexcusedSinceMs = Math.max(overlap.sinceMs, overlap.heldUpMs, excusedUntilMs);
    seen.longestOverlapMs = Math.max(seen.longestOverlapMs, nowMs - unexcusedSinceMs);
    const allowedMs = overlap.wasHeldUp ? soonMs : delayMs + latenessMs + 1;
    if (!overlap.isHandover || nowMs - overlap.heldUpMs > allowedMs) {
      report(
        'one-owner',
        `both answer for ${settings.a.floating[both]?.address ?? ''} for ${(nowMs - overlap.sinceMs).toFixed(1)} ms${overlap.isHandover ? ' in a hand-over' : ''}`,
      );
    }
  }

  /** The one that just took over on request: its claim is the later one. */
  function newOwner(): NodeName | undefined {
    const [a, b] = [world.state('a'), world.state('b')];
    const isNew = (own: typeof a, other: typeof b) =>
      own?.office.role === 'active' && own.why.kind === 'handover-taken' && own.term >= (other?.term ?? 0);
    return isNew(a, b) ? 'a' : isNew(b, a) ? 'b' : undefined;
  }

  function checkPartial(): void {
    for (const name of nodeNames) {
      const count = floating.filter((index) => world.speaks(name, index)).length;
      if (count === 0 || count === floating.length || world.kernel(name).isFlushed()) {
        partialSinceMs[name] = undefined;
        continue;
      }
      partialSinceMs[name] ??= world.nowMs();
      if (world.nowMs() - partialSinceMs[name] > leaseMs + soonMs) {
        report('all-or-nothing', `${name} answers for ${count} of ${floating.length} addresses`);
      }
    }
  }

  function checkPeace(): void {
    const nowMs = world.nowMs();
    const isServed = nodeNames.some(
      (name) => world.serves(name) && floating.every((index) => isHeardFor(name, index)),
    );
    if (!isServed) {
      seen.lastUnservedMs = nowMs;
      if (nowMs >= peaceFromMs) {
        report('available', 'nobody serves the addresses although nothing is wrong any more');
      }
    }
  }

  function noteOwners(): void {
    for (const [index, owner] of owners.entries()) {
      const a = isHeardFor('a', index);
      const holder = a === isHeardFor('b', index) ? undefined : a ? 'a' : 'b';
      if (owner.holder !== holder) {
        owner.holder = holder;
        owner.sinceMs = world.nowMs();
      }
      if (nodeNames.some((name) => world.speaks(name, index) && isBlind(name, index))) {
        owner.isTold = false;
      }
    }
  }

  /** Nothing passes and nothing tells so: no carrier that goes, no path that is lost there. */
  function isBlind(name: NodeName, index: number): boolean {
    const interfaceName = interfaceOf(name, index);
    return (
      world.network.port(name, interfaceName).silent &&
      !settings[name].paths.some((path) => path.interfaceName === interfaceName)
    );
  }

  function noteAnnouncement(node: NodeName): void {
    for (const [index, owner] of owners.entries()) {
      if (owner.holder !== node) {
        owner.sinceMs = world.nowMs();
      } else if (isHeardFor(node, index)) {
        owner.isTold = true;
      }
    }
  }

  function checkNeighbors(): void {
    const nowMs = world.nowMs();
    for (const [index, { holder, sinceMs, isTold }] of owners.entries()) {
      if (holder === undefined || !isTold) {
        continue;
      }
      const ranSinceMs = Math.max(sinceMs, heldUpMs[holder], unsettledMs);
      for (const { at, answers, wholeSinceMs, cache } of world.network.neighbors) {
        if (
          at.a.interfaceName === interfaceOf('a', index) &&
          answers &&
          nowMs - Math.max(ranSinceMs, wholeSinceMs) > convergenceMs + latenessMs &&
          (cache.get(index) ?? holder) !== holder
        ) {
          report(
            'neighbors-know',
            `${at.a.address} sends to ${cache.get(index) ?? 'nobody'} what ${holder} owns`,
          );
        }
      }
    }
  }

  function checkStep({ node, before, after, event, atMs }: WorldStep): void {
    const nowMs = world.nowMs();
    if (after.term < before.term) {
      report('terms-rise', `${node} went from term ${before.term} to ${after.term}`);
    }
    if (before.isMaintenance && !after.isMaintenance && event.kind !== 'command') {
      report('maintenance', `${node} forgot that it was put in maintenance`);
    }
    if (before.office.role === after.office.role) {
      return;
    }
    seen.lastChangeMs = nowMs;
    if (nowMs >= peaceFromMs) {
      report(
        'no-flapping',
        `${node} went from ${before.office.role} to ${after.office.role} although nothing is wrong any more`,
      );
    }
    checkRecord({ node, before, after, event });
    // One that stalled with the claim at hand is told by `one-owner`.
    if (after.office.role === 'claiming' && nowMs === atMs) {
      checkClaim(node, after.isMaintenance, after.office.why);
    }
  }

  function checkClaim(node: NodeName, isMaintenance: boolean, why: WorldStep['after']['why']): void {
    if (why.kind === 'handover-taken') {
      if (isMaintenance && !why.isForced) {
        report('maintenance', `${node} takes over in maintenance without force`);
      }
      return;
    }
    if (isMaintenance) {
      report('maintenance', `${node} claims in maintenance: ${why.kind}`);
    }
    if (why.kind === 'contest-timeout') {
      excusedUntilMs = world.nowMs() + settleMs;
      return;
    }
    const peer = otherNode(node);
    const answered = floating.some(
      (index) => world.speaks(peer, index) && world.network.meets(node, interfaceOf(node, index)),
    );
    if (answered && world.nowMs() >= excusedUntilMs) {
      report('no-claim-from-a-live-owner', `${node} claims (${why.kind}) what ${peer} answers for`);
    }
  }

  /** A record that went through JSON makes the same step again, and a sentence. */
  function checkRecord({
    node,
    before,
    after,
    event,
  }: Pick<WorldStep, 'node' | 'before' | 'after' | 'event'>): void {
    const record = { event, before, after, effects: [], number: 0, wallMs: 0 };
    const sentence = explain(record, settings[node]);
    if (sentence === '' || sentence === 'Nothing changed.') {
      report('explained', `no sentence for ${before.office.role} to ${after.office.role} of ${node}`);
    }
    const kept = JSON.parse(JSON.stringify({ before, event })) as Pick<WorldStep, 'before' | 'event'>;
    const [again] = step(kept.before, kept.event, settings[node]);
    if (!isSame(again, after)) {
      report(
        'explained',
        `the record of ${before.office.role} to ${after.office.role} of ${node} does not replay`,
      );
    }
  }

  world.onStep((worldStep) => {
    if (worldStep.effects.some(({ kind }) => kind === 'announce')) {
      noteAnnouncement(worldStep.node);
    }
    checkStep(worldStep);
  });
  world.onMoment(() => {
    for (const name of nodeNames) {
      if (!world.isRunning(name)) {
        heldUpMs[name] = world.nowMs();
      }
    }
    excuse();
    checkOwners();
    checkPeace();
    isUnsettled = isIsolated() || (isUnsettled && !(isAudible('a') && isAudible('b')));
    if (isUnsettled) {
      unsettledMs = world.nowMs();
    }
    noteOwners();
    if (world.nowMs() - lookedAtMs >= lookGapMs) {
      lookedAtMs = world.nowMs();
      checkPartial();
      checkNeighbors();
    }
  });
  return {
    seen,
    violation: () => violation,
    demandPeace(settledMs) {
      peaceFromMs = settledMs;
    },
  };
}

/** Alike in everything that JSON keeps. */
function isSame(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) {
    return one === other;
  }
  const [left, right] = [new Map(Object.entries(one)), new Map(Object.entries(other))];
  return [...new Set([...left.keys(), ...right.keys()])].every((key) =>
    isSame(left.get(key), right.get(key)),
  );
}
