import { exitCodes, type ExitCodeName } from './exit-codes.ts';

/** What the help of a command says beyond its options. */
export interface Help {
  readonly text: string;
  /** What follows the command's name. */
  readonly examples: readonly string[];
  readonly codes: readonly ExitCodeName[];
}

export function helpText(name: string, { text, examples, codes }: Help): string {
  const lines = examples.map((example) => `  vipair ${name}${example === '' ? '' : ` ${example}`}`);
  return `\n${text}\n\nExamples:\n${lines.join('\n')}\n\n${exitCodesText(['ok', ...codes, 'usage'])}`;
}

export function exitCodesText(names: readonly ExitCodeName[]): string {
  const rows = names.map((name) => exitCodes[name]).sort((a, b) => a.code - b.code);
  return `Exit codes:\n${rows.map(({ code, meaning }) => `  ${String(code).padEnd(4)}${meaning}`).join('\n')}`;
}
