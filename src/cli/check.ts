import { basename } from 'node:path';
import { formatProblem, loadConfig, type LoadedConfig } from '../config/load.ts';
import { type Config } from '../config/schema.ts';
import { configShape } from '../config/shape.ts';
import { findNode } from '../config/settings.ts';
import { describeConfig, describeText } from './describe.ts';
import { exitCode } from './exit-codes.ts';
import { checkHost, type HostFindings } from './host-check.ts';
import { failureTable, failureWarnings, findFailures } from './failures.ts';
import { type HostView, type TryGate, viewHost } from './host.ts';
import { complain, printJson } from './print.ts';
import { type CheckOptions, type Io } from './run-options.ts';

/** `vipair check`: every problem of the file and of this host, or what was understood. */
export async function checkCommand(
  options: CheckOptions,
  io: Io,
  tryGate: TryGate,
  view: () => Promise<HostView> = viewHost,
): Promise<number> {
  if (options.schema) {
    printJson(io, configShape());
    return exitCode('ok');
  }
  const loaded = await loadConfig(options.config);
  if (!loaded.ok) {
    if (options.json) {
      const { problems } = loaded;
      printJson(io, { ok: false, file: options.config, error: loaded.detail, problems });
    } else if (loaded.reason === 'unreadable') {
      complain(io, loaded.detail ?? loaded.reason);
    } else {
      io.err(`${loaded.detail ?? ''}\n`);
      complain(io, `${options.config} has ${count(loaded.problems.length, 'problem')}`);
    }
    return exitCode('configuration');
  }
  const { config } = loaded.value;
  const host = await lookAtHost(config, options, { host: await view(), tryGate });
  const failures = findFailures(config);
  const warnings = [...fileWarnings(loaded.value), ...failureWarnings(failures), ...host.warnings];
  if (options.json) {
    printJson(io, {
      ok: host.problems.length === 0,
      file: options.config,
      node: host.node,
      problems: host.problems,
      warnings,
      hooks: host.hooks ?? null,
      understood: describeConfig(config),
      failures,
    });
  } else {
    for (const warning of warnings) {
      io.err(`warning: ${warning}\n`);
    }
    for (const problem of host.problems) {
      complain(io, problem);
    }
    if (host.problems.length === 0) {
      io.out(`${describeText(config, options.config, host)}\n\n`);
      io.out(
        failureTable(failures)
          .map((line) => `${line}\n`)
          .join(''),
      );
    }
  }
  return exitCode(host.problems.length === 0 ? 'ok' : 'configuration');
}

/** Whether to look is the operator's word, or without one whether this host is a node of the pair. */
async function lookAtHost(
  config: Config,
  options: CheckOptions,
  { host, tryGate }: { readonly host: HostView; readonly tryGate: TryGate },
): Promise<HostFindings & { readonly node: string | undefined }> {
  const node = findNode(config, { node: options.node, hostName: host.hostName });
  if (options.here === false) {
    return { ...unseen, node: node.ok ? node.value : undefined };
  }
  if (!node.ok) {
    const detail = node.detail ?? node.reason;
    return options.here === true || options.node !== undefined
      ? { ...unseen, problems: [detail] }
      : { ...unseen, warnings: [`only the file was checked: ${detail}`] };
  }
  return {
    node: node.value,
    ...(await checkHost(config, node.value, { host, tryGate, runtimeDir: options.runtimeDir })),
  };
}

const unseen = { node: undefined, problems: [], warnings: [], hooks: undefined };

function fileWarnings({ path, warnings }: LoadedConfig): readonly string[] {
  return warnings.map((warning) => formatProblem(basename(path), warning));
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
