import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { stringify } from 'yaml';
import { initialState } from '../../src/core/director.ts';
import { metricDocs, type MetricsSample } from '../../src/observe/metric-docs.ts';
import { createTally } from '../../src/observe/tally.ts';
import { settings, snapshotOf } from '../observe/samples.ts';
import { repository } from '../repository.ts';
import { type Alert, alertRules } from './alerts.ts';
import { dashboard } from './dashboard.ts';
import { groupingLabelsOf, selectorsOf } from './expression.ts';
import { type Interval, promtoolTests, stories } from './stories.ts';

const alerts: readonly Alert[] = alertRules().groups.flatMap(({ rules }) => rules);

const files: Readonly<Record<string, () => string>> = {
  'grafana/alerts.yaml': () => stringify(alertRules(), { lineWidth: 0 }),
  'grafana/vipair.json': () => JSON.stringify(dashboard()),
};

describe('grafana/', () => {
  for (const [name, make] of Object.entries(files)) {
    it(`has ${name} as the code makes it (UPDATE_GRAFANA=1 rewrites it)`, async () => {
      const path = join(repository, name);
      const made = await format(make(), { ...(await resolveConfig(path)), filepath: path });
      if (process.env['UPDATE_GRAFANA'] === '1') {
        await writeFile(path, made);
        return;
      }
      assert.equal(
        await readFile(path, 'utf8'),
        made,
        `${name} is out of date: run UPDATE_GRAFANA=1 npm test`,
      );
    }).timeout(20_000);
  }

  it('names only metrics that vipair has, by labels and values that they have', () => {
    const expressions = [...alerts.map(({ expr }) => expr), ...dashboardExpressions()];
    assert.ok(expressions.length > 60);
    assert.deepEqual(
      expressions.flatMap((expression) =>
        mistakesIn(expression).map((mistake) => `${expression}: ${mistake}`),
      ),
      [],
    );
  });

  it('would notice a metric, a label or a value that is not there', () => {
    assert.deepEqual(mistakesIn('vipair_rôle == 1 or vipair_rol{role="active"} == 1'), [
      'no metric vipair_r',
      'no metric vipair_rol',
    ]);
    assert.deepEqual(mistakesIn('sum by (node) (vipair_link_up{lnk="a"})'), [
      'vipair_link_up has no label lnk',
      'nothing has the label node',
    ]);
    assert.deepEqual(mistakesIn('vipair_role{role="master"}'), ['vipair_role is never role="master"']);
    assert.deepEqual(mistakesIn('vipair_term_total'), ['no metric vipair_term_total']);
    assert.deepEqual(mistakesIn('vipair_role_bucket{le="1"}'), ['no metric vipair_role_bucket']);
  });
});

