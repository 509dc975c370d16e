import { createContext, Script } from 'node:vm';
import { type Expectation } from '../core/check.ts';
import { failed, type Outcome } from './check-attempt.ts';

/** What of an answer is looked at; the rest is not read. */
export const LONGEST_ANSWER_BYTES = 64 * 1024;

/** Undefined when all that is expected is true of the answer. */
export function judge(answer: string, { text, regex, not }: Expectation): Outcome | undefined {
  if (text !== undefined && !answer.includes(text)) {
    return failed('wrong-answer', `"${text}" is not in ${shown(answer)}`);
  }
  const found = regex === undefined || matches(regex, answer);
  if (found !== true) {
    return found === 'too-long'
      ? tooLong(regex)
      : failed('wrong-answer', `/${regex}/ is not in ${shown(answer)}`);
  }
  const unwanted = not !== undefined && matches(not, answer);
  if (unwanted !== false) {
    return unwanted === 'too-long' ? tooLong(not) : failed('wrong-answer', `/${not}/ is in ${shown(answer)}`);
  }
  return undefined;
}

/** The answer's fault: else a server could keep its verdict by a text that cannot be judged. */
function tooLong(source: string | undefined): Outcome {
  return failed('wrong-answer', `to look for /${source}/ took longer than ${LONGEST_MATCH_MS} ms`);
}

function shown(answer: string): string {
  return answer === '' ? 'an empty answer' : `"${answer.slice(0, 80)}"`;
}

const LONGEST_MATCH_MS = 50;

/**
 * By V8's own limit on a script, which also ends a regular expression: one with nested repetitions can
 * take longer than the universe for a text that a hostile server makes up.
 */
function matches(source: string, text: string): boolean | 'too-long' {
  matcher ??= { context: createContext(), script: new Script('regex.test(text)') };
  const { context, script } = matcher;
  Object.assign(context, { regex: new RegExp(source, 'm'), text });
  try {
    return script.runInContext(context, { timeout: LONGEST_MATCH_MS }) === true;
  } catch (error) {
    // It is an error of the other context: no instance of this one's Error.
    if (
      typeof error === 'object' &&
      error !== null &&
      'code' in error &&
      error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
    ) {
      return 'too-long';
    }
    throw error;
  } finally {
    context['text'] = '';
  }
}

let matcher: { readonly context: Record<string, unknown>; readonly script: Script } | undefined;
