import { type Io } from '../../src/cli/run-options.ts';

/** A terminal that keeps what was written. */
export function createTerminal(): Io & { readonly written: { out: string; err: string } } {
  const written = { out: '', err: '' };
  return {
    written,
    out: (text) => {
      written.out += text;
    },
    err: (text) => {
      written.err += text;
    },
    isTty: false,
    useColor: false,
  };
}
