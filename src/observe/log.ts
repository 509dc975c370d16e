import { destination as standardError, type Logger, pino, stdTimeFunctions, symbols } from 'pino';

export type Log = Logger;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogDestination {
  write(line: string): unknown;
}

/**
 * JSON lines, written before the call returns, so that the last words of a process are not lost. Under
 * systemd each line begins with its syslog priority, `<4>`, as sd-daemon(3) says.
 */
export function createLog(
  options: {
    readonly level?: LogLevel;
    readonly fields?: Readonly<Record<string, unknown>>;
    /** Begin lines with the syslog priority: true when JOURNAL_STREAM is set. */
    readonly hasPriorities?: boolean;
  } = {},
  destination: LogDestination = openStandardError(),
): Log {
  const { level = 'info', fields = {}, hasPriorities = false } = options;
  return pino(
    {
      level,
      base: fields,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    hasPriorities ? withPriorities(destination) : destination,
  );
}

function openStandardError(): LogDestination {
  const stream = standardError({ fd: 2, sync: true });
  // Nobody reads any more: there is no one left to tell.
  stream.on('error', () => undefined);
  return stream;
}

/** pino tells a stream that carries its metadata symbol the level of each line. */
function withPriorities(destination: LogDestination): LogDestination {
  return {
    [symbols.needsMetadataGsym]: true,
    lastLevel: 30,
    write(line: string) {
      destination.write(`<${priorityOf(this.lastLevel)}>${line}`);
    },
  } as LogDestination & { lastLevel: number };
}

/** syslog(3): 3 is an error, 4 a warning, 6 information, 7 debugging. */
function priorityOf(level: number): number {
  if (level >= 50) {
    return 3;
  }
  if (level >= 40) {
    return 4;
  }
  return level >= 30 ? 6 : 7;
}
