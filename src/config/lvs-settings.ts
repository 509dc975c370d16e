import { type Check, USUAL_TIMING } from '../core/check.ts';
import { type LvsMode, type LvsSettings } from '../core/lvs.ts';
import { type Policy, type ServicePolicy } from '../core/pool.ts';
import { type PathSetting } from '../core/state.ts';
import {
  type Forwarding,
  type Persistence,
  type RealServer,
  serviceKey,
  type VirtualAddress,
  type VirtualService,
} from '../core/table.ts';
import { checkFrom } from './check-settings.ts';
import { type LvsConfig, type ServerConfig, type ServiceConfig, type SorryConfig } from './lvs-schema.ts';
import { type Config } from './schema.ts';
import { valueFor } from './values.ts';

/** What the director process needs for the virtual services. */
export interface LvsOptions {
  readonly mode: LvsMode | 'off';
  /** Its mode is `observe` where there is nothing to do. */
  readonly settings: LvsSettings;
  /** Services that can move the office: each by its key, and the name of the track that it is. */
  readonly tracks: readonly { readonly service: string; readonly track: string }[];
  /** Connection sync: this director sends with its own id and takes in what the peer sends with the other. */
  readonly sync:
    { readonly interfaceName: string; readonly ownId: number; readonly peerId: number } | undefined;
  readonly sysctls: 'check' | 'set' | 'ignore';
}

export function lvsFrom(config: Config, nodeName: string): LvsOptions {
  const { lvs } = config;
  return {
    mode: lvs.mode,
    settings: {
      mode: lvs.mode === 'off' ? 'observe' : lvs.mode,
      table: lvs.mode === 'own' ? lvs.services.map(serviceFrom) : [],
      policies: {
        services: lvs.services.map((service) => servicePolicyFrom(service, lvs, nodeName)),
        stream: usualPolicy(usualCheck(lvs, 'tcp', nodeName), lvs),
        datagram: usualPolicy(usualCheck(lvs, 'icmp', nodeName), lvs),
        mark: usualPolicy(usualCheck(lvs, 'icmp', nodeName), lvs),
      },
    },
    tracks: trackedServices(lvs).map((service) => ({
      service: serviceKey(addressOf(service)),
      track: service.name,
    })),
    sync: syncFrom(config, nodeName),
    sysctls: lvs.sysctls,
  };
}

/**
 * Services that can move the office, as the core watches them. Both directors look at the same real servers, but
 * not at the same moment: the peer may notice a loss later by as much as noticing takes.
 */
export function lvsTracksFrom({ lvs }: Pick<Config, 'lvs'>): readonly PathSetting[] {
  return trackedServices(lvs).map((service) => {
    const { intervalMs, fall, timeoutMs } = timingOf(service, lvs);
    return {
      name: service.name,
      interfaceName: '',
      address: '',
      isService: true,
      source: 'reported',
      peerLagMs: intervalMs * fall + timeoutMs,
      isRequired: service.required ?? false,
      score: service.score ?? 0,
    };
  });
}

/** Which packets a service takes. The configuration is checked: it has an address or a mark. */
export function addressOf({ address, protocol, fwmark, family }: AddressConfig): VirtualAddress {
  return address === undefined
    ? { kind: 'fwmark', mark: fwmark ?? 0, family: family === 'ipv6' ? 6 : 4 }
    : { kind: 'address', protocol: protocol ?? 'tcp', ...address };
}

export type AddressConfig = Pick<ServiceConfig, 'address' | 'protocol' | 'fwmark' | 'family'>;

/** Does it move the office if it is up at the peer only? */
export function isTrack({ required, score }: Pick<ServiceConfig, 'required' | 'score'>): boolean {
  return required === true || score !== undefined;
}

/** How packets get to a real server, or to the sorry server, of a service. */
export function forwardingOf(
  own: Pick<ServerConfig, 'forwarding' | 'tunnel'>,
  service: Pick<ServiceConfig, 'forwarding' | 'tunnel'>,
): Forwarding {
  const method = own.forwarding ?? service.forwarding ?? 'masquerading';
  return method === 'tunnelling'
    ? { method, tunnel: own.tunnel ?? service.tunnel ?? { type: 'ipip' } }
    : { method };
}

/** A port that is left out is that of the service; of a mark, each packet keeps its own. */
export function portOf({ address }: Pick<ServerConfig, 'address'>, service: AddressConfig): number {
  return address.port ?? service.address?.port ?? 0;
}

