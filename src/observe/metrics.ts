import {
  Counter,
  Gauge,
  Histogram as PrometheusHistogram,
  type HistogramConfiguration,
  Registry,
} from 'prom-client';
import { type HistogramReading, metricDocs, type MetricsSample } from './metric-docs.ts';

export interface Metrics {
  readonly contentType: string;
  /** The text that Prometheus reads. */
  render(sample: MetricsSample): Promise<string>;
}

/** An own registry, never the global one, and none of prom-client's default metrics: promtool refuses some. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const fill = metricDocs.map((doc) => {
    const { name, help, labels } = doc;
    const options = { name, help, labelNames: labels, registers: [registry] };
    switch (doc.type) {
      case 'gauge': {
        const metric = new Gauge(options);
        return (sample: MetricsSample) => {
          empty(metric);
          for (const reading of doc.read(sample)) {
            metric.set(reading.labels, reading.value);
          }
        };
      }
      case 'counter': {
        const metric = new Counter(options);
        return (sample: MetricsSample) => {
          empty(metric);
          for (const reading of doc.read(sample)) {
            metric.inc(reading.labels, reading.value);
          }
        };
      }
      case 'histogram': {
        const metric = new CountedHistogram(options);
        return (sample: MetricsSample) => {
          metric.counted = doc.read(sample);
        };
      }
    }
  });
  return {
    contentType: registry.contentType,
    render(sample) {
      for (const set of fill) {
        set(sample);
      }
      return registry.metrics();
    },
  };
}

/**
 * After a reset a metric without labels shows 0. One whose value is not known must show nothing: a counter
 * that falls to 0 until the pulse has answered would be counted twice by rate().
 */
function empty(metric: Pick<Gauge, 'reset' | 'remove'>): void {
  metric.reset();
  metric.remove({});
}

/** A histogram that somebody else counted: prom-client can only observe one value after the other. */
class CountedHistogram extends PrometheusHistogram {
  counted: readonly HistogramReading[] = [];
  readonly #text: Pick<HistogramConfiguration<string>, 'name' | 'help'>;

  constructor(options: HistogramConfiguration<string>) {
    super(options);
    this.#text = options;
  }

  /** What the registry asks for when it writes text; prom-client's own would write what was observed. */
  getForPromString() {
    const values = this.counted.flatMap((reading) => valuesOf(reading, this.#text.name));
    return Promise.resolve({ ...this.#text, type: 'histogram', aggregator: 'sum', values });
  }
}

function valuesOf({ labels, histogram }: HistogramReading, name: string) {
  const { boundsMs, counts, sumMs, count } = histogram;
  const bucket = (le: number | string, value: number) => ({
    labels: { ...labels, le },
    value,
    metricName: `${name}_bucket`,
  });
  const buckets = boundsMs.flatMap((boundMs, index) => {
    const value = counts[index];
    // The last bound may be Infinity, which is null once it came over the channel; it is added below.
    return value === undefined || !Number.isFinite(boundMs) ? [] : [bucket(boundMs / 1000, value)];
  });
  return [
    ...buckets,
    bucket('+Inf', count),
    { labels, value: sumMs / 1000, metricName: `${name}_sum` },
    { labels, value: count, metricName: `${name}_count` },
  ];
}
