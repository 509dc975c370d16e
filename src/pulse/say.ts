import { writeSync } from 'node:fs';

const levels = { info: 30, warn: 40, error: 50 } as const;

/**
 * The pulse's own few lines before the loop runs, in the form of the log the director keeps. Not for
 * later: whoever reads our stderr could be stuck, and the pulse would be stuck with it.
 */
export function say(
  level: keyof typeof levels,
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  const line = { level: levels[level], time: Date.now(), pid: process.pid, ...fields, msg: message };
  writeSync(2, `${JSON.stringify(line)}\n`);
}
