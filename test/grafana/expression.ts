/** A metric as an expression names it, with the matchers of its labels. */
export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

export interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

/** The metrics that a PromQL expression reads. Enough of the grammar for the expressions made here. */
export function selectorsOf(expression: string): readonly Selector[] {
  return Array.from(
    expression.matchAll(/\b(vipair_\w+|up|ALERTS)\b(?:\{([^}]*)\})?/g),
    ([, metric = '', matchers = '']) => ({ metric, matchers: matchersOf(matchers) }),
  );
}

/** The labels that it groups by, joins on, or leaves out. */
export function groupingLabelsOf(expression: string): readonly string[] {
  return Array.from(
    expression.matchAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g),
    ([, labels = '']) => labels,
  ).flatMap((labels) => labels.split(',').map((label) => label.trim()));
}

function matchersOf(text: string): readonly Matcher[] {
  return Array.from(
    text.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g),
    ([, label = '', operator = '', value = '']) => ({ label, operator, value }),
  );
}
