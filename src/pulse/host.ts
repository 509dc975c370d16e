import { type OpenReason, type Soon } from '../adapters/addresses.ts';
import { type Announced } from '../adapters/announcer.ts';
import { type Gate, type GateReason, openGate } from '../adapters/gate.ts';
import { type Kernel, openKernel } from '../adapters/kernel.ts';
import { type FloatingSettings, type LinkSettings } from '../config/settings.ts';
import { formatMac } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { type GateHooks, type GateMode } from '../core/state.ts';
import { type GateSnapshot } from './channel.ts';

export interface HostOptions {
  readonly pair: string;
  readonly floating: readonly FloatingSettings[];
  readonly links: readonly LinkSettings[];
  readonly gate: GateMode;
  readonly leaseMs: number;
  readonly lifetimeSeconds: number;
  /** Unless given: the best that this kernel has. */
  readonly gateHooks?: GateHooks | undefined;
}

/** All that the pulse asks of this host: the addresses, the announcements and the gate before them. */
export interface Host extends Disposable {
  /** What is in force, which may be less than what was asked for. */
  readonly gateMode: GateMode;
  readonly path: 'syscalls' | 'commands';
  claim(): Soon<Result<unknown, string>>;
  renew(): Soon<Result<unknown, string>>;
  /** The kernel took an active heartbeat, begun then: renews the lease where the packet does not do it itself. */
  heartbeatSent(atMs: number): void;
  mute(): void;
  release(): Soon<Result<unknown, string>>;
  /** Says nothing while the lease is not alive. */
  announce(): Soon<Announced>;
  held(): readonly boolean[];
  lost(): readonly string[];
  /** One per distinct floating interface; zeros where there is none. */
  macs(): readonly string[];
  carrierOf(name: string): boolean;
  gate(): Omit<GateSnapshot, 'renewalsLate'>;
  /** Every tick: puts the gate back if somebody took it away; who did, and what is left of the lease. */
  guard(): { readonly culprit: string | undefined; readonly remainingMs: number | undefined };
  /** Walks through a claim without effect, so that the first real one is as fast as any. */
  rehearse(): void;
  /** Every second: looks whether interfaces changed under us. */
  refresh(): void;
  /** The orderly end: the table is removed, for nothing is held any more. */
  close(): void;
}

/** An address that never expires: what `gate: off` asks for. */
const foreverSeconds = 0xffff_ffff;
const noMac = '00:00:00:00:00:00';

/** What makes the gate possible; until then `gate: address` says that its weakness is known. */
const gateRemedies: Readonly<Record<GateReason, string>> = {
  'koffi-unavailable': 'install vipair with its dependencies for this platform, koffi among them',
  'not-permitted': 'run as root, or by the systemd unit, which has CAP_NET_ADMIN',
  'no-nftables':
    'a kernel with CONFIG_NF_TABLES_NETDEV, before Linux 5.16 also CONFIG_NF_TABLES_ARP and CONFIG_NF_TABLES_INET; in a container, modprobe nf_tables on its host',
  'no-egress-hook': 'Linux 5.16 or later with CONFIG_NETFILTER_EGRESS',
  'foreign-table': 'see nft list tables, and remove or rename the other table',
  'invalid-address': 'see vipair check',
  refused: 'see dmesg and vipair check',
};

/** Nothing on the host is touched before every interface is known to be there. */
export async function openHost(
  options: HostOptions,
): Promise<Result<Host, OpenReason | 'interface-missing'>> {
  const lifetimeSeconds = options.gate === 'off' ? foreverSeconds : options.lifetimeSeconds;
  const kernel = await openKernel(options.floating, { lifetimeSeconds });
  if (!kernel.ok) {
    return kernel;
  }
  const { interfaces } = kernel.value;
  const missing = [...options.floating, ...options.links].find(
    ({ interfaceName }) => interfaces.read(interfaceName) === undefined,
  );
  if (missing !== undefined) {
    kernel.value[Symbol.dispose]();
    return fail('interface-missing', missing.interfaceName);
  }
  return ok(createHost({ kernel: kernel.value, ...gateOf(options) }));
}

