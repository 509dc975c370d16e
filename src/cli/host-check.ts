import { readKeyFile } from '../config/key-file.ts';
import { lvsFrom } from '../config/lvs-settings.ts';
import { type Config } from '../config/schema.ts';
import { apiFrom, floatingFrom, linkOptionsFrom, pathsFrom } from '../config/settings.ts';
import { parseAddress } from '../core/address.ts';
import { ownServerProblems } from '../core/own-servers.ts';
import { type GateHooks } from '../core/state.ts';
import { kernelWarnings, tryGateOf } from './kernel-check.ts';
import { type HostView, type TryGate } from './host.ts';

/** What of this host does not fit: problems keep the daemon from starting or working, warnings do not. */
export interface HostFindings {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  /** Where the gate would stop what goes out; undefined where there would be none, or nobody looked. */
  readonly hooks: GateHooks | undefined;
}

/** Where the daemon would run. */
export interface Surroundings {
  readonly host: HostView;
  readonly runtimeDir: string;
  readonly tryGate: TryGate;
}

export async function checkHost(
  config: Config,
  nodeName: string,
  { host, runtimeDir, tryGate }: Surroundings,
): Promise<HostFindings> {
  const key = await readKeyFile(config.heartbeat.key_file);
  const gate = await tryGateOf(config, tryGate);
  return {
    problems: [
      ...(key.ok ? [] : [key.detail ?? key.reason]),
      ...interfaceProblems(config, nodeName, host),
      ...floatingProblems(config, nodeName, host),
      ...socketProblems(config, runtimeDir),
    ],
    warnings: [
      ...ownAddressWarnings(config, nodeName, host),
      ...listenWarnings(config, nodeName, host),
      ...realServerWarnings(config, nodeName, host),
      ...ownServerWarnings(config, nodeName, host),
      ...gate.warnings,
      ...(await kernelWarnings(config, nodeName, host)),
      ...(await trackWarnings(config, host)),
    ],
    hooks: gate.hooks,
  };
}

function interfaceProblems(config: Config, nodeName: string, { interfaceNames }: HostView): string[] {
  const uses = [
    ...linkOptionsFrom(config, nodeName).map((link) => ({ ...link, use: `link ${link.name}` })),
    ...floatingFrom(config, nodeName).map((entry) => ({
      ...entry,
      use: `floating address ${entry.address}`,
    })),
    ...pathsFrom(config, nodeName).map((path) => ({ ...path, use: `path ${path.name}` })),
    ...syncUses(config, nodeName),
  ].filter(({ interfaceName }) => !interfaceNames.includes(interfaceName));
  return [...new Set(uses.map(({ interfaceName }) => interfaceName))].map((name) => {
    const users = uses.filter(({ interfaceName }) => interfaceName === name).map(({ use }) => use);
    const present = interfaceNames.filter((other) => other !== 'lo').slice(0, 8);
    return `this host has no interface ${name} for ${users.join(', ')}; it has ${present.join(', ') || 'none'}`;
  });
}

function syncUses(config: Config, nodeName: string) {
  const { sync } = lvsFrom(config, nodeName);
  return sync === undefined ? [] : [{ ...sync, use: 'connection sync' }];
}

/** On its own interface a floating address may be held by the daemon right now; elsewhere it is in the way. */
function floatingProblems(config: Config, nodeName: string, { addresses }: HostView): string[] {
  return floatingFrom(config, nodeName).flatMap((floating) =>
    addresses
      .filter(
        ({ address, interfaceName }) =>
          address === floating.address && interfaceName !== floating.interfaceName && interfaceName !== 'lo',
      )
      .map(
        ({ address, interfaceName }) =>
          `floating address ${address} is on ${interfaceName} of this host. Remedy: ip address del ${address} dev ${interfaceName}`,
      ),
  );
}

/** sun_path of unix(7) holds 108 bytes with its NUL. */
const LONGEST_SOCKET_BYTES = 107;

function socketProblems(config: Config, runtimeDir: string): string[] {
  const path = `${runtimeDir}/${config.pair}.sock`;
  return new TextEncoder().encode(path).length > LONGEST_SOCKET_BYTES
    ? [
        `the control socket ${path} has a longer name than the ${LONGEST_SOCKET_BYTES} bytes a socket may have`,
      ]
    : [];
}

function ownAddressWarnings(
  config: Config,
  nodeName: string,
  { addresses, interfaceNames }: HostView,
): string[] {
  return linkOptionsFrom(config, nodeName).flatMap(
    ({ name, interfaceName, unicast, group, floatingAddresses }) => {
      const own = addresses.filter(
        (entry) => entry.interfaceName === interfaceName && !floatingAddresses.includes(entry.address),
      );
      if (!interfaceNames.includes(interfaceName)) {
        return [];
      }
      if (unicast !== undefined) {
        return own.some(({ address }) => address === unicast.own)
          ? []
          : [`link ${name}: ${interfaceName} does not have the address ${unicast.own} yet`];
      }
      const family = parseAddress(group ?? '')?.family;
      return own.some(({ address }) => parseAddress(address)?.family === family)
        ? []
        : [`link ${name}: ${interfaceName} has no IPv${family ?? 4} address of its own yet`];
    },
  );
}

function listenWarnings(config: Config, nodeName: string, { addresses }: HostView): string[] {
  const { host } = apiFrom(config, nodeName).listen;
  const isEverywhere = host === '0.0.0.0' || host === '::';
  return isEverywhere || host.startsWith('127.') || addresses.some(({ address }) => address === host)
    ? []
    : [`api.listen: ${host} is no address of this host yet`];
}

/** A director that also serves what it schedules, by direct routing: its own address is on `lo`. */
function realServerWarnings(config: Config, nodeName: string, { addresses }: HostView): string[] {
  return floatingFrom(config, nodeName)
    .filter((floating) =>
      addresses.some(({ address, interfaceName }) => address === floating.address && interfaceName === 'lo'),
    )
    .map(({ address }) =>
      config.gate === 'nftables'
        ? `floating address ${address} is on lo: this director is a real server, too, and while it is backup the gate drops what the other sends it. Remedy: gate: address`
        : `floating address ${address} is on lo: this director is a real server, too; see that it does not answer ARP for it while it is backup (arp_ignore 1, arp_announce 2)`,
    );
}

function ownServerWarnings(config: Config, nodeName: string, { addresses }: HostView): readonly string[] {
  const floating = floatingFrom(config, nodeName);
  const own = addresses.filter(({ address }) => !floating.some((entry) => entry.address === address));
  return ownServerProblems(lvsFrom(config, nodeName).settings.table, {
    addresses: own.map(({ address }) => address),
    gate: config.gate,
    nodeName,
  });
}

async function trackWarnings(
  { scripts, paths }: Config,
  { isExecutable, hasProgram }: HostView,
): Promise<string[]> {
  const unfit = await Promise.all(
    scripts.map(async ({ name, command: [program = ''] }) =>
      (await isExecutable(program))
        ? []
        : [`script ${name}: ${program} does not exist or may not be executed, so it counts as failed`],
    ),
  );
  const needsPing = paths.some(({ probe }) => probe === 'icmp');
  return [
    ...unfit.flat(),
    ...(needsPing && !(await hasProgram('ping'))
      ? ['paths by icmp need the program ping. Remedy: apt-get install iputils-ping']
      : []),
  ];
}
