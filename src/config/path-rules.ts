import { type Draft, type Entry, type Problem } from './draft.ts';
import { perNodeProblems } from './per-node-rules.ts';
import { type PathConfig, type PerNode } from './schema.ts';
import { timeoutProblems, weightProblems } from './track-rules.ts';

export function pathProblems({ paths, floating, nodeNames }: Draft): Problem[] {
  const floatingAddresses = floating.map(({ value }) => value.address.address);
  return paths.flatMap((path) => [
    ...perNodeProblems(path.value.interface, [...at(path), 'interface'], nodeNames),
    ...perNodeProblems(path.value.target, [...at(path), 'target'], nodeNames),
    ...targetProblems(path, floatingAddresses),
    ...weightProblems(path.value, at(path)),
    ...probingProblems(path),
    ...timeoutProblems(path.value, at(path)),
  ]);
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

/** Asked with every heartbeat, there is nothing to set. */
function probingProblems(path: Entry<PathConfig>): Problem[] {
  const { value } = path;
  const idle = (['interval', 'timeout', 'rise', 'fall'] as const).filter((key) => value[key] !== undefined);
  return value.probe === 'icmp' || idle.length === 0
    ? []
    : [{ path: at(path), message: `has ${idle.join(', ')}, which only probe: icmp knows` }];
}

function valuesOf(value: PerNode): readonly string[] {
  return typeof value === 'string' ? [value] : [...new Set(Object.values(value))];
}

function at({ index }: Entry<PathConfig>): readonly PropertyKey[] {
  return ['paths', index];
}