interface Parts {
  readonly kernel: Kernel;
  readonly gate: Gate | undefined;
  readonly gateMode: GateMode;
  /** Why the gate is weaker than configured. */
  readonly gateProblem: string | undefined;
}

/** The gate that was asked for, or the lifetime of the addresses in its place, and why. */
function gateOf(options: HostOptions): Pick<Parts, 'gate' | 'gateMode' | 'gateProblem'> {
  if (options.gate !== 'nftables') {
    return { gate: undefined, gateMode: options.gate, gateProblem: undefined };
  }
  const opened = openGate({
    pair: options.pair,
    floating: options.floating,
    leaseMs: options.leaseMs,
    hooks: options.gateHooks,
    links: options.links.flatMap(({ interfaceName, port, group, unicast }) => {
      const destination = unicast?.peer ?? group;
      const source = unicast === undefined ? {} : { source: unicast.own };
      return destination === undefined ? [] : [{ interfaceName, port, destination, ...source }];
    }),
  });
  return opened.ok
    ? { gate: opened.value, gateMode: 'nftables', gateProblem: undefined }
    : {
        gate: undefined,
        gateMode: 'address',
        gateProblem: `${opened.detail ?? opened.reason}. Remedy: ${gateRemedies[opened.reason]}`,
      };
}

function createHost(parts: Parts): Host {
  const { kernel, gate, gateMode } = parts;
  const { addresses, announcer, interfaces } = kernel;
  let reinstalled = 0;
  let renewedAtMs = -Infinity;

  /** Addresses first, for the gate lets through only what is there; none without the other. */
  function openAfter(claimed: Result<unknown, string>): Soon<Result<unknown, string>> {
    const opened = claimed.ok ? gate?.open() : undefined;
    if (opened === undefined || opened.ok) {
      return claimed;
    }
    const released = addresses.release();
    return released instanceof Promise ? released.then(() => opened) : opened;
  }

  return {
    gateMode,
    path: kernel.path,
    claim() {
      const claimed = addresses.claim();
      return claimed instanceof Promise ? claimed.then(openAfter) : openAfter(claimed);
    },
    renew: () => addresses.renew(),
    heartbeatSent(atMs) {
      // Once for the copies of a heartbeat on all links, and never back in time.
      if (atMs > renewedAtMs && gate?.renew(atMs) === true) {
        renewedAtMs = atMs;
      }
    },
    mute: () => {
      gate?.mute();
    },
    release() {
      // Shut first: with one batch all addresses fall silent at the same moment.
      gate?.close();
      return addresses.release();
    },
    announce: () => (passesGate(gate) ? announcer.announce() : unspoken),
    held: () => addresses.held(),
    lost: () => addresses.lost(),
    macs: () => announcer.macs().map(({ mac }) => (mac === undefined ? noMac : formatMac(mac))),
    carrierOf: (name) => interfaces.carrierOf(name),
    gate: () => ({
      mode: gateMode,
      hooks: gate?.hooks,
      problem: parts.gateProblem ?? gate?.weakness(),
      remainingMs: gate?.remaining()?.speakMs,
      reinstalled: reinstalled,
    }),
    guard() {
      // What is left is also what a reinstalled gate gets, so it is read on every tick.
      const remainingMs = gate?.remaining()?.speakMs;
      const tampering = gate?.tampered();
      if (tampering !== undefined) {
        reinstalled += 1;
        gate?.reinstall();
      }
      return { culprit: tampering?.by, remainingMs };
    },
    rehearse() {
      addresses.rehearse();
      announcer.rehearse();
    },
    refresh() {
      announcer.refresh();
      gate?.refresh();
    },
    close() {
      gate?.remove();
    },
    [Symbol.dispose]() {
      gate?.[Symbol.dispose]();
      kernel[Symbol.dispose]();
    },
  };
}

/** The frames of an announcement pass the egress hook, which judges them, and no output hook. */
function passesGate(gate: Gate | undefined): boolean {
  return gate?.hooks !== 'output' || (gate.remaining()?.speakMs ?? 0) > 0;
}

const unspoken: Announced = { sent: 0, failures: [] };
