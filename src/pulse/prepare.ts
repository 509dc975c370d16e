import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { readKeyFile } from '../config/key-file.ts';
import { loadConfig } from '../config/load.ts';
import {
  findNode,
  floatingFrom,
  type FloatingSettings,
  linkOptionsFrom,
  type LinkSettings,
  settingsFrom,
} from '../config/settings.ts';
import { wirePaths } from '../core/paths.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { type GateHooks, type Settings } from '../core/state.ts';
import { type Keys } from '../wire/key.ts';
import { type Host, openHost } from './host.ts';
import { type Inquiry, openInquiry } from './inquiry.ts';
import { readMaintenance } from './maintenance-file.ts';
import { beSole } from './sole.ts';

export interface PulseOptions {
  readonly config: string;
  readonly node?: string | undefined;
  readonly runtimeDir: string;
  readonly stateDir: string;
  /** Unless given: the best that this kernel has. */
  readonly gateHooks?: GateHooks | undefined;
}

/** Why the daemon does not start; each has its exit code in the table of the command line. */
export type StartRefusal = 'failed' | 'not-permitted' | 'configuration';

export interface Prepared {
  readonly settings: Settings;
  readonly links: readonly LinkSettings[];
  readonly floating: readonly FloatingSettings[];
  readonly keys: Keys;
  readonly host: Host;
  readonly inquiry: Inquiry;
  readonly lock: Disposable;
  readonly isMaintenance: boolean;
}

/** Everything that can be refused is refused here, before anything is touched. */
export async function prepare(options: PulseOptions): Promise<Result<Prepared, StartRefusal>> {
  const loaded = await loadConfig(options.config);
  if (!loaded.ok) {
    return fail('configuration', loaded.detail);
  }
  const { config } = loaded.value;
  const node = findNode(config, { node: options.node, hostName: hostname() });
  if (!node.ok) {
    return fail('configuration', node.detail);
  }
  const keys = await readKeyFile(config.heartbeat.key_file);
  if (!keys.ok) {
    return fail('configuration', keys.detail);
  }
  const settings = settingsFrom(config, node.value);
  const directories = makeDirectories([options.runtimeDir, options.stateDir]);
  if (!directories.ok) {
    return directories;
  }
  const lock = await beSole(settings.pair);
  if (!lock.ok) {
    return fail(
      'failed',
      `a daemon of pair ${settings.pair} runs on this host already. Remedy: vipair status`,
    );
  }
  const links = linkOptionsFrom(config, node.value);
  const floating = floatingFrom(config, node.value);
  const host = await openHostFor({ ...settings, gateHooks: options.gateHooks }, links, floating);
  if (!host.ok) {
    lock.value[Symbol.dispose]();
    return host;
  }
  const inquiry = openInquiry(settings.floating, wirePaths(settings));
  return ok({
    // The core decides by what is in force: a gate that could not be had protects nobody.
    settings: { ...settings, gate: host.value.gateMode, canProbe: inquiry.problem === undefined },
    inquiry,
    links,
    floating,
    keys: keys.value,
    host: host.value,
    lock: lock.value,
    isMaintenance: readMaintenance(options.stateDir, settings.pair, settings.nodeName),
  });
}

async function openHostFor(
  settings: Settings & Pick<PulseOptions, 'gateHooks'>,
  links: readonly LinkSettings[],
  floating: readonly FloatingSettings[],
): Promise<Result<Host, StartRefusal>> {
  const opened = await openHost({
    ...settings,
    floating,
    links,
    lifetimeSeconds: settings.addressLifetimeSeconds,
  });
  if (opened.ok) {
    return opened;
  }
  switch (opened.reason) {
    case 'not-permitted':
      return fail(
        'not-permitted',
        `CAP_NET_ADMIN and CAP_NET_RAW are needed (${opened.detail ?? 'refused'}). Remedy: run as root or by the systemd unit`,
      );
    case 'interface-missing':
      return fail(
        'configuration',
        `there is no interface ${opened.detail ?? ''} on this host. Remedy: correct the configuration, or see ip link`,
      );
    case 'refused':
    case 'no-answer':
    case 'bad-address':
    case 'command-missing':
    case 'koffi-unavailable':
      return fail('failed', `the kernel cannot be spoken to: ${opened.detail ?? opened.reason}`);
  }
}

function makeDirectories(paths: readonly string[]): Result<undefined, StartRefusal> {
  for (const path of paths) {
    try {
      mkdirSync(path, { recursive: true });
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      return fail('not-permitted', `cannot make the directory ${path}: ${words}`);
    }
  }
  return ok(undefined);
}
