import { type Draft, type Entry, type Problem } from './draft.ts';
import { duplicates, perNodeProblems } from './per-node-rules.ts';
import { type PathConfig, type PerNode } from './schema.ts';

export function pathProblems({ paths, floating, nodeNames }: Draft): Problem[] {
  const floatingAddresses = floating.map(({ value }) => value.address.address);
  return [
    ...duplicates(
      paths,
      ({ value }) => value.name,
      (path, first) => ({
        path: [...at(path), 'name'],
        message: `is already the name of path ${first.index + 1}`,
      }),
    ),
    ...paths.flatMap((path) => [
      ...perNodeProblems(path.value.interface, [...at(path), 'interface'], nodeNames),
      ...perNodeProblems(path.value.target, [...at(path), 'target'], nodeNames),
      ...targetProblems(path, floatingAddresses),
      ...weightProblems(path),
    ]),
  ];
}

/** The active director would answer its own question. */
function targetProblems(path: Entry<PathConfig>, floatingAddresses: readonly string[]): Problem[] {
  return valuesOf(path.value.target)
    .filter((target) => floatingAddresses.includes(target))
    .map((target) => ({
      path: [...at(path), 'target'],
      message: `must be a neighbour, and ${target} is a floating address of this pair`,
    }));
}

function weightProblems(path: Entry<PathConfig>): Problem[] {
  return path.value.required === true && path.value.score !== undefined
    ? [{ path: at(path), message: 'is either required or has a score, not both' }]
    : [];
}

function valuesOf(value: PerNode): readonly string[] {
  return typeof value === 'string' ? [value] : [...new Set(Object.values(value))];
}

function at({ index }: Entry<PathConfig>): readonly PropertyKey[] {
  return ['paths', index];
}