describe('alert rules', () => {
  it('have a name of their own, a severity, a summary and what to do', () => {
    assert.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length);
    for (const { alert, labels, annotations } of alerts) {
      assert.match(alert, /^Vipair[A-Z]/);
      assert.ok(['critical', 'warning', 'info'].includes(labels.severity), alert);
      assert.ok(annotations.summary.length > 10 && annotations.summary.length < 110, alert);
      assert.ok(annotations.description.length > 100, alert);
    }
  });

  it('each fire in one story at least, and do not in another', () => {
    for (const { alert } of alerts) {
      assert.ok(
        stories.some(({ fires }) => alert in fires),
        `${alert} fires nowhere`,
      );
      assert.ok(
        stories.some(({ fires }) => !(alert in fires)),
        `${alert} fires everywhere`,
      );
    }
    const names = alerts.map(({ alert }) => alert);
    assert.deepEqual(
      stories.flatMap(({ fires }) => Object.keys(fires)).filter((name) => !names.includes(name)),
      [],
    );
  });

  it('satisfy promtool', async function () {
    await withRules((rulesPath) => {
      const { status, output } = promtool(this, ['check', 'rules', '--lint-fatal', rulesPath]);
      assert.equal(status, 0, output);
      assert.match(output, new RegExp(`SUCCESS: ${alerts.length} rules found`));
    });
  });

  for (const interval of ['15s', '5m'] satisfies readonly Interval[]) {
    it(`fire when they should and only then, scraped every ${interval}`, async function () {
      this.timeout(60_000);
      await withRules(async (rulesPath) => {
        const testPath = `${rulesPath}.test.yaml`;
        await writeFile(testPath, stringify(promtoolTests(rulesPath, interval, alerts)));
        const { status, output } = promtool(this, ['test', 'rules', testPath]);
        assert.equal(status, 0, output);
      });
    });
  }

  it('are each tested: a rule that never fires is noticed', async function () {
    this.timeout(60_000);
    const dead = alerts.map((alert) => ({ ...alert, expr: `(${alert.expr}) and vector(0) == 1` }));
    await withRules(async (rulesPath) => {
      const testPath = `${rulesPath}.test.yaml`;
      await writeFile(rulesPath, stringify({ groups: [{ name: 'dead', rules: dead }] }));
      await writeFile(testPath, stringify(promtoolTests(rulesPath, '15s', alerts)));
      const { status, output } = promtool(this, ['test', 'rules', testPath]);
      assert.equal(status, 1);
      const noticed = new Set(Array.from(output.matchAll(/alertname: (\w+)/g), ([, name]) => name));
      assert.deepEqual(
        alerts.map(({ alert }) => alert).filter((name) => !noticed.has(name)),
        ['VipairMaintenanceForgotten'],
        'this one is told at 5 m',
      );
    });
  });
});

describe('dashboard', () => {
  const { panels, templating, schemaVersion, uid, title } = dashboard();

  it('is one that Grafana reads', () => {
    assert.deepEqual({ uid, title, schemaVersion }, { uid: 'vipair', title: 'vipair', schemaVersion: 39 });
    assert.deepEqual(
      templating.list.map(({ name }) => name),
      ['datasource', 'pair', 'instance'],
    );
  });

  it('gives each panel an id, and each query a refId, both once', () => {
    assert.ok(panels.length > 20);
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    for (const panel of panels) {
      if ('targets' in panel) {
        assert.ok(panel.targets.length > 0, panel.title);
        const refIds = panel.targets.map(({ refId }) => refId);
        assert.ok(refIds.every((refId) => /^[A-Z]$/.test(refId)));
        assert.equal(new Set(refIds).size, refIds.length, panel.title);
      }
    }
  });

  it('asks the data source that is chosen, and none by name', () => {
    const named = Array.from(
      JSON.stringify(dashboard()).matchAll(/"datasource":(\{.*?"\})/g),
      ([, it]) => it,
    );
    assert.ok(named.length > 40);
    assert.deepEqual(new Set(named), new Set(['{"type":"prometheus","uid":"${datasource}"}']));
  });

  it('asks for the pair that is chosen, wherever it asks', () => {
    for (const expression of dashboardExpressions().filter((text) => !text.startsWith('label_values('))) {
      for (const { metric, matchers } of selectorsOf(expression)) {
        assert.ok(
          matchers.some(({ label, value }) => label === 'pair' && value === '$pair'),
          `${metric} in ${expression}`,
        );
      }
    }
  });

  it('asks in a language that Prometheus understands', async function () {
    const rules = dashboardExpressions()
      .filter((expression) => !expression.startsWith('label_values('))
      .map((expression, index) => ({
        record: `panel:query:${index}`,
        expr: expression.replaceAll('$__rate_interval', '1m'),
      }));
    await withRules(async (rulesPath) => {
      await writeFile(rulesPath, stringify({ groups: [{ name: 'dashboard', rules }] }));
      const { status, output } = promtool(this, ['check', 'rules', rulesPath]);
      assert.equal(status, 0, output);
    });
  });

  it('fits its panels into 24 columns without overlap', () => {
    const taken = new Map<string, string>();
    for (const { gridPos, title: panelTitle } of panels) {
      assert.ok(gridPos.w > 0 && gridPos.h > 0 && gridPos.x >= 0 && gridPos.x + gridPos.w <= 24, panelTitle);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          const cell = `${x},${y}`;
          assert.equal(taken.get(cell), undefined, `${panelTitle} at ${cell}`);
          taken.set(cell, panelTitle);
        }
      }
    }
  });

  it('writes legends of labels that the series still have', () => {
    for (const panel of panels) {
      for (const { expr, legendFormat } of 'targets' in panel ? panel.targets : []) {
        const labels = labelsOf(expr);
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          assert.ok(labels.includes(label), `{{${label}}} of ${expr}`);
        }
      }
    }
  });
});

