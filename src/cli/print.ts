import { type Io } from './run-options.ts';

/** The parts of a process that a terminal is made of. */
interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A process's standard streams as a command sees them. Colours follow https://no-color.org. */
export function terminal({ stdout, stderr, env }: Streams): Io {
  for (const stream of [stdout, stderr]) {
    // The reader of a pipe may leave (`vipair events | head`): what is written then has no reader, no error.
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') {
        throw error;
      }
    });
  }
  const isTty = stdout.isTTY;
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    isTty,
    columns: isTty ? stdout.columns : undefined,
    useColor: isTty && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb',
  };
}

/** Complains as every Unix program does: who, what, and the remedy if there is one. */
export function complain(io: Io, text: string): void {
  io.err(`vipair: ${text}\n`);
}

export function printJson(io: Io, value: unknown): void {
  io.out(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** Rows of a table, each column as wide as its widest cell; the last column is not padded. */
export function alignColumns(rows: readonly (readonly string[])[], gap = '  '): readonly string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(gap)
      .trimEnd(),
  );
}
