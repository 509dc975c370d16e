import {
  CST,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where the value at this path stands, or the key of it that is named; what is nearest when it is absent. */
export type Locate = (path: readonly PropertyKey[], keyName?: string) => Position;

export interface TextProblem extends Position {
  readonly message: string;
}

export type ParsedText =
  | { readonly ok: true; readonly value: unknown; readonly locate: Locate }
  | { readonly ok: false; readonly problems: readonly TextProblem[] };

/**
 * YAML 1.2 to a plain value that knows where it came from. Never throws, whatever the text: duplicate keys,
 * further documents and aliases are refused, the last because a file of this size needs none and a few
 * lines of them can stand for more than any memory holds.
 */
export function parseText(text: string): ParsedText {
  const lines = new LineCounter();
  const problem = (offset: number, message: string): TextProblem => ({
    ...positionOf(lines, offset),
    message,
  });

  const deepAt = tooDeepAt(text, lines);
  if (deepAt !== undefined) {
    return { ok: false, problems: [problem(deepAt, `nests deeper than ${DEEPEST} levels`)] };
  }
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: 'error',
  });
  const problems = [...document.errors, ...document.warnings].map(({ code, message, pos }) =>
    problem(pos[0], wordings[code] ?? message),
  );
  visit(document, {
    // The parser's own search for duplicates takes a minute for a file of our largest size.
    Map: (_key, map) => {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        const name = isScalar(key) ? key.value : undefined;
        if (isScalar(key) && seen.has(name)) {
          problems.push(problem(key.range?.[0] ?? 0, 'this key stands here twice'));
        }
        seen.add(name);
      }
    },
    Alias: (_key, alias) => {
      problems.push(
        problem(alias.range?.[0] ?? 0, `alias *${alias.source}: write the value out, aliases are not taken`),
      );
    },
  });
  if (problems.length > 0) {
    return { ok: false, problems };
  }
  const { contents } = document;
  return contents === null
    ? { ok: false, problems: [problem(0, 'the file is empty')] }
    : {
        ok: true,
        value: document.toJS(),
        locate: (path, keyName) => positionOf(lines, offsetOf(contents, path, keyName)),
      };
}

const wordings: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'a second document begins here; the file holds one',
};

/** The schema needs seven. */
const DEEPEST = 64;

/**
 * Where the text begins to nest deeper than the parser, which is recursive, can be trusted with: near the
 * end of its stack V8 ends the process instead of throwing. The lexer is not recursive.
 */
function tooDeepAt(text: string, lines: LineCounter): number | undefined {
  let offset = 0;
  let flowDepth = 0;
  let lineDepth = 0;
  let indentColumns = 0;
  for (const lexeme of new Lexer().lex(text)) {
    const type = CST.tokenType(lexeme);
    if (type === 'newline') {
      lineDepth = 0;
      indentColumns = 0;
    } else if (type === 'space' && lineDepth === 0) {
      indentColumns = lexeme.length;
    } else if (type === 'flow-map-start' || type === 'flow-seq-start') {
      flowDepth += 1;
    } else if (type === 'flow-map-end' || type === 'flow-seq-end') {
      flowDepth = Math.max(0, flowDepth - 1);
    } else if (
      flowDepth === 0 &&
      (type === 'seq-item-ind' || type === 'explicit-key-ind' || type === 'map-value-ind')
    ) {
      lineDepth += 1;
    }
    if (flowDepth > DEEPEST || lineDepth > DEEPEST || (lineDepth > 0 && indentColumns > 2 * DEEPEST)) {
      startLines(lines, text);
      return Math.min(offset, text.length);
    }
    // The lexer marks scalars and documents with control characters that are not in the text.
    offset += lexeme.length === 1 && markers.includes(lexeme) ? 0 : lexeme.length;
  }
  return undefined;
}

const markers: readonly string[] = [CST.DOCUMENT, CST.FLOW_END, CST.SCALAR];

/** The parser tells the counter where lines start; who does not get that far does it alone. */
function startLines(lines: LineCounter, text: string): void {
  lines.addNewLine(0);
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
    lines.addNewLine(at + 1);
  }
}

function positionOf(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function offsetOf(root: Node, path: readonly PropertyKey[], keyName: string | undefined): number {
  let node: Node = root;
  let offset = root.range?.[0] ?? 0;
  for (const key of path) {
    const found = childOf(node, key);
    if (found === undefined) {
      return offset;
    }
    offset = found.value?.range?.[0] ?? found.keyOffset ?? offset;
    if (found.value === undefined) {
      return offset;
    }
    node = found.value;
  }
  return keyName === undefined ? offset : (childOf(node, keyName)?.keyOffset ?? offset);
}

function childOf(
  node: Node,
  key: PropertyKey,
): { value: Node | undefined; keyOffset: number | undefined } | undefined {
  if (isSeq(node) && typeof key === 'number') {
    const item = node.items[key];
    return isNode(item) ? { value: item, keyOffset: undefined } : undefined;
  }
  if (!isMap(node)) {
    return undefined;
  }
  const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
  return pair === undefined
    ? undefined
    : {
        value: isNode(pair.value) ? pair.value : undefined,
        keyOffset: isNode(pair.key) ? pair.key.range?.[0] : undefined,
      };
}
