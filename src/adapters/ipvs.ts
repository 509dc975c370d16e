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
  readonly timeoutMs: number;
  /** Where the kernel shows `ip_vs` and `ip_vs_stats`: /proc/net. */
  readonly statisticsDirectory: string;
}

export interface Ipvs {
  /** The whole table, or why it cannot be known. */
  readTable(signal: AbortSignal): Promise<Result<Table, IpvsReason>>;
  /** In this order, and not all of them when one is refused: see `Applied`. */
  applyChanges(changes: readonly TableChange[], signal: AbortSignal): Promise<Applied>;
  readStatistics(): Promise<Result<Statistics, IpvsReason>>;
}

/** Without a word of trouble all changes took effect; otherwise the table must be read again. */
export type Applied =
  | { readonly ok: true }
  | (Failure<IpvsReason> & {
      /** How many took effect; undefined when that is not known. */
      readonly tookEffect: number | undefined;
      /** How many were not tried, for they would have taken real servers before others were given. */
      readonly withheld: number;
    });

export interface Statistics {
  readonly totals: Totals;
  readonly services: readonly ServiceConnections[];
}

export const defaultIpvsOptions: IpvsOptions = {
  program: 'ipvsadm',
  timeoutMs: 10_000,
  statisticsDirectory: '/proc/net',
};

export function createIpvs(options: IpvsOptions = defaultIpvsOptions): Ipvs {
  return {
    readTable: (signal) => readTable(options, signal),
    applyChanges: (changes, signal) => applyInStages(options, changes, signal),
    readStatistics: () => readStatistics(options),
  };
}

/** A table of some hundred thousand real servers. */
const KEPT_BYTES = 16 * 1024 * 1024;

/** Measured 0.8 ms in a slow guest. */
const MS_PER_CHANGE = 5;

/** Somebody else may change the table between the two commands that it takes to read it. */
const READING_ATTEMPTS = 3;

const environment = { PATH: '/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

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
  return fail('failed', `the table changed ${READING_ATTEMPTS} times while it was read`);
}

/** Of those that took effect in each stage. */
async function applyInStages(
  options: IpvsOptions,
  changes: readonly TableChange[],
  signal: AbortSignal,
): Promise<Applied> {
  const stages = inStages(changes);
  const first = await restore(options, stages.first, signal);
  if (!first.ok) {
    return { ...first, withheld: stages.then.length };
  }
  const then = await restore(options, stages.then, signal);
  return then.ok
    ? then
    : {
        ...then,
        tookEffect: then.tookEffect === undefined ? undefined : then.tookEffect + stages.first.length,
        withheld: 0,
      };
}

interface Restored {
  readonly tookEffect: number | undefined;
}

async function restore(
  options: IpvsOptions,
  changes: readonly TableChange[],
  signal: AbortSignal,
): Promise<{ readonly ok: true } | (Failure<IpvsReason> & Restored)> {
  if (changes.length === 0) {
    return { ok: true };
  }
  const input = changes.map((change) => `${formatChange(change)}\n`).join('');
  const timeoutMs = options.timeoutMs + MS_PER_CHANGE * changes.length;
  const end = await run({ ...options, timeoutMs }, ['-R'], input, signal);
  const complaintCount = linesOf(end.complaints).length;
  if (end.ending.ok && complaintCount === 0) {
    return { ok: true };
  }
  const failure = explain(end, options.program);
  if (failure.reason !== 'failed') {
    // Who may not, or has no IPVS, has changed nothing; of one that was ended it is not known.
    const isUnknown = failure.reason === 'timeout' || failure.reason === 'aborted';
    return { ...failure, tookEffect: isUnknown ? undefined : 0 };
  }
  // With 2 it ended itself at a line, which it does not number.
  const isCounted = end.exitCode !== undefined && end.exitCode !== OWN_REFUSAL && end.isWhole;
  const tookEffect = isCounted ? Math.max(0, changes.length - complaintCount) : undefined;
  const progress = `${tookEffect ?? 'some'} of ${changes.length} changes took effect`;
  return { ...fail('failed', `${failure.detail ?? ''} (${progress})`), tookEffect };
}

async function readStatistics({ statisticsDirectory }: IpvsOptions): Promise<Result<Statistics, IpvsReason>> {
  const read = async (name: string) => readFile(join(statisticsDirectory, name), 'latin1');
  try {
    const [services, totals] = [parseServices(await read('ip_vs')), parseTotals(await read('ip_vs_stats'))];
    if (!services.ok) {
      return fail('unreadable', `${statisticsDirectory}/ip_vs: ${services.detail ?? services.reason}`);
    }
    return totals.ok
      ? ok({ services: services.value, totals: totals.value })
      : fail('unreadable', `${statisticsDirectory}/ip_vs_stats: ${totals.detail ?? totals.reason}`);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) {
      throw error;
    }
    return error.code === 'ENOENT' ? noIpvs() : fail('unreadable', error.message);
  }
}

async function ask(
  options: IpvsOptions,
  words: readonly string[],
  signal: AbortSignal,
): Promise<Result<string, IpvsReason>> {
  const end = await run(options, words, '', signal);
  if (!end.ending.ok) {
    return explain(end, options.program);
  }
  return end.isWhole
    ? ok(end.output)
    : fail('unreadable', `${options.program} printed more than ${KEPT_BYTES} bytes`);
}

function run(
  { program, timeoutMs }: IpvsOptions,
  words: readonly string[],
  input: string,
  signal: AbortSignal,
): Promise<ProgramEnd> {
  const command = [program, ...words];
  return runProgram({ command, timeoutMs, environment, input, keptBytes: KEPT_BYTES }, signal);
}

/** Why it did not do what it was asked for. */
function explain({ ending, complaints }: ProgramEnd, program: string): Failure<IpvsReason> {
  const words = linesOf(complaints).slice(0, 3).join('; ').slice(0, 500);
  const reason = ending.ok ? 'exit-code' : ending.reason;
  switch (reason) {
    case 'not-found':
      return fail('not-installed', `${program} is not there. Remedy: apt-get install ipvsadm`);
    case 'timeout':
    case 'aborted':
      return fail(reason, ending.ok ? undefined : ending.detail);
    case 'not-executable':
    case 'cannot-start':
      return fail('failed', `${program} ${ending.ok ? '' : (ending.detail ?? reason)}`);
    case 'exit-code':
    case 'signal':
      break;
  }
  if (NO_IPVS.test(complaints)) {
    return noIpvs();
  }
  return NOT_PERMITTED.test(complaints)
    ? fail('not-permitted', `${program}: ${words}. Remedy: run as root, or by the systemd unit`)
    : fail('failed', `${program}: ${words || (ending.ok ? 'failed' : (ending.detail ?? reason))}`);
}

function noIpvs(): Failure<'no-ipvs'> {
  return fail('no-ipvs', 'this kernel has no IPVS. Remedy: modprobe ip_vs');
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.trim() !== '');
}

/** `ipvsadm` itself refused a line, and did not go on. */
const OWN_REFUSAL = 2;
const NO_IPVS = /Can't initialize ipvs: (?:Protocol not available|No such file)/;
const NOT_PERMITTED = /Permission denied|Operation not permitted|must be run as root/i;
