/**
 * The IPVS table as values: what `ipvsadm -Sn` says of the kernel's, and what is wanted of it.
 *
 * Addresses are in their canonical text. The order of services and servers carries no meaning.
 */

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** What a packet must be for a virtual service to take it. */
export type VirtualAddress =
  | {
      readonly kind: 'address';
      readonly protocol: Protocol;
      readonly address: string;
      /** 0 takes every port; the kernel allows it with persistence only. */
      readonly port: number;
    }
  /** A packet that a packet filter has marked. */
  | { readonly kind: 'fwmark'; readonly mark: number; readonly family: 4 | 6 };

/** Sends a client to the real server that it had before. */
export interface Persistence {
  readonly timeoutSeconds: number;
  /** Which clients count as one: an IPv4 netmask as `255.255.255.0`, an IPv6 prefix length as `64`. Undefined: each its own. */
  readonly netmask: string | undefined;
  /** The persistence engine, such as `sip`. */
  readonly engine: string | undefined;
}

/** How a packet gets to a real server. */
export type Forwarding =
  | { readonly method: 'masquerading' }
  | { readonly method: 'direct' }
  | { readonly method: 'tunnelling'; readonly tunnel: Tunnel };

export type Tunnel =
  | { readonly type: 'ipip' }
  | { readonly type: 'gue'; readonly port: number; readonly checksum: TunnelChecksum }
  | { readonly type: 'gre'; readonly checksum: Exclude<TunnelChecksum, 'remcsum'> };

export type TunnelChecksum = 'nocsum' | 'csum' | 'remcsum';

export interface RealServer {
  readonly address: string;
  readonly port: number;
  readonly forwarding: Forwarding;
  /** 0: takes no new connections (quiesced). */
  readonly weight: number;
  /** Above so many connections the kernel sends no new ones; 0: no limit. */
  readonly upperThreshold: number;
  /** And again only below so many. */
  readonly lowerThreshold: number;
}

export interface VirtualService {
  readonly at: VirtualAddress;
  /** As the kernel names it: `rr`, `wlc`, `mh` and so on. */
  readonly scheduler: string;
  /** Flags of the scheduler as `ipvsadm` names them: `sh-port`, `mh-fallback`, `flag-3`. */
  readonly schedulerFlags: readonly string[];
  readonly persistence: Persistence | undefined;
  /** Each datagram is scheduled by itself. UDP only. */
  readonly isOnePacket: boolean;
  readonly servers: readonly RealServer[];
}

export type Table = readonly VirtualService[];

/** Names a virtual service in status, metrics and maps: `tcp 192.0.2.10:80`, `udp [2001:db8::1]:53`, `fwmark 1`, `fwmark 1 IPv6`. */
export function serviceKey(at: VirtualAddress): string {
  switch (at.kind) {
    case 'address':
      return `${at.protocol} ${endpoint(at)}`;
    case 'fwmark':
      return at.family === 6 ? `fwmark ${at.mark} IPv6` : `fwmark ${at.mark}`;
  }
}

/** `192.0.2.10:80` or `[2001:db8::1]:80`; names a real server within its service. */
export function endpoint({ address, port }: { readonly address: string; readonly port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Names a real server of a service among all. */
export function serverId(
  at: VirtualAddress,
  server: { readonly address: string; readonly port: number },
): string {
  return `${serviceKey(at)} ${endpoint(server)}`;
}
