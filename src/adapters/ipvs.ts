/**
 * The kernel's IPVS table, read and changed by `ipvsadm`, and its statistics, read from /proc.
 *
 * How `ipvsadm -R` (1.31) takes its lines, measured: a line that the kernel refuses is one line of complaint,
 * and the next is carried out; the exit code is that of the last line, so 0 says nothing of the others. A
 * line that `ipvsadm` itself refuses ends the run with code 2, and those behind it are not carried out.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inStages } from '../core/reconcile.ts';
import { fail, ok, type Failure, type Result } from '../core/result.ts';
import { type TableChange } from '../core/table-change.ts';
import { type Table } from '../core/table.ts';
import { parseServices, parseTotals, type ServiceConnections, type Totals } from '../wire/ip-vs-files.ts';
import { formatChange, parseSave } from '../wire/ipvsadm.ts';
import { parseThresholds, withThresholds } from '../wire/ipvsadm-thresholds.ts';
import { runProgram, type ProgramEnd } from './script.ts';

export type IpvsReason =
  'not-installed' | 'no-ipvs' | 'not-permitted' | 'unreadable' | 'failed' | 'timeout' | 'aborted';

export interface IpvsOptions {
  /** `ipvsadm`, or where it lies. */
  readonly program: string;
  /** Of one run; one that changes much gets more. */
  readonly timeoutMs: number;
  /** Where the kernel shows `ip_vs` and `ip_vs_stats`: /proc/net. */
  readonly statisticsDirectory: string;
}

export interface Ipvs {
  /** The whole table, or why it cannot be known. */
  readTable(signal: AbortSignal): Promise<Result<Table, IpvsReason>>;
  /** In this order, save that what takes from a service waits for what was given to it: see `Applied`. */
  applyChanges(changes: readonly TableChange[], signal: AbortSignal): Promise<Applied>;
  readStatistics(): Promise<Result<Statistics, IpvsReason>>;
}

/** Without a word of trouble all changes took effect; otherwise the table must be read again. */
export type Applied = { readonly ok: true } | (Failure<IpvsReason> & Progress);

interface Progress {
  /** How many took effect; undefined when that is not known. */
  readonly tookEffect: number | undefined;
  /** How many were not tried, for they would have taken real servers before others were given. */
  readonly withheld: number;
}

export interface Statistics {
  readonly totals: Totals;
  readonly services: readonly ServiceConnections[];
}

const defaults: IpvsOptions = {
  program: 'ipvsadm',
  timeoutMs: 10_000,
  statisticsDirectory: '/proc/net',
};

/** Holds nothing open: each call starts its program or reads its files, and tells anew what is missing. */
export function openIpvs(options: Partial<IpvsOptions> = {}): Ipvs {
  const all = { ...defaults, ...options };
  return {
    readTable: (signal) => readTable(all, signal),
    applyChanges: (changes, signal) => applyInStages(all, changes, signal),
    readStatistics: () => readStatistics(all.statisticsDirectory),
  };
}

/** A table of some hundred thousand real servers. */
const KEPT_BYTES = 16 * 1024 * 1024;

/** Measured 0.8 ms in a slow guest. */
const MS_PER_CHANGE = 5;

/** Somebody else may change the table between the two commands that it takes to read it. */
const READING_ATTEMPTS = 3;

/** The exit code of an `ipvsadm` that cannot begin, or that ends itself at a line. */
const OWN_REFUSAL = 2;

/** Of what `ipvsadm` said, in a detail. */
const QUOTED_LINES = 3;
const QUOTED_CHARACTERS = 500;

/** `-S` prints everything but the thresholds, `-L` only those. */
async function readTable(options: IpvsOptions, signal: AbortSignal): Promise<Result<Table, IpvsReason>> {
  for (let attempt = 0; attempt < READING_ATTEMPTS; attempt += 1) {
    const saved = await ask(options, ['-Sn'], signal);
    if (!saved.ok) {
      return saved;
    }
    const listed = await ask(options, ['-Ln', '--thresholds'], signal);
    if (!listed.ok) {
      return listed;
    }
    const table = parseSave(saved.value);
    const thresholds = parseThresholds(listed.value);
    if (!table.ok) {
      return fail('unreadable', `ipvsadm -Sn: ${table.detail ?? table.reason}`);
    }
    if (!thresholds.ok) {
      return fail('unreadable', `ipvsadm -Ln --thresholds: ${thresholds.detail ?? thresholds.reason}`);
    }
    const whole = withThresholds(table.value, thresholds.value);
    if (whole !== undefined) {
      return ok(whole);
    }
  }
  return fail('failed', `the table changed each of ${READING_ATTEMPTS} times that it was read`);
}

