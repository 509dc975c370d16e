import { type z } from 'zod';
import { type Problem, draftOf } from './draft.ts';
import { ruleProblems } from './rules.ts';
import { type Config, configSchema } from './schema.ts';
import { knownKeysAt } from './shape.ts';
import { suggest } from './suggest.ts';

type Issue = z.core.$ZodIssue;

/** A checked configuration, or every problem of it: those of single fields and those between fields. */
export function validate(
  raw: unknown,
): { readonly config: Config } | { readonly problems: readonly Problem[] } {
  const parsed = configSchema.safeParse(raw, { error: wording });
  const problems = [
    ...(parsed.success ? [] : parsed.error.issues.flatMap((issue) => problemsOf(issue, []))),
    ...ruleProblems(draftOf(raw)),
  ];
  return parsed.success && problems.length === 0 ? { config: parsed.data } : { problems };
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

function problemsOf(issue: Issue, base: readonly PropertyKey[]): Problem[] {
  const path = [...base, ...issue.path];
  const [parent, own] = [path.slice(0, -1), String(path.at(-1))];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => ({
      path,
      key: { name, state: 'unknown' },
      message: 'unknown key',
      suggestion: suggest(name, knownKeysAt(path)),
    }));
  }
  if (issue.code === 'invalid_key') {
    const message = issue.issues[0]?.message ?? 'is not allowed';
    return [{ path: parent, key: { name: own, state: 'wrong' }, message }];
  }
  if (issue.code === 'invalid_union') {
    return unionProblems(issue, path);
  }
  if (issue.code === 'invalid_value') {
    return [{ path, message: issue.message, choices: issue.values.map(String) }];
  }
  return issue.message === MISSING && path.length > 0
    ? [{ path: parent, key: { name: own, state: 'missing' }, message: MISSING }]
    : [{ path, message: issue.message }];
}

/** The problems of the alternative that was most likely meant: the one the value got furthest into. */
function unionProblems(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: readonly PropertyKey[],
): Problem[] {
  const best = issue.errors
    .map((issues) => ({ issues, rank: rankOf(issues) }))
    .sort((a, b) => b.rank - a.rank)[0];
  const isOwnWording = issue.message !== ZOD_UNION_MESSAGE;
  if (best === undefined || (best.rank < INSIDE && isOwnWording)) {
    return [{ path, message: issue.message }];
  }
  return best.issues.flatMap((inner) => problemsOf(inner, path));
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
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
}
