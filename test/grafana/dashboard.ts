import { type Panel, selected, type Target } from './panel.ts';
import { panels } from './panels.ts';

const datasource = { type: 'prometheus', uid: '${datasource}' };
const columns = 24;

/** What `grafana/vipair.json` says: one pair at a time, in Grafana's classic model. */
export function dashboard() {
  return {
    uid: 'vipair',
    title: 'vipair',
    description: 'A pair of LVS routers: who is in office, since when, and how well the two hear each other.',
    tags: ['vipair', 'lvs', 'high-availability'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    timezone: 'browser',
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    templating: { list: variables() },
    annotations: {
      list: [
        annotation(
          'Takeovers',
          'blue',
          `changes(${selected('vipair_transitions_total', 'to="active"')}[1m]) > 0`,
        ),
        annotation('Alerts', 'red', 'ALERTS{alertname=~"Vipair.*",alertstate="firing",pair="$pair"}'),
      ],
    },
    links: [],
    panels: placed(panels()),
  };
}

interface Variable {
  readonly name: string;
  readonly label: string;
  readonly type: 'datasource' | 'query';
  readonly query: string | { readonly query: string; readonly refId: string };
  readonly [setting: string]: unknown;
}

function variables(): readonly Variable[] {
  const query = (text: string) => ({ query: text, refId: 'variable' });
  const shared = { hide: 0, skipUrlSync: false, regex: '' };
  return [
    {
      ...shared,
      name: 'datasource',
      label: 'Data source',
      type: 'datasource',
      query: 'prometheus',
      refresh: 1,
    },
    {
      ...shared,
      name: 'pair',
      label: 'Pair',
      type: 'query',
      datasource,
      query: query('label_values(vipair_build_info, pair)'),
      // When the time range changes: a pair may be new.
      refresh: 2,
      sort: 1,
    },
    {
      ...shared,
      name: 'instance',
      label: 'Director',
      type: 'query',
      datasource,
      query: query('label_values(vipair_build_info{pair="$pair"}, instance)'),
      refresh: 2,
      sort: 1,
      multi: true,
      includeAll: true,
      // A director that is gone has no series to be listed by.
      allValue: '.*',
      current: { selected: true, text: ['All'], value: ['$__all'] },
    },
  ];
}

function annotation(name: string, iconColor: string, expr: string) {
  return { name, datasource, enable: true, hide: false, iconColor, expr, titleFormat: name, textFormat: '' };
}

/** From left to right, then below the highest of the line; ids and refIds are given here, too. */
function placed(all: readonly Panel[]) {
  let x = 0;
  let y = 0;
  let lineHeight = 0;
  return all.map(({ width, height, targets, ...rest }, index) => {
    if (x + width > columns) {
      y += lineHeight;
      x = 0;
      lineHeight = 0;
    }
    const gridPos = { x, y, w: width, h: height };
    x += width;
    lineHeight = Math.max(lineHeight, height);
    const id = index + 1;
    return rest.type === 'row'
      ? { id, type: rest.type, title: rest.title, collapsed: false, gridPos, panels: [] }
      : {
          id,
          ...rest,
          datasource,
          gridPos,
          targets: targets.map((target, at) => query(target, at, rest.type)),
        };
  });
}

function query({ expr, legend }: Target, index: number, type: Panel['type']) {
  const refId = String.fromCharCode('A'.charCodeAt(0) + index);
  const isNow = type === 'stat' || type === 'table';
  return {
    refId,
    datasource,
    expr,
    legendFormat: legend,
    instant: isNow,
    range: !isNow,
    format: type === 'table' ? 'table' : 'time_series',
  };
}