/** What it prints; with a complaint not even exit code 0 makes that the whole. */
async function ask(
  options: IpvsOptions,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Result<string, IpvsReason>> {
  const end = await run(options, { args, input: '', timeoutMs: options.timeoutMs }, signal);
  if (!end.ending.ok || end.complaints.trim() !== '') {
    return explain(end, options.program);
  }
  return end.isWhole
    ? ok(end.output)
    : fail('unreadable', `ipvsadm ${args.join(' ')}: more than ${KEPT_BYTES} bytes`);
}

async function applyInStages(
  options: IpvsOptions,
  changes: readonly TableChange[],
  signal: AbortSignal,
): Promise<Applied> {
  const { first, then } = inStages(changes);
  const gave = await restore(options, first, signal);
  if (!gave.ok) {
    return { ...gave, withheld: then.length };
  }
  const took = await restore(options, then, signal);
  if (took.ok) {
    return took;
  }
  const { tookEffect } = took;
  return {
    ...took,
    tookEffect: tookEffect === undefined ? undefined : first.length + tookEffect,
    withheld: 0,
  };
}

async function restore(
  options: IpvsOptions,
  changes: readonly TableChange[],
  signal: AbortSignal,
): Promise<{ readonly ok: true } | (Failure<IpvsReason> & Pick<Progress, 'tookEffect'>)> {
  if (changes.length === 0) {
    return { ok: true };
  }
  if (signal.aborted) {
    return { ...fail('aborted'), tookEffect: 0 };
  }
  const input = changes.map((change) => `${formatChange(change)}\n`).join('');
  const timeoutMs = options.timeoutMs + MS_PER_CHANGE * changes.length;
  const end = await run(options, { args: ['-R'], input, timeoutMs }, signal);
  const refused = linesOf(end.complaints).length;
  if (end.ending.ok && refused === 0 && end.isWhole) {
    return { ok: true };
  }
  const failure = explain(end, options.program);
  switch (failure.reason) {
    case 'not-installed':
    case 'no-ipvs':
    case 'not-permitted':
      return { ...failure, tookEffect: 0 };
    case 'unreadable':
    case 'timeout':
    case 'aborted':
      return { ...failure, tookEffect: undefined };
    case 'failed': {
      // A line that it ends itself at has no number, and a death has no line.
      const isCounted = end.exitCode !== undefined && end.exitCode !== OWN_REFUSAL && end.isWhole;
      return { ...failure, tookEffect: isCounted ? Math.max(0, changes.length - refused) : undefined };
    }
  }
}

function run(
  { program }: IpvsOptions,
  { args, input, timeoutMs }: { readonly args: readonly string[]; input: string; timeoutMs: number },
  signal: AbortSignal,
): Promise<ProgramEnd> {
  const environment = { PATH: '/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
  const command = [program, ...args];
  return runProgram({ command, environment, input, timeoutMs, keptBytes: KEPT_BYTES }, signal);
}

/** Of an end that was not well. */
function explain({ ending, complaints }: ProgramEnd, program: string): Failure<IpvsReason> {
  const said = linesOf(complaints);
  const words = said.slice(0, QUOTED_LINES).join('; ').slice(0, QUOTED_CHARACTERS);
  const quote = said.length > QUOTED_LINES ? `${words}; and ${said.length - QUOTED_LINES} more` : words;
  const how = ending.ok ? '' : `${program} ${ending.detail ?? ending.reason}`;
  if (!ending.ok && ending.reason === 'not-found') {
    return fail('not-installed', `${how}. Remedy: apt-get install ipvsadm`);
  }
  if (!ending.ok && ending.reason === 'timeout') {
    return fail('timeout', how);
  }
  if (!ending.ok && ending.reason === 'aborted') {
    return fail('aborted');
  }
  if (/permission denied|operation not permitted/i.test(complaints)) {
    return fail('not-permitted', `${quote}. Remedy: run as root or with CAP_NET_ADMIN`);
  }
  if (complaints.includes("Can't initialize ipvs")) {
    return fail('no-ipvs', `${said[0] ?? ''}. Remedy: modprobe ip_vs`);
  }
  return fail('failed', [quote, how].filter(Boolean).join('; '));
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

async function readStatistics(directory: string): Promise<Result<Statistics, IpvsReason>> {
  const [services, totals] = [
    await readProc(join(directory, 'ip_vs')),
    await readProc(join(directory, 'ip_vs_stats')),
  ];
  if (!services.ok) {
    return services;
  }
  if (!totals.ok) {
    return totals;
  }
  const parsed = { services: parseServices(services.value), totals: parseTotals(totals.value) };
  if (!parsed.services.ok) {
    return fail('unreadable', `ip_vs: ${parsed.services.detail ?? parsed.services.reason}`);
  }
  return parsed.totals.ok
    ? ok({ totals: parsed.totals.value, services: parsed.services.value })
    : fail('unreadable', `ip_vs_stats: ${parsed.totals.detail ?? parsed.totals.reason}`);
}

async function readProc(file: string): Promise<Result<string, IpvsReason>> {
  try {
    return ok(await readFile(file, 'utf8'));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    switch (code) {
      case 'ENOENT':
        return fail('no-ipvs', `${file} does not exist. Remedy: modprobe ip_vs`);
      case 'EACCES':
      case 'EPERM':
        return fail('not-permitted', `${file} may not be read`);
      default:
        return fail('unreadable', `${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