/** How the real servers of a service are checked by this node. */
export function serviceCheck(service: ServiceConfig, lvs: LvsConfig, nodeName: string): Check {
  return service.check === undefined
    ? usualCheck(lvs, usualKind(addressOf(service)), nodeName)
    : checkFrom(service.check, nodeName);
}

function serviceFrom(service: ServiceConfig): VirtualService {
  return {
    at: addressOf(service),
    scheduler: service.scheduler ?? 'wlc',
    schedulerFlags: (service.scheduler_flags ?? []).toSorted(),
    persistence: persistenceFrom(service.persistence),
    isOnePacket: service.one_packet ?? false,
    servers: (service.servers ?? []).map((server) => realServerFrom(server, service)),
  };
}

function realServerFrom(server: ServerConfig, service: ServiceConfig): RealServer {
  return {
    address: server.address.address,
    port: portOf(server, service),
    forwarding: forwardingOf(server, service),
    weight: server.weight,
    upperThreshold: server.upper_threshold,
    lowerThreshold: server.lower_threshold,
  };
}

function sorryFrom(sorry: SorryConfig, service: ServiceConfig): RealServer {
  const unlimited = { weight: 1, upper_threshold: 0, lower_threshold: 0 };
  return realServerFrom({ ...sorry, ...unlimited }, service);
}

/** The mask that keeps the whole address is none, as the kernel's table says it. */
function persistenceFrom(persistence: ServiceConfig['persistence']): Persistence | undefined {
  if (persistence === undefined) {
    return undefined;
  }
  const { timeout, netmask, engine } = persistence;
  const isWhole = netmask === '255.255.255.255' || netmask === '128';
  return { timeoutSeconds: timeout / 1000, netmask: isWhole ? undefined : netmask, engine };
}

function servicePolicyFrom(service: ServiceConfig, lvs: LvsConfig, nodeName: string): ServicePolicy {
  const { name, quorum, hysteresis, sorry } = service;
  return {
    key: serviceKey(addressOf(service)),
    name,
    check: serviceCheck(service, lvs, nodeName),
    onFailure: service.on_failure ?? lvs.on_failure,
    quorum,
    hysteresis,
    sorry: sorry === undefined ? undefined : sorryFrom(sorry, service),
  };
}

function usualPolicy(check: Check, lvs: LvsConfig): Policy {
  return {
    name: undefined,
    check,
    onFailure: lvs.on_failure,
    quorum: 1,
    hysteresis: 0,
    sorry: undefined,
  };
}

/** A datagram service need not answer what it is not asked for, and a mark does not say what it carries. */
function usualKind(at: VirtualAddress): 'tcp' | 'icmp' {
  return at.kind === 'address' && at.protocol !== 'udp' ? 'tcp' : 'icmp';
}

function usualCheck({ check }: LvsConfig, kind: 'tcp' | 'icmp', nodeName: string): Check {
  if (check !== undefined) {
    return checkFrom(check, nodeName);
  }
  return kind === 'tcp'
    ? { ...USUAL_TIMING, kind, port: undefined, sourceAddress: undefined }
    : { ...USUAL_TIMING, kind, sourceAddress: undefined };
}

/** These are the same on every node. */
function timingOf(service: ServiceConfig, lvs: LvsConfig) {
  const check = service.check ?? lvs.check;
  return check === undefined
    ? USUAL_TIMING
    : { intervalMs: check.interval, timeoutMs: check.timeout, fall: check.fall };
}

/** None where nobody looks. */
function trackedServices({ mode, services }: LvsConfig): (ServiceConfig & { readonly name: string })[] {
  return mode === 'off'
    ? []
    : services.flatMap((service) =>
        isTrack(service) && service.name !== undefined ? [{ ...service, name: service.name }] : [],
      );
}

function syncFrom({ lvs: { sync }, nodes }: Config, nodeName: string): LvsOptions['sync'] {
  if (sync === undefined) {
    return undefined;
  }
  const isFirst = Object.keys(nodes).sort()[0] === nodeName;
  const [first, second] = [sync.id, sync.id + 1];
  return {
    interfaceName: valueFor(sync.interface, nodeName),
    ownId: isFirst ? first : second,
    peerId: isFirst ? second : first,
  };
}