function dashboardExpressions(): readonly string[] {
  const { panels, templating, annotations } = dashboard();
  return [
    ...panels.flatMap((panel) => ('targets' in panel ? panel.targets.map(({ expr }) => expr) : [])),
    ...templating.list.flatMap(({ query }) => (typeof query === 'string' ? [] : [query.query])),
    ...annotations.list.map(({ expr }) => expr),
  ];
}

/** What Prometheus adds, or makes by itself. */
const targetLabels = ['pair', 'instance', 'job'];
const ownMetrics: ReadonlyMap<string, readonly string[]> = new Map([
  ['up', []],
  ['ALERTS', ['alertname', 'alertstate']],
]);

/** The labels of a metric besides those of the target; undefined if there is no such metric. */
function labelsOfMetric(metric: string): readonly string[] | undefined {
  const doc = metricDocs.find(({ name, type }) =>
    type === 'histogram'
      ? ['_bucket', '_sum', '_count'].some((suffix) => `${name}${suffix}` === metric)
      : name === metric,
  );
  return doc === undefined
    ? ownMetrics.get(metric)
    : [...doc.labels, ...(doc.type === 'histogram' && metric.endsWith('_bucket') ? ['le'] : [])];
}

function labelsOf(expression: string): readonly string[] {
  return [...targetLabels, ...selectorsOf(expression).flatMap(({ metric }) => labelsOfMetric(metric) ?? [])];
}

function mistakesIn(expression: string): readonly string[] {
  const all = labelsOf(expression);
  return [
    ...selectorsOf(expression).flatMap(({ metric, matchers }) => {
      const labels = labelsOfMetric(metric);
      if (labels === undefined) {
        return [`no metric ${metric}`];
      }
      return matchers.flatMap(({ label, operator, value }) => {
        if (!labels.includes(label)) {
          return targetLabels.includes(label) ? [] : [`${metric} has no label ${label}`];
        }
        const values = valuesOf(metric, label);
        return operator !== '=' || values.length === 0 || values.includes(value)
          ? []
          : [`${metric} is never ${label}="${value}"`];
      });
    }),
    ...groupingLabelsOf(expression)
      .filter((label) => !all.includes(label))
      .map((label) => `nothing has the label ${label}`),
  ];
}

/** The values that a label has on a pair as in the manual; none if they are the operator's own words. */
function valuesOf(metric: string, label: string): readonly string[] {
  const doc = metricDocs.find(({ name }) => name === metric);
  return doc === undefined || doc.type === 'histogram'
    ? []
    : doc.read(sample).flatMap(({ labels }) => labels[label] ?? []);
}

const sample: MetricsSample = {
  settings,
  version: '1.2.3',
  nodeVersion: 'v20.0.0',
  snapshot: snapshotOf(initialState(settings)),
  isPulseUp: true,
  transitions: createTally().transitions(),
  eventLoopLagSeconds: 0,
  journalFailures: 0,
};

async function withRules(use: (rulesPath: string) => Promise<void> | void): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'vipair-rules-'));
  try {
    const path = join(directory, 'alerts.yaml');
    await writeFile(path, stringify(alertRules()));
    await use(path);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Skips aloud where promtool is not installed. */
function promtool(context: Mocha.Context, args: readonly string[]) {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { encoding: 'utf8' });
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') {
    console.log('      promtool is not installed: apt-get install prometheus');
    context.skip();
  }
  return { status, output: stdout + stderr };
}
