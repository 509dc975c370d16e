import { cpus, release, totalmem } from 'node:os';
import { readFileSync } from 'node:fs';
import { attempt } from '../lab/command.ts';
import { faults as allFaults, faultTitles, shouldMove, type FaultName } from './faults.ts';
import { figuresOf } from './statistics.ts';
import { type Sample } from './trial.ts';

/** What a reader must know of the machine to compare figures. */
export function machineFacts() {
  return {
    kernel: release(),
    processor: cpus()[0]?.model ?? 'unknown',
    processors: cpus().length,
    memoryMiB: Math.round(totalmem() / 1024 / 1024),
    isVirtual: readFileSync('/proc/cpuinfo', 'utf8').includes(' hypervisor'),
    loadAverage: readFileSync('/proc/loadavg', 'utf8').trim().split(' ').slice(0, 3).map(Number),
    node: process.version,
    keepalived: /v[\d.]+/.exec(attempt(['keepalived', '-v']).stderr)?.[0] ?? 'absent',
  };
}

/** Jiffies of all processors since boot: user, nice, system, idle, iowait, irq, softirq, steal. */
export function processorTimes(): readonly number[] {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  return line.trim().split(/\s+/).slice(1, 9).map(Number);
}

/** What the hypervisor gave to others while this machine wanted to run, as a share of all time. */
export function stolenShare(before: readonly number[], after: readonly number[]): number {
  const spent = after.map((jiffies, at) => jiffies - (before[at] ?? 0));
  const all = spent.reduce((sum, jiffies) => sum + jiffies, 0);
  return all === 0 ? 0 : (spent[7] ?? 0) / all;
}

interface Measure {
  readonly title: string;
  readonly unit: 'ms' | 'probes';
  readonly of: (sample: Sample) => number | undefined;
  readonly faults: readonly FaultName[];
}

const measures: readonly Measure[] = [
  {
    title: 'silence, client',
    unit: 'ms',
    of: ({ client }) => client.silenceMs,
    faults: allFaults,
  },
  {
    title: 'silence, real server',
    unit: 'ms',
    of: ({ realServer }) => realServer.silenceMs,
    faults: allFaults,
  },
  {
    title: 'lost probes, both sides',
    unit: 'probes',
    of: ({ client, realServer }) => client.lostCount + realServer.lostCount,
    faults: ['planned', 'deaf', 'flush', 'removed'],
  },
  {
    title: 'late probes (> 5 ms)',
    unit: 'probes',
    of: ({ client, realServer }) => client.lateCount + realServer.lateCount,
    faults: ['planned'],
  },
  {
    title: 'both routers answered ARP',
    unit: 'ms',
    of: ({ bothAnsweredMs }) => bothAnsweredMs,
    faults: allFaults,
  },
  {
    title: 'the same after the heal',
    unit: 'ms',
    of: ({ bothAnsweredAfterMendMs }) => bothAnsweredAfterMendMs,
    faults: ['deaf', 'one-way', 'partition'],
  },
  {
    title: 'announcements apart',
    unit: 'ms',
    of: ({ announcedApartMs }) => announcedApartMs,
    faults: ['planned', 'power'],
  },
  {
    title: 'decision to both announced',
    unit: 'ms',
    of: ({ decisionToAnnouncedMs }) => decisionToAnnouncedMs,
    faults: ['planned', 'power'],
  },
];

/** The table, as lines of at most 100 columns. Distrusted samples are left out of the figures and counted. */
export function tableOf(samples: readonly Sample[]): string {
  const lines: string[] = [];
  for (const [fault, title] of Object.entries(faultTitles) as [FaultName, string][]) {
    const ofFault = samples.filter((sample) => sample.fault === fault);
    if (ofFault.length === 0) {
      continue;
    }
    lines.push('', `${fault}: ${title}`, row(['', '', 'n', 'min', 'median', 'p90', 'max', 'unit']));
    for (const measure of measures.filter(({ faults }) => faults.includes(fault))) {
      for (const name of new Set(ofFault.map(({ contestant }) => contestant))) {
        lines.push(
          ...measureRow(
            measure,
            name,
            ofFault.filter(({ contestant }) => contestant === name),
          ),
        );
      }
    }
    lines.push(...notes(ofFault));
  }
  return lines.join('\n').trimStart();
}

function measureRow(measure: Measure, name: string, samples: readonly Sample[]): string[] {
  const trusted = samples.filter(({ distrust }) => distrust === undefined);
  const figures = figuresOf(trusted.flatMap((sample) => measure.of(sample) ?? []));
  if (figures === undefined) {
    return [];
  }
  const show = (value: number) => (measure.unit === 'ms' ? value.toFixed(value < 10 ? 2 : 0) : String(value));
  const { count, min, median, p90, max } = figures;
  return [
    row([measure.title, name, String(count), show(min), show(median), show(p90), show(max), measure.unit]),
  ];
}

/** However long the figure says: it lasts as long as the fault does. */
const lastingTitles = {
  client: 'the client was silent until the fault was healed',
  'real server': 'the real server was silent until the fault was healed',
  'both answered': 'both answered until the fault was healed',
} as const;

function notes(samples: readonly Sample[]): string[] {
  return [...new Set(samples.map(({ contestant }) => contestant))].flatMap((name) => {
    const mine = samples.filter(({ contestant }) => contestant === name);
    const count = (is: (sample: Sample) => boolean) => mine.filter(is).length;
    const stayed = count(({ fault, movedTo }) => shouldMove(fault) === true && movedTo === undefined);
    const moved = count(({ fault, movedTo }) => shouldMove(fault) === false && movedTo !== undefined);
    const open = count(({ bothAnsweredAtEnd }) => bothAnsweredAtEnd);
    const distrusted = count(({ distrust }) => distrust !== undefined);
    return [
      ...(stayed > 0 ? [`  ${name}: did not move in ${stayed} of ${mine.length}`] : []),
      ...(moved > 0 ? [`  ${name}: moved in ${moved} of ${mine.length}, for nothing`] : []),
      ...(['client', 'real server', 'both answered'] as const).flatMap((what) => {
        const lasting = count(({ untilMended }) => untilMended.includes(what));
        return lasting === 0 ? [] : [`  ${name}: ${lastingTitles[what]} in ${lasting} of ${mine.length}`];
      }),
      ...(open > 0
        ? [`  ${name}: both still answered when the watch ended in ${open} of ${mine.length}`]
        : []),
      ...(distrusted > 0 ? [`  ${name}: ${distrusted} of ${mine.length} distrusted and left out`] : []),
    ];
  });
}

function row(cells: readonly string[]): string {
  const widths = [28, 16, 4, 9, 9, 9, 9, 7];
  return cells
    .map((cell, at) => (at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
    .join('')
    .trimEnd();
}
