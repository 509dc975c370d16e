import { type Problem } from './draft.ts';
import { type PerNode } from './schema.ts';
import { suggest } from './suggest.ts';

/** A map of node names must name both nodes and no other. */
export function perNodeProblems(
  value: PerNode | undefined,
  path: readonly PropertyKey[],
  nodeNames: readonly string[],
): Problem[] {
  if (value === undefined || typeof value === 'string' || nodeNames.length !== 2) {
    return [];
  }
  const unknown = Object.keys(value).filter((name) => !nodeNames.includes(name));
  const missing = nodeNames.filter((name) => !(name in value));
  return [
    ...unknown.map((name): Problem => ({
      path,
      key: { name, state: 'wrong' },
      message: 'is not a node',
      suggestion: suggest(name, missing),
    })),
    ...missing.map((name): Problem => ({ path, message: `has no value for the node ${name}` })),
  ];
}

/** Names, addresses and the like that stand twice: one problem for each after the first. */
export function duplicates<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string | undefined,
  problemOf: (item: Item, first: Item) => Problem,
): Problem[] {
  const seen = new Map<string, Item>();
  return items.flatMap((item) => {
    const key = keyOf(item);
    const first = key === undefined ? undefined : seen.get(key);
    if (key !== undefined && first === undefined) {
      seen.set(key, item);
    }
    return first === undefined ? [] : [problemOf(item, first)];
  });
}
