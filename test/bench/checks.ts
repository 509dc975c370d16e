/**
 * `npm run bench -- checks`: what it costs to look at many real servers, and how late checks begin.
 *
 * The checker runs alone in a process that is held to one processor; the real servers are listeners of
 * another process on another one: ten ports at each of a thousand addresses of 127/8.
 *
 * Measured (Node 20.20, Linux 6.18, two virtual processors of an AMD EPYC): 10,000 by tcp every second begin
 * 0.7 / 36 / 53 ms late (median, 99th percentile, maximum) for 77 % of one processor and 151 MiB; 1000 by
 * http 0.7 / 1.6 / 10 ms for 27 %.
 *
 * Of the time the process was awake, more than half went into the system calls connect and close (30 % and
 * 22 %), 6 % into collecting garbage, 5 % into the heap of what is due and beginning a check. Tried, each for
 * ten seconds, 99th percentile of lateness:
 * - young space of 64 MiB instead of 16: 36 ms, and 223 MiB. Not taken.
 * - 16 begun a turn instead of 64: 32 ms, no difference; 1024: 54 ms and answers read up to 68 ms late.
 * - woken every 10 ms at most, to begin more at once: 32 ms, but the median is 5 ms. Not taken.
 * What the late hundredth waits for is not known: a collection stops the process for 12 ms at most.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Check, USUAL_TIMING } from '../../src/core/check.ts';
import { pause } from '../lab/eventually.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';
import { startBeating } from './heartbeat-gaps.ts';
import { machineFacts, processorTimes, stolenShare } from './report.ts';
import { figuresOf } from './statistics.ts';

const WARM_UP_MS = 3000;
const MEASURE_MS = 20_000;
const PORTS = 10;
/** What is promised. */
const MOST_LATE_MS = 100;

const timing = { ...USUAL_TIMING, intervalMs: 1000, timeoutMs: 1000 };
const connecting = { ...timing, port: undefined, sourceAddress: undefined };
const tcp: Check = { ...connecting, kind: 'tcp' };
const http: Check = {
  ...{ ...connecting, kind: 'http', method: 'GET', path: '/', host: undefined },
  ...{ status: [{ from: 200, to: 299 }], body: { text: 'OK', regex: undefined, not: undefined } },
};

const trials: readonly { readonly check: Check; readonly count: number }[] = [
  { check: tcp, count: 1000 },
  { check: tcp, count: 10_000 },
  { check: http, count: 1000 },
];

export interface ChecksToRun {
  readonly check: Check;
  /** Each is asked at every port. */
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface ChecksRun {
  readonly perSecond: number;
  readonly failures: Readonly<Record<string, number>>;
  /** Median, 99th percentile and maximum. */
  readonly latenessMs: readonly number[];
  readonly durationMs: readonly number[];
  /** Of one processor. */
  readonly processorShare: number;
  readonly systemShare: number;
  readonly residentMiB: number;
}

export async function measureChecks(): Promise<number> {
  process.stdout.write(`${JSON.stringify(machineFacts())}\n`);
  const reason = whyNoNamespaces();
  if (reason !== undefined) {
    process.stdout.write(`without a pair beside it: ${reason}\n`);
  }
  using pair = reason === undefined ? await startBeating() : undefined;
  if (pair !== undefined) {
    process.stdout.write(`nothing beside a pair: ${gapsOf(await pair.gapsMs(MEASURE_MS))}\n`);
  }
  let isKept = true;
  for (const { check, count } of trials) {
    const before = processorTimes();
    const beside = pause(WARM_UP_MS).then(() => pair?.gapsMs(MEASURE_MS));
    const run = await measure(check, count);
    const gaps = await beside;
    const [, late = Infinity] = run.latenessMs;
    isKept &&= late < MOST_LATE_MS;
    process.stdout.write(
      `${lineOf(check, count, run)}, stolen ${percent(stolenShare(before, processorTimes()))}\n` +
        (gaps === undefined ? '' : `  beside it ${gapsOf(gaps)}\n`),
    );
  }
  return isKept ? 0 : 1;
}

async function measure(check: Check, count: number): Promise<ChecksRun> {
  const servers = start(1, 'listeners', [check.kind, String(PORTS)]);
  try {
    const ports = JSON.parse(await firstLine(servers)) as number[];
    const addresses = Array.from({ length: count / PORTS }, (_, at) => `127.1.${at >> 8}.${at & 255}`);
    const told: ChecksToRun = { check, addresses, ports, warmUpMs: WARM_UP_MS, measureMs: MEASURE_MS };
    return JSON.parse(await firstLine(start(0, 'checks-run', [JSON.stringify(told)]))) as ChecksRun;
  } finally {
    servers.stdin.end();
    await once(servers, 'exit');
  }
}

function start(processor: number, program: string, args: readonly string[]) {
  const file = fileURLToPath(new URL(`${program}.js`, import.meta.url));
  return spawn('taskset', ['-c', String(processor), process.execPath, file, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}

async function firstLine(child: ReturnType<typeof start>): Promise<string> {
  let text = '';
  for await (const chunk of child.stdout) {
    text += String(chunk);
    if (text.includes('\n')) {
      return text;
    }
  }
  throw new Error(`a process of the benchmark ended without a word (${child.exitCode})`);
}

function lineOf(check: Check, count: number, run: ChecksRun): string {
  const ms = (values: readonly number[]) => values.map((value) => value.toFixed(1)).join(' / ');
  const bad = Object.entries(run.failures).filter(([, times]) => times > 0);
  return [
    `${count} by ${check.kind} every second: ${run.perSecond.toFixed(0)} a second`,
    `late p50 / p99 / max ${ms(run.latenessMs)} ms`,
    `took ${ms(run.durationMs)} ms`,
    `processor ${percent(run.processorShare)} (system ${percent(run.systemShare)})`,
    `resident ${run.residentMiB.toFixed(0)} MiB`,
    bad.length === 0 ? 'all well' : `failed: ${JSON.stringify(Object.fromEntries(bad))}`,
  ].join(', ');
}

/** Median, 90th percentile and maximum. */
function gapsOf(gapsMs: readonly number[]): string {
  const figures = figuresOf(gapsMs);
  return figures === undefined
    ? 'no heartbeat was heard'
    : `${figures.count} heartbeats of the active, apart ${[figures.median, figures.p90, figures.max].map((gap) => gap.toFixed(2)).join(' / ')} ms`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
