import { type Check, USUAL_TIMING } from '../core/check.ts';
import { type LvsMode, type LvsSettings } from '../core/lvs.ts';
import { type Policy, type ServicePolicy } from '../core/pool.ts';
import {
  type Forwarding,
  type RealServer,
  serviceKey,
  type Tunnel,
  type VirtualService,
} from '../core/table.ts';
import { checkFrom } from './check-schema.ts';
import { virtualAddressOf } from './lvs-rules.ts';
import { type LvsConfig, type ServerConfig, type ServiceConfig } from './lvs-schema.ts';
import { type Config } from './schema.ts';
import { valueFor } from './values.ts';

/** What the director process needs for the virtual services, as this node sees it. */
export interface LvsOptions {
  readonly mode: LvsMode | 'off';
  /** Its mode is `observe` where there is nothing to do. */
  readonly settings: LvsSettings;
  /** Services that the office depends on, and the tracks they are reported as. */
  readonly tracks: readonly { readonly service: string; readonly track: string }[];
  readonly sync: LvsSync | undefined;
  readonly sysctls: 'check' | 'set' | 'ignore';
}

/** Connection sync: both roles run on both directors, each sending with an id of its own. */
export interface LvsSync {
  readonly interfaceName: string;
  readonly ownId: number;
  readonly peerId: number;
}

export function lvsFrom(config: Config, nodeName: string): LvsOptions {
  const { lvs } = config;
  const services = lvs.services.map((service) => ({ service, at: addressOf(service) }));
  const usual = (kind: 'tcp' | 'icmp') => policyFrom(undefined, lvs, nodeName, kind);
  return {
    mode: lvs.mode,
    settings: {
      mode: lvs.mode === 'off' ? 'observe' : lvs.mode,
      table: lvs.mode === 'own' ? services.map(({ service }) => virtualServiceFrom(service)) : [],
      policies: {
        services: services.map(({ service, at }): ServicePolicy => ({
          ...policyFrom(service, lvs, nodeName, isStream(service) ? 'tcp' : 'icmp'),
          key: serviceKey(at),
        })),
        stream: usual('tcp'),
        datagram: usual('icmp'),
        mark: usual('icmp'),
      },
    },
    tracks: services.flatMap(({ service, at }) =>
      isTrack(service) && service.name !== undefined
        ? [{ service: serviceKey(at), track: service.name }]
        : [],
    ),
    sync: lvs.sync === undefined ? undefined : syncFrom(lvs.sync, config, nodeName),
    sysctls: lvs.sysctls,
  };
}

/** Does the office depend on the service? */
export function isTrack({ required, score }: Pick<ServiceConfig, 'required' | 'score'>): boolean {
  return required === true || score !== undefined;
}

/** By how much the peer may find out later that a service is down: both look at the same real servers, not in step. */
export function serviceLagMs(service: ServiceConfig, { lvs }: Config, nodeName: string): number {
  const { intervalMs, timeoutMs, fall } = policyFrom(service, lvs, nodeName, 'tcp').check;
  return intervalMs * fall + timeoutMs;
}

function isStream(service: ServiceConfig): boolean {
  return service.fwmark === undefined && service.protocol !== 'udp';
}

function policyFrom(
  service: ServiceConfig | undefined,
  lvs: LvsConfig,
  nodeName: string,
  usual: 'tcp' | 'icmp',
): Policy {
  const written = service?.check ?? lvs.check;
  return {
    name: service?.name,
    check: written === undefined ? usualCheck(usual) : checkFrom(written, nodeName),
    onFailure: service?.on_failure ?? lvs.on_failure,
    quorum: service?.quorum ?? 1,
    hysteresis: service?.hysteresis ?? 0,
    sorry:
      service?.sorry === undefined
        ? undefined
        : realServerFrom({ ...service.sorry, weight: 1, upper_threshold: 0, lower_threshold: 0 }, service),
  };
}

function usualCheck(kind: 'tcp' | 'icmp'): Check {
  return kind === 'tcp'
    ? { kind, ...USUAL_TIMING, port: undefined, sourceAddress: undefined }
    : { kind, ...USUAL_TIMING, sourceAddress: undefined };
}

function virtualServiceFrom(service: ServiceConfig): VirtualService {
  const { persistence } = service;
  return {
    at: addressOf(service),
    scheduler: service.scheduler ?? 'wlc',
    schedulerFlags: service.scheduler_flags ?? [],
    persistence:
      persistence === undefined
        ? undefined
        : {
            timeoutSeconds: Math.round(persistence.timeout / 1000),
            netmask: persistence.netmask,
            engine: persistence.engine,
          },
    isOnePacket: service.one_packet ?? false,
    servers: (service.servers ?? []).map((server) => realServerFrom(server, service)),
  };
}

function realServerFrom(
  server: Omit<ServerConfig, 'tunnel'> & { readonly tunnel?: ServerConfig['tunnel'] },
  service: ServiceConfig,
): RealServer {
  return {
    address: server.address.address,
    port: server.address.port ?? service.address?.port ?? 0,
    forwarding: forwardingFrom(
      server.forwarding ?? service.forwarding ?? 'masquerading',
      server.tunnel ?? service.tunnel ?? { type: 'ipip' },
    ),
    weight: server.weight,
    upperThreshold: server.upper_threshold,
    lowerThreshold: server.lower_threshold,
  };
}

function forwardingFrom(method: Forwarding['method'], tunnel: Tunnel): Forwarding {
  return method === 'tunnelling' ? { method, tunnel } : { method };
}

function addressOf(service: ServiceConfig) {
  const at = virtualAddressOf(service);
  if (at === undefined) {
    throw new Error('unchecked configuration: a service without a place');
  }
  return at;
}

function syncFrom(sync: NonNullable<LvsConfig['sync']>, config: Config, nodeName: string): LvsSync {
  const isFirst = Object.keys(config.nodes).sort()[0] === nodeName;
  return {
    interfaceName: valueFor(sync.interface, nodeName),
    ownId: sync.id + (isFirst ? 0 : 1),
    peerId: sync.id + (isFirst ? 1 : 0),
  };
}
