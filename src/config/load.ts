import { constants, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { fail, type Failure, ok } from '../core/result.ts';
import { type Problem } from './draft.ts';
import { type Config } from './schema.ts';
import { suggest } from './suggest.ts';
import { type Locate, parseText } from './text.ts';
import { validate } from './validate.ts';
import { warningsOf } from './warnings.ts';

/** Room for 10,000 real servers; the parser is not given more to chew on. */
const LARGEST_FILE_BYTES = 1024 * 1024;

/** Nobody reads more, and each takes time to find the place of. */
const MOST_PROBLEMS = 100;

export interface LoadedConfig {
  readonly path: string;
  readonly config: Config;
  /** What is allowed and yet probably not wanted. */
  readonly warnings: readonly FileProblem[];
}

/** What is wrong, and where in the file; both counted from 1. */
export interface FileProblem {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly suggestion?: string;
}

/** All problems at once; none when the file cannot be read, where `detail` says why. */
export type LoadFailure = Failure<'unreadable' | 'invalid'> & { readonly problems: readonly FileProblem[] };

/**
 * Reads and checks a configuration file. On failure `detail` is ready to be printed: one line per problem,
 * `vipair.yaml:7:39: floating[1]: unknown key "devv"; did you mean "interface"?`.
 */
export async function loadConfig(
  path: string,
): Promise<{ readonly ok: true; readonly value: LoadedConfig } | LoadFailure> {
  const text = await readBounded(path);
  if (!text.ok) {
    return { ...text, problems: [] };
  }
  const parsed = parseConfig(text.value, basename(path));
  return parsed.ok ? ok({ path, ...parsed.value }) : parsed;
}

/** The same for a text that is at hand. `fileName` begins each line of `detail`. */
export function parseConfig(
  text: string,
  fileName: string,
): { readonly ok: true; readonly value: Omit<LoadedConfig, 'path'> } | LoadFailure {
  const document = parseText(text);
  if (!document.ok) {
    return invalid(fileName, document.problems, (problem) => ({ path: '', ...problem }));
  }
  const { value, locate } = document;
  const checked = validate(value);
  return 'problems' in checked
    ? invalid(fileName, checked.problems, (problem) => placed(problem, value, locate))
    : ok({
        config: checked.config,
        warnings: warningsOf(checked.config).map((problem) => placed(problem, value, locate)),
      });
}

export function formatProblem(
  fileName: string,
  { path, line, column, message, suggestion }: FileProblem,
): string {
  const where = path === '' ? '' : `${path}: `;
  const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
  return `${fileName}:${line}:${column}: ${where}${message}${hint}`;
}

function invalid<Found>(
  fileName: string,
  found: readonly Found[],
  place: (problem: Found) => FileProblem,
): LoadFailure {
  const problems = inFileOrder(found.slice(0, MOST_PROBLEMS).map(place));
  const lines = problems.map((problem) => formatProblem(fileName, problem));
  const more =
    found.length > problems.length ? [`${fileName}: and ${found.length - problems.length} more`] : [];
  return { ...fail('invalid', [...lines, ...more].join('\n')), problems };
}

function placed(problem: Problem, root: unknown, locate: Locate): FileProblem {
  const { path, key, message } = problem;
  const value = valueAt(root, path);
  const suggestion =
    problem.suggestion ?? (typeof value === 'string' ? suggest(value, problem.choices ?? []) : undefined);
  return {
    path: formatPath(path),
    ...locate(path, key?.name),
    message: key === undefined ? `${quoted(value)}${message}` : aboutKey(key, message),
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

function aboutKey({ name, state }: NonNullable<Problem['key']>, message: string): string {
  return state === 'unknown' ? `${message} "${name}"` : `"${name}" ${message}`;
}

/** The value that the message is about, if it is short enough to repeat. */
function quoted(value: unknown): string {
  const isShort = typeof value === 'string' && value.length <= 60;
  return isShort || typeof value === 'number' || typeof value === 'boolean'
    ? `${JSON.stringify(value)} `
    : value === null
      ? 'is empty and '
      : '';
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    root,
  );
}

function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index > 0 ? '.' : ''}${String(key)}`))
    .join('');
}

function inFileOrder(problems: readonly FileProblem[]): readonly FileProblem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

async function readBounded(
  path: string,
): Promise<{ readonly ok: true; readonly value: string } | Failure<'unreadable' | 'invalid'>> {
  const unreadable = (why: string) =>
    fail('unreadable' as const, `cannot read the configuration ${path}: ${why}`);
  try {
    // Without O_NONBLOCK a FIFO would be waited for, for ever.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = await file.stat();
    if (!status.isFile()) {
      return unreadable('it is not a file');
    }
    const buffer = Buffer.alloc(LARGEST_FILE_BYTES + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    if (bytesRead > LARGEST_FILE_BYTES) {
      return unreadable('it is larger than 1 MiB');
    }
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, bytesRead)));
  } catch (error) {
    if (error instanceof TypeError && 'code' in error && error.code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
      return unreadable('it is not UTF-8 text');
    }
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    switch (code) {
      case 'ENOENT':
        return unreadable(
          'it does not exist. Remedy: name another with --config, or copy the example from deploy/vipair.example.yaml',
        );
      case 'EACCES':
        return unreadable('permission denied');
      case 'ENOTDIR':
      case 'EISDIR':
      case 'ELOOP':
      case 'ENAMETOOLONG':
      case 'EIO':
        return unreadable(code);
      default:
        throw error;
    }
  }
}
