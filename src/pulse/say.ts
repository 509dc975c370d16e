import { writeSync } from 'node:fs';

/**
 * The pulse's own few lines before the loop runs, in the form of the log the director keeps. Not for
 * later: whoever reads our stderr could be stuck, and the pulse would be stuck with it.
 */
export function say(
  level: 'info' | 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  const line = { level, time: new Date().toISOString(), ...fields, msg: message };
  writeSync(2, `${JSON.stringify(line)}\n`);
}
