import { type Command } from 'commander';
import { createProgram } from '../src/cli/program.ts';
import { exitCodeNames, exitCodes } from '../src/cli/exit-codes.ts';
import { checkShapes, configShape, type Shape } from '../src/config/shape.ts';
import { metricDocs } from '../src/observe/metric-docs.ts';

/** The parts of the README that are made from the code they describe, by the name of their marker. */
export const references: Readonly<Record<string, () => string>> = {
  configuration: () => table(['key', 'default', 'meaning'], configurationRows(configShape(), '')),
  checks: () => checkTables(),
  'command line': () => commandLine(),
  'exit codes': () =>
    table(
      ['code', 'meaning'],
      exitCodeNames.map((name) => [String(exitCodes[name].code), exitCodes[name].meaning]),
    ),
  metrics: () =>
    table(
      ['metric', 'type', 'labels', 'meaning'],
      metricDocs.map(({ name, type, labels, help }) => [code(name), type, labels.map(code).join(', '), help]),
    ),
};

/** A row for each key, in the order of the file; `[]` stands for each element, `NODE` for a node's name. */
function configurationRows(shape: Shape, prefix: string): string[][] {
  return Object.entries(shape.properties ?? {}).flatMap(([key, child]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    const isRequired = shape.required?.includes(key) ?? false;
    return [[code(path), presetOf(child, isRequired), meaningOf(child)], ...innerRows(child, path)];
  });
}

function innerRows(shape: Shape, path: string): string[][] {
  if (shape.items !== undefined) {
    return configurationRows(shape.items, `${path}[]`);
  }
  const perName = shape.additionalProperties;
  return typeof perName === 'object'
    ? configurationRows(perName, `${path}.NODE`)
    : configurationRows(shape, path);
}

function presetOf(shape: Shape, isRequired: boolean): string {
  if (isRequired) {
    return 'required';
  }
  const isScalar = ['string', 'number', 'boolean'].includes(typeof shape.default) && shape.default !== '';
  return isScalar ? code(String(shape.default)) : '';
}

function meaningOf(shape: Shape): string {
  const choices = shape.enum === undefined ? [] : [`One of ${shape.enum.map(code).join(', ')}.`];
  const range =
    shape.minimum === undefined || shape.maximum === undefined
      ? []
      : [`${shape.minimum} to ${shape.maximum}.`];
  const count = shape.maxItems === undefined ? [] : [`${shape.minItems ?? 0} to ${shape.maxItems} entries.`];
  const example = shape.example === undefined ? [] : [`Example: ${code(String(shape.example))}.`];
  return [shape.description ?? '', ...choices, ...range, ...count, ...example].join(' ').trim();
}

/** What each kind finds out, then each key with the kinds that have it. */
function checkTables(): string {
  const shapes = checkShapes();
  const kindOf = (shape: Shape) => shape.properties?.['kind']?.const ?? '';
  const kinds = shapes.map((shape) => [code(kindOf(shape)), shape.description ?? '']);
  const rows = new Map<string, { readonly cells: readonly string[]; readonly of: string[] }>();
  for (const shape of shapes) {
    for (const [path, ...cells] of configurationRows(shape, '').filter(([key]) => key !== code('kind'))) {
      const row = [path ?? '', ...cells];
      const known = rows.get(row.join('|')) ?? { cells: row, of: [] };
      known.of.push(kindOf(shape));
      rows.set(row.join('|'), known);
    }
  }
  const keys = Array.from(rows.values(), ({ cells: [path = '', ...cells], of }) => [
    path,
    ofKinds(of, shapes.map(kindOf)),
    ...cells,
  ]);
  return `${table(['kind', 'a real server is well when'], kinds)}\n\n${table(['key', 'kinds', 'default', 'meaning'], keys)}`;
}

function ofKinds(some: readonly string[], all: readonly string[]): string {
  const others = all.filter((kind) => !some.includes(kind));
  if (others.length === 0) {
    return 'all';
  }
  return others.length < some.length ? `all but ${others.map(code).join(', ')}` : some.map(code).join(', ');
}

function commandLine(): string {
  const silent = { out: () => undefined, err: () => undefined, isTty: false, useColor: false };
  const rim = {
    version: '0',
    run: () => Promise.resolve(0),
    lookUpMac: () => Promise.reject(new Error('not asked')),
    tryGate: () => Promise.reject(new Error('not asked')),
    proveSilent: () => Promise.reject(new Error('not asked')),
  };
  const program = createProgram(silent, rim, () => undefined);
  const commands = program.commands.map((command) => [
    code(usageOf(command)),
    `${command.description()}${optionList(command)}`,
  ]);
  const options = program.options
    .filter(({ long }) => long !== '--version')
    .map((option) => [code(option.flags), `${option.description}${presetText(option.defaultValue)}`]);
  return `${table(['command', 'what it does'], commands)}\n\n${table(['option of every command', 'meaning'], options)}`;
}

function usageOf(command: Command): string {
  const args = command.registeredArguments.map((argument) => `<${argument.name()}>`);
  return ['vipair', command.name(), ...args].join(' ');
}

function optionList(command: Command): string {
  const options = command.options.map(({ flags, description }) => `${code(flags)} ${description}`);
  return options.length === 0 ? '' : ` Options: ${options.join('; ')}.`;
}

function presetText(preset: unknown): string {
  return typeof preset === 'string' ? ` (default: ${preset})` : '';
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}
