import { type z } from 'zod';
import { type Problem, draftOf } from './draft.ts';
import { ruleProblems } from './rules.ts';
import { type Config, configSchema } from './schema.ts';
import { type Mapping, mappingsAt } from './shape.ts';
import { suggest } from './suggest.ts';

type Issue = z.core.$ZodIssue;

/** A checked configuration, or every problem of it: those of single fields and those between fields. */
export function validate(
  raw: unknown,
): { readonly config: Config } | { readonly problems: readonly Problem[] } {
  const parsed = parseBy(configSchema, raw);
  const problems = [...('problems' in parsed ? parsed.problems : []), ...ruleProblems(draftOf(raw))];
  return 'value' in parsed && problems.length === 0 ? { config: parsed.value } : { problems };
}

/** What the schema makes of a value, or what it finds wrong in it, in our words. */
export function parseBy<Schema extends z.ZodType>(
  schema: Schema,
  raw: unknown,
): { readonly value: z.infer<Schema> } | { readonly problems: readonly Problem[] } {
  const parsed = schema.safeParse(raw, { error: wording, reportInput: true });
  return parsed.success
    ? { value: parsed.data }
    : { problems: parsed.error.issues.flatMap((issue) => problemsOf(schema, issue, [])) };
}

/** zod's issues in our words; undefined where the schema has its own. */
function wording(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') {
    return issue.input === undefined ? MISSING : `must be ${typeNames[issue.expected] ?? issue.expected}`;
  }
  if (issue.code === 'invalid_value') {
    return `must be ${oneOf(issue.values.map(String))}`;
  }
  if (issue.code === 'too_big' || issue.code === 'too_small') {
    const limit = issue.code === 'too_big' ? issue.maximum : issue.minimum;
    const bound = `at ${issue.code === 'too_big' ? 'most' : 'least'} ${limit}`;
    return issue.origin === 'array'
      ? `must have ${bound} ${limit === 1 ? 'entry' : 'entries'}`
      : `must be ${bound}`;
  }
  return undefined;
}

const MISSING = 'is missing';

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

function problemsOf(schema: z.ZodType, issue: Issue, base: readonly PropertyKey[]): Problem[] {
  const path = [...base, ...issue.path];
  const [parent, own] = [path.slice(0, -1), String(path.at(-1))];
  if (issue.code === 'unrecognized_keys') {
    const mappings = mappingsAt(schema, path);
    return issue.keys.map((name) => keyProblem(name, { path, mappings, value: issue.input }));
  }
  if (issue.code === 'invalid_key') {
    const message = issue.issues[0]?.message ?? 'is not allowed';
    return [{ path: parent, key: { name: own, state: 'wrong' }, message }];
  }
  if (issue.code === 'invalid_union') {
    return unionProblems(schema, issue, path);
  }
  if (issue.code === 'invalid_value') {
    return [{ path, message: issue.message, choices: issue.values.map(String) }];
  }
  return issue.message === MISSING && path.length > 0
    ? [{ path: parent, key: { name: own, state: 'missing' }, message: MISSING }]
    : [{ path, message: issue.message }];
}

interface Place {
  readonly path: readonly PropertyKey[];
  readonly mappings: readonly Mapping[];
  readonly value: unknown;
}

/** A key that is not known, or not here: it belongs to a mapping of another kind. */
function keyProblem(name: string, { path, mappings, value }: Place): Problem {
  const isMeant = ({ constants }: Mapping) =>
    Object.entries(constants).every(([key, constant]) => valueOf(value, key) === constant);
  const owners = mappings
    .filter((mapping) => !isMeant(mapping) && mapping.keys.includes(name))
    .flatMap(({ constants }) => Object.entries(constants).slice(0, 1));
  const [discriminator] = owners[0] ?? [];
  if (discriminator !== undefined) {
    const kinds = andOf([...new Set(owners.map(([, kind]) => kind))]);
    const message = `is not for ${discriminator}: ${String(valueOf(value, discriminator))}, only for ${kinds}`;
    return { path, key: { name, state: 'wrong' }, message };
  }
  return {
    path,
    key: { name, state: 'unknown' },
    message: 'unknown key',
    suggestion: suggest(
      name,
      mappings.filter(isMeant).flatMap(({ keys }) => keys),
    ),
  };
}

function valueOf(mapping: unknown, key: string): unknown {
  return typeof mapping === 'object' && mapping !== null ? Reflect.get(mapping, key) : undefined;
}

/** The problems of the alternative that was most likely meant: the one the value got furthest into. */
function unionProblems(
  schema: z.ZodType,
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: readonly PropertyKey[],
): Problem[] {
  if (issue.discriminator !== undefined && 'options' in issue) {
    return [kindProblem(issue, path)];
  }
  const best = issue.errors
    .map((issues) => ({ issues, rank: rankOf(issues) }))
    .sort((a, b) => b.rank - a.rank)[0];
  const isOwnWording = issue.message !== ZOD_UNION_MESSAGE;
  if (best === undefined || (best.rank < INSIDE && isOwnWording)) {
    return [{ path, message: issue.message }];
  }
  return best.issues.flatMap((inner) => problemsOf(schema, inner, path));
}

/** The key that tells the alternatives apart is missing, or names none of them. */
function kindProblem(
  issue: {
    readonly discriminator?: string | undefined;
    readonly options?: readonly unknown[];
    readonly input?: unknown;
  },
  path: readonly PropertyKey[],
): Problem {
  const name = issue.discriminator ?? '';
  if (valueOf(issue.input, name) === undefined) {
    return { path: path.slice(0, -1), key: { name, state: 'missing' }, message: MISSING };
  }
  const choices = issue.options?.map(String) ?? [];
  return { path, message: `must be ${oneOf(choices)}`, choices };
}

const ZOD_UNION_MESSAGE = 'Invalid input';
const INSIDE = 2;

function rankOf(issues: readonly Issue[]): number {
  if (issues.some((issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys')) {
    return INSIDE;
  }
  return issues.some((issue) => issue.code !== 'invalid_type' && issue.code !== 'invalid_value') ? 1 : 0;
}

function oneOf(words: readonly string[]): string {
  return list(words, 'or');
}

function andOf(words: readonly string[]): string {
  return list(words, 'and');
}

function list(words: readonly string[], last: 'and' | 'or'): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1) ?? ''}`;
}
