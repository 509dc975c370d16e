/** A panel without its place, which the layout gives. */
export interface Panel {
  readonly type: 'stat' | 'timeseries' | 'state-timeline' | 'table' | 'row';
  readonly title: string;
  readonly description?: string;
  /** Of the 24 columns. */
  readonly width: number;
  readonly height: number;
  readonly targets: readonly Target[];
  readonly fieldConfig: { readonly defaults: object; readonly overrides: readonly object[] };
  readonly options: object;
  readonly transformations?: readonly object[];
}

export interface Target {
  readonly expr: string;
  readonly legend: string;
}

/** One of a closed list of values, with its words and colour. */
export interface Word {
  readonly value: number;
  readonly text: string;
  readonly color: 'green' | 'blue' | 'yellow' | 'orange' | 'red' | 'text';
}

interface Text {
  readonly title: string;
  readonly description?: string;
  readonly width: number;
  readonly targets: readonly Target[];
}

/** The series of a metric that the variables choose. */
export function selected(metric: string, matcher?: string): string {
  return `${metric}{${[matcher, 'pair="$pair"', 'instance=~"$instance"'].filter((part) => part !== undefined).join(',')}}`;
}

/** Numbers as they are now, each in a word of its own where there is one. */
export function stat(
  text: Text,
  words: readonly Word[],
  { shows = 'value' }: { shows?: 'value' | 'name' } = {},
) {
  return panel('stat', text, 4, defaults({ mappings: mappingsOf(words), color: { mode: 'thresholds' } }), {
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    colorMode: words.length === 0 ? 'value' : 'background',
    graphMode: 'none',
    justifyMode: 'auto',
    orientation: 'auto',
    textMode: shows === 'name' ? 'name' : 'auto',
  });
}

/** Lines over time, in a unit of Grafana's. */
export function lines(text: Text, unit: string): Panel {
  return panel(
    'timeseries',
    text,
    8,
    defaults({
      unit,
      min: 0,
      custom: { drawStyle: 'line', lineWidth: 1, fillOpacity: 10, spanNulls: false },
    }),
    {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  );
}

/** States over time: a bar per series, in the colour of what it was. */
export function timeline(text: Text, words: readonly Word[]): Panel {
  const fields = { mappings: mappingsOf(words), color: { mode: 'thresholds' }, custom: { fillOpacity: 80 } };
  return panel('state-timeline', text, 7, defaults(fields), {
    mergeValues: true,
    showValue: 'auto',
    rowHeight: 0.8,
    legend: { displayMode: 'list', placement: 'bottom', showLegend: false },
    tooltip: { mode: 'single', sort: 'none' },
  });
}

/** The labels of series, as they are now. */
export function table(text: Text, hidden: readonly string[]): Panel {
  return {
    ...panel('table', text, 6, defaults({}), { showHeader: true, cellHeight: 'sm' }),
    transformations: [
      { id: 'organize', options: { excludeByName: Object.fromEntries(hidden.map((name) => [name, true])) } },
    ],
  };
}

export function row(title: string): Panel {
  return {
    type: 'row',
    title,
    width: 24,
    height: 1,
    targets: [],
    fieldConfig: { defaults: {}, overrides: [] },
    options: {},
  };
}

function panel(
  type: Panel['type'],
  text: Text,
  height: number,
  fields: Panel['fieldConfig'],
  options: object,
): Panel {
  return { type, ...text, height, fieldConfig: fields, options };
}

/** Without a threshold of its own Grafana paints all above 80 red. */
function defaults(fields: object): Panel['fieldConfig'] {
  const thresholds = { mode: 'absolute', steps: [{ color: 'text', value: null }] };
  return { defaults: { thresholds, ...fields }, overrides: [] };
}

function mappingsOf(words: readonly Word[]): readonly object[] {
  return words.length === 0
    ? []
    : [
        {
          type: 'value',
          options: Object.fromEntries(
            words.map(({ value, text, color }, index) => [String(value), { text, color, index }]),
          ),
        },
      ];
}
