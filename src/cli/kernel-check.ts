import { type Config } from '../config/schema.ts';
import { floatingFrom } from '../config/settings.ts';
import { type Failure } from '../core/result.ts';
import { type GateHooks } from '../core/state.ts';
import { type HostView, type TryGate } from './host.ts';

/** CAP_SYS_NICE of capabilities(7). */
const CAP_SYS_NICE_BIT = 23n;
/** What the pulse asks for. */
const REALTIME_PRIORITY = 50;

/** What the configuration wants of the kernel and this host's does not give, or only in a way that bites later. */
export async function kernelWarnings(
  config: Config,
  nodeName: string,
  host: HostView,
): Promise<readonly string[]> {
  return [...(await realtimeWarnings(config, host)), ...(await prefixWarnings(config, nodeName, host))];
}

export interface GateFindings {
  /** Of the gate that this kernel takes whole; undefined where there is none, or none is wanted. */
  readonly hooks: GateHooks | undefined;
  readonly warnings: readonly string[];
}

export async function tryGateOf({ gate }: Config, tryGate: TryGate): Promise<GateFindings> {
  if (gate !== 'nftables') {
    return { hooks: undefined, warnings: [] };
  }
  const tried = await tryGate();
  return tried.ok
    ? { hooks: tried.value, warnings: [] }
    : { hooks: undefined, warnings: [gateWarning(tried)] };
}

function gateWarning(tried: Failure<string>): string {
  const words = tried.detail === undefined || tried.detail === '' ? tried.reason : tried.detail;
  switch (tried.reason) {
    case 'cannot-try':
      return `whether this kernel takes the gate could not be tried: ${words}. Remedy: run this as root`;
    case 'weak':
      return `gate: ${words}`;
    default:
      return `gate: nftables is not to be had here (${tried.reason}: ${words}), and the daemon would fall back to the lifetime of the addresses. Remedy: a kernel with nf_tables for netdev and its egress hook (Linux 5.16), or for netdev, arp and inet, or gate: address to say that this is known`;
  }
}

async function realtimeWarnings({ heartbeat }: Config, { readText }: HostView): Promise<readonly string[]> {
  if (heartbeat.profile !== 'fast') {
    return [];
  }
  const status = (await readText('/proc/self/status')) ?? '';
  const limits = (await readText('/proc/self/limits')) ?? '';
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const limit = /^Max realtime priority\s+(\S+)/m.exec(limits)?.[1] ?? '0';
  const isAllowed =
    ((capabilities >> CAP_SYS_NICE_BIT) & 1n) === 1n ||
    limit === 'unlimited' ||
    Number(limit) >= REALTIME_PRIORITY;
  return isAllowed
    ? []
    : [
        'heartbeat.profile fast needs real-time scheduling, which this process may not have: under load a healthy director would lose its lease. Remedy: run the daemon as root or by the systemd unit, or profile: balanced',
      ];
}

/** Without it the kernel removes with the first address of a network all others of that network. */
async function prefixWarnings(
  config: Config,
  nodeName: string,
  { readText, interfaceNames }: HostView,
): Promise<readonly string[]> {
  const wide = floatingFrom(config, nodeName).filter(
    ({ address, prefixLength, interfaceName }) =>
      !address.includes(':') && prefixLength < 32 && interfaceNames.includes(interfaceName),
  );
  const warnings = await Promise.all(
    wide.map(async ({ address, prefixLength, interfaceName }) => {
      const promotes = await Promise.all(
        ['all', interfaceName].map((name) => readText(`/proc/sys/net/ipv4/conf/${name}/promote_secondaries`)),
      );
      return promotes.some((text) => text?.trim() === '1')
        ? []
        : [
            `floating address ${address}/${prefixLength} is wider than a host, and ${interfaceName} does not promote secondaries: to remove it may remove other addresses of that network. Remedy: write ${address}/32, or sysctl net.ipv4.conf.${interfaceName}.promote_secondaries=1`,
          ];
    }),
  );
  return warnings.flat();
}
