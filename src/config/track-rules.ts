import { type Draft, draftValue, type Problem } from './draft.ts';
import { isTrack } from './lvs-settings.ts';
import { duplicates } from './per-node-rules.ts';
import { type PathConfig } from './schema.ts';
import { PING } from './settings.ts';

/** As many as a heartbeat has room to tell of. */
const MOST_TRACKS = 16;

/** Paths, scripts and services, which are told apart by their names alone, and are counted together. */
export function trackProblems({ paths, scripts, lvs, floating, nodeNames }: Draft): Problem[] {
  const services = lvs.services.filter(({ value }) => isTrack(value));
  const named = [
    ...paths.map(({ index, value }) => ({ kind: 'path', at: ['paths', index], index, name: value.name })),
    ...scripts.map(({ index, value }) => ({
      kind: 'script',
      at: ['scripts', index],
      index,
      name: value.name,
    })),
  ];
  // Services of one name are told of with the other rules of services.
  const taken = new Map(named.map((track) => [track.name, track]));
  return [
    ...duplicates(
      named,
      ({ name }) => name,
      ({ at }, first) => ({
        path: [...at, 'name'],
        message: `is already the name of ${first.kind} ${first.index + 1}`,
      }),
    ),
    ...services.flatMap(({ index, value: { name = '' } }) => {
      const other = taken.get(name);
      return other === undefined
        ? []
        : [
            {
              path: ['lvs', 'services', index, 'name'],
              message: `is already the name of ${other.kind} ${other.index + 1}`,
            },
          ];
    }),
    ...countProblems(named.length + services.length, floating, nodeNames),
    ...groupingProblems(floating, nodeNames),
  ];
}

export function scriptProblems({ scripts }: Draft): Problem[] {
  return scripts.flatMap(({ index, value }) => [
    ...weightProblems(value, ['scripts', index]),
    ...timeoutProblems(value, ['scripts', index]),
  ]);
}

export function weightProblems(
  { required, score }: Pick<PathConfig, 'required' | 'score'>,
  path: readonly PropertyKey[],
): Problem[] {
  return required === true && score !== undefined
    ? [{ path, message: 'is either required or has a score, not both' }]
    : [];
}

/** Runs do not overlap: one that may take longer than the interval would stretch it unsaid. */
export function timeoutProblems(
  {
    interval = PING.intervalMs,
    timeout = PING.timeoutMs,
  }: {
    readonly interval?: number | undefined;
    readonly timeout?: number | undefined;
  },
  path: readonly PropertyKey[],
): Problem[] {
  return timeout > interval
    ? [{ path, message: `must not have a timeout (${timeout} ms) longer than its interval (${interval} ms)` }]
    : [];
}

function countProblems(named: number, floating: Draft['floating'], nodeNames: readonly string[]): Problem[] {
  const interfaces = Math.max(0, ...nodeNames.map((node) => new Set(interfacesOf(floating, node)).size));
  return named + interfaces > MOST_TRACKS
    ? [
        {
          path: ['paths'],
          message: `must be at most ${MOST_TRACKS} together with scripts, services that count, and the interfaces of floating addresses, and there are ${named + interfaces}`,
        },
      ]
    : [];
}

/** Each director tells of its interfaces by their positions: what shares one here must share one there. */
function groupingProblems(floating: Draft['floating'], nodeNames: readonly string[]): Problem[] {
  const patterns = nodeNames.map((node) => {
    const names = interfacesOf(floating, node);
    return names.map((name) => names.indexOf(name)).join(' ');
  });
  return new Set(patterns).size > 1
    ? [
        {
          path: ['floating'],
          message: 'must be on the same interface as each other on both nodes, or on neither',
        },
      ]
    : [];
}

function interfacesOf(floating: Draft['floating'], nodeName: string): (string | undefined)[] {
  return floating.map(({ value }) => draftValue(value.interface, nodeName));
}
