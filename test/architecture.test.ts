import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { repository } from './repository.ts';

interface Layer {
  /** Layers whose files it may import, besides its own. */
  readonly layers: readonly string[];
  /** Packages it may import; `node:` stands for every module of Node. */
  readonly packages: readonly string[];
}

/** Who may import whom. What is not here is not allowed. */
const layers: Readonly<Record<string, Layer>> = {
  core: { layers: [], packages: [] },
  wire: { layers: ['core'], packages: ['node:crypto'] },
  config: { layers: ['core', 'wire'], packages: ['zod', 'yaml', 'node:fs/promises', 'node:path'] },
  adapters: {
    layers: ['core', 'wire'],
    packages: ['node:', 'koffi', 'dgram-as-promised', 'node-arp', 'ioredis'],
  },
  observe: { layers: ['core'], packages: ['prom-client', 'pino', 'picocolors', 'node:'] },
  api: { layers: ['core', 'observe'], packages: ['zod', 'node:'] },
  cli: {
    layers: ['api', 'config', 'core', 'observe', 'simulation'],
    packages: ['commander', 'picocolors', 'node:'],
  },
  simulation: { layers: ['core', 'wire'], packages: [] },
  pulse: { layers: ['core', 'wire', 'config', 'adapters', 'observe', 'api'], packages: ['node:'] },
  director: {
    layers: ['core', 'wire', 'config', 'adapters', 'observe', 'api', 'pulse'],
    packages: ['node:', 'pino'],
  },
  main: { layers: ['pulse', 'director', 'cli', 'adapters'], packages: [] },
};

const source = join(repository, 'src');

interface Import {
  readonly from: string;
  readonly to: string;
  /** A type alone is gone when the program runs. */
  readonly isType: boolean;
}

describe('architecture', () => {
  it('lets each layer import what its row of the table names, types included', async () => {
    const offences = (await allImports()).filter((found) => !isAllowed(found));
    assert.deepEqual(
      offences.map(({ from, to }) => `${from} imports ${to}`),
      [],
    );
  });

  it('has no import cycle that would be there when the program runs', async () => {
    const graph = new Map<string, string[]>();
    for (const { from, to, isType } of await allImports()) {
      if (!isType && to.endsWith('.ts')) {
        graph.set(from, [...(graph.get(from) ?? []), to]);
      }
    }
    assert.deepEqual(cycles(graph), []);
  });

  it('keeps its folders flat, and has a row for each', async () => {
    const entries = await readdir(source, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    assert.deepEqual(
      folders.filter((name) => !(name in layers)),
      [],
    );
  });

  it('reports what breaks the table', () => {
    assert.equal(isAllowed({ from: 'core/a.ts', to: 'node:fs', isType: false }), false);
    assert.equal(isAllowed({ from: 'core/a.ts', to: 'wire/b.ts', isType: true }), false);
    assert.equal(isAllowed({ from: 'wire/a.ts', to: 'core/b.ts', isType: false }), true);
    assert.deepEqual(
      cycles(
        new Map([
          ['a', ['b']],
          ['b', ['c']],
          ['c', ['b']],
        ]),
      ),
      ['b -> c -> b'],
    );
    assert.deepEqual(
      importsOf(
        'core/a.ts',
        "import { type X } from '../wire/x.ts';\nexport type { Y } from './y.ts';\nvoid import('./z.ts');",
      ),
      [
        { from: 'core/a.ts', to: 'wire/x.ts', isType: true },
        { from: 'core/a.ts', to: 'core/y.ts', isType: true },
        { from: 'core/a.ts', to: 'core/z.ts', isType: true },
      ],
    );
  });

  it('can be loaded file by file without anything happening', async function () {
    this.timeout(60_000);
    const built = join(import.meta.dirname, '..', 'src');
    const modules = (await sourceFiles())
      .filter((path) => path !== 'main.ts')
      .map((path) => pathToFileURL(join(built, path.replace(/\.ts$/, '.js'))).href);
    // All in one process that ends by itself: an open handle would keep it, a printed line would show.
    const program = `for (const module of ${JSON.stringify(modules)}) { await import(module); }`;
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', program],
      { timeout: 50_000 },
    );
    assert.deepEqual({ stdout, stderr }, { stdout: '', stderr: '' });
  });
});

function isAllowed({ from, to }: Import): boolean {
  const layer = layers[layerOf(from)];
  if (layer === undefined) {
    return false;
  }
  return to.endsWith('.ts')
    ? layerOf(to) === layerOf(from) || layer.layers.includes(layerOf(to))
    : layer.packages.some((name) => to === name || (name.endsWith(':') && to.startsWith(name)));
}

function layerOf(path: string): string {
  const [folder = '', file] = path.split('/');
  return file === undefined ? folder.replace(/\.ts$/, '') : folder;
}

async function allImports(): Promise<Import[]> {
  const paths = await sourceFiles();
  assert.ok(paths.length > 20, 'the sources are not where they are looked for');
  const found = await Promise.all(
    paths.map(async (path) => importsOf(path, await readFile(join(source, path), 'utf8'))),
  );
  return found.flat();
}

/** Relative imports as paths below src, packages by their name. A dynamic import makes no cycle at load. */
function importsOf(path: string, text: string): Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, isType: boolean): void => {
    if (specifier !== undefined && ts.isStringLiteral(specifier)) {
      const isRelative = specifier.text.startsWith('.');
      const to = isRelative ? relative(source, join(source, dirname(path), specifier.text)) : specifier.text;
      found.push({ from: path, to, isType });
    }
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, isTypeImport(node.importClause));
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], true);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, true);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest));
  return found;
}

function isTypeImport(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined || clause.name !== undefined) {
    return false;
  }
  const bindings = clause.namedBindings;
  return (
    clause.phaseModifier === ts.SyntaxKind.TypeKeyword ||
    (bindings !== undefined &&
      ts.isNamedImports(bindings) &&
      bindings.elements.every(({ isTypeOnly }) => isTypeOnly))
  );
}

/** Each cycle once, as the way around it. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (node: string, way: readonly string[]): void => {
    if (way.includes(node)) {
      found.push([...way.slice(way.indexOf(node)), node].join(' -> '));
      return;
    }
    if (!done.has(node)) {
      for (const next of graph.get(node) ?? []) {
        walk(next, [...way, node]);
      }
      done.add(node);
    }
  };
  for (const node of graph.keys()) {
    walk(node, []);
  }
  return found;
}

async function sourceFiles(): Promise<string[]> {
  const entries = await readdir(source, { recursive: true });
  return entries.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts')).toSorted();
}
