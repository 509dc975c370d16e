import { loadConfig } from '../config/load.ts';
import { settingsFrom } from '../config/settings.ts';
import { formatMs } from '../core/explain.ts';
import { chooseDrills, type DrillReport, runDrill } from '../simulation/drill.ts';
import { exitCode } from './exit-codes.ts';
import { complain, printJson } from './print.ts';
import { type Io, type SimulateOptions } from './run-options.ts';

/**
 * `vipair simulate`: what faults would do to the configured pair. The decisions are those of the daemon; the
 * network, the kernels and the time are simulated, so nothing of this host is touched.
 */
export async function simulateCommand(options: SimulateOptions, io: Io): Promise<number> {
  const loaded = await loadConfig(options.config);
  if (!loaded.ok) {
    complain(io, loaded.detail ?? loaded.reason);
    return exitCode('configuration');
  }
  const { config } = loaded.value;
  const [first = '', second = ''] = Object.keys(config.nodes).sort();
  const settings = { a: settingsFrom(config, first), b: settingsFrom(config, second) };
  const drills = chooseDrills(settings, options.faults);
  if (!drills.ok) {
    complain(io, drills.detail ?? drills.reason);
    return exitCode('usage');
  }
  const reports = drills.value.map((drill) => runDrill(settings, drill, options));
  if (options.json) {
    printJson(io, { pair: config.pair, seed: options.seed, runs: options.runCount, faults: reports });
  } else {
    io.out(reports.map(describe).join('\n'));
  }
  return exitCode('ok');
}

function describe(report: DrillReport): string {
  const { name, what, movedAfterMs, movedCount, runCount, because } = report;
  const moves =
    movedAfterMs === undefined
      ? 'Nothing moves'
      : movedCount < runCount
        ? `The addresses move in ${movedCount} of ${runCount} runs, after ${times(movedAfterMs)}`
        : `The addresses move after ${times(movedAfterMs)}`;
  return [`${name}: ${what}.`, `  ${moves}, because ${because}.`, ...consequences(report), ''].join('\n');
}

/** What it costs, where it costs something. */
function consequences({ unservedMs, bothMs, isServedInTheEnd }: DrillReport): readonly string[] {
  return [
    !isServedInTheEnd
      ? '  Nobody serves all addresses until it is mended.'
      : unservedMs.max < 1
        ? '  Somebody serves all the time.'
        : `  Nobody serves for ${times(unservedMs)}.`,
    ...(bothMs < 1 ? [] : [`  Both answer for the addresses for up to ${formatMs(bothMs)}.`]),
  ];
}

function times({ median, max }: DrillReport['unservedMs']): string {
  return formatMs(median) === formatMs(max)
    ? formatMs(median)
    : `${formatMs(median)} (at most ${formatMs(max)})`;
}
