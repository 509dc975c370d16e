/** When two worlds of the model are one. */
import { nodeNames, type NodeName, otherNode } from './network.ts';
import { type ModelWorld } from './quantum.ts';

/** What happened longer ago than this decides nothing any more. */
const forgottenMs = 1000;

/**
 * The world without its instant, without reasons, and with terms and lives by their rank. The faults that are
 * left are part of it: a poorer way must not hide a richer one.
 */
export function keyOf({ atMs, nodes, letters, faultsLeft }: ModelWorld): string {
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
