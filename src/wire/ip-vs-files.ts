/**
 * What the kernel shows of IPVS below /proc/net: connections of each real server, and totals. Reading them
 * starts no program and asks for no right.
 */
import { formatAddress, parseAddress } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { type Protocol, type VirtualAddress } from '../core/table.ts';

export interface ServiceConnections {
  /** The kernel does not say for which family a mark is: its real servers tell, and IPv4 where it has none. */
  readonly at: VirtualAddress;
  readonly scheduler: string;
  /** The kernel does not say so of a service with an IPv6 address. */
  readonly isOnePacket: boolean;
  readonly isPersistent: boolean;
  readonly servers: readonly ServerConnections[];
}

export interface ServerConnections {
  readonly address: string;
  readonly port: number;
  readonly method: 'masquerading' | 'direct' | 'tunnelling' | 'local';
  readonly weight: number;
  readonly activeConnections: number;
  readonly inactiveConnections: number;
}

/** Since IPVS was loaded or its counters were set to zero. */
export interface Totals {
  readonly connections: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export type FileReason = 'too-large' | 'bad-line';

const LONGEST_TEXT = 16 * 1024 * 1024;

/** The text of /proc/net/ip_vs. */
export function parseServices(text: string): Result<readonly ServiceConnections[], FileReason> {
  if (text.length > LONGEST_TEXT) {
    return fail('too-large', `more than ${LONGEST_TEXT} characters`);
  }
  const found: { service: Omit<ServiceConnections, 'servers'>; servers: ServerConnections[] }[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (headings.test(line)) {
      continue;
    }
    const server = parseServer(line);
    const service = server === undefined ? parseService(line) : undefined;
    if (service !== undefined) {
      found.push({ service, servers: [] });
      continue;
    }
    const last = found.at(-1);
    if (server === undefined || last === undefined) {
      return fail('bad-line', `line ${index + 1}: ${line.slice(0, 200)}`);
    }
    last.servers.push(server);
  }
  return ok(
    found.map(({ service, servers }) => ({ ...service, at: withFamily(service.at, servers), servers })),
  );
}

/** The text of /proc/net/ip_vs_stats; the rates in it are left to whoever reads the totals twice. */
export function parseTotals(text: string): Result<Totals, FileReason> {
  const line = text.slice(0, 1000).split('\n', 3)[2] ?? '';
  const numbers = /^ *[0-9A-F]{1,16}(?: +[0-9A-F]{1,16}){4} *$/.test(line) ? line.trim().split(/ +/) : [];
  const [connections, packetsIn, packetsOut, bytesIn, bytesOut] = numbers.map((digits) =>
    parseInt(digits, 16),
  );
  if (
    connections === undefined ||
    packetsIn === undefined ||
    packetsOut === undefined ||
    bytesIn === undefined ||
    bytesOut === undefined
  ) {
    return fail('bad-line', `line 3: ${line.slice(0, 200)}`);
  }
  return ok({ connections, packetsIn, packetsOut, bytesIn, bytesOut });
}

const headings = /^(?:IP Virtual Server version .*|Prot LocalAddress:Port .*| {2}-> RemoteAddress:Port .*|)$/;

const protocols: Readonly<Record<string, Protocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' };

const methods: Readonly<Record<string, ServerConnections['method']>> = {
  Masq: 'masquerading',
  Route: 'direct',
  Tunnel: 'tunnelling',
  Local: 'local',
};

/** `TCP  C000020A:0050 wlc  persistent 36000 FFFFFF00`, `FWM  00000001 wlc ops `; the timeout is in the kernel's ticks. */
function parseService(line: string): Omit<ServiceConnections, 'servers'> | undefined {
  const [, kind = '', name = '', scheduler = '', flags = ''] =
    /^([A-Z]+) +(\S+) (\S+)( .*)?$/.exec(line) ?? [];
  const at = kind === 'FWM' ? parseMark(name) : parseAt(protocols[kind], name);
  return (
    at && {
      at,
      scheduler,
      isOnePacket: / ops /.test(`${flags} `),
      isPersistent: flags.includes(' persistent '),
    }
  );
}

function parseAt(protocol: Protocol | undefined, text: string): VirtualAddress | undefined {
  const place = parsePlace(text);
  return place && protocol && { kind: 'address', protocol, ...place };
}

function parseMark(text: string): VirtualAddress | undefined {
  return /^[0-9A-F]{8}$/.test(text) ? { kind: 'fwmark', mark: parseInt(text, 16), family: 4 } : undefined;
}

function parseServer(line: string): ServerConnections | undefined {
  const [, place, method = '', weight, active, inactive] =
    /^ {2}-> (\S+) +([A-Za-z]+) +([0-9]{1,10}) +([0-9]{1,10}) +([0-9]{1,10}) *$/.exec(line) ?? [];
  const parsed = place === undefined ? undefined : parsePlace(place);
  const known = methods[method];
  return (
    parsed &&
    known && {
      ...parsed,
      method: known,
      weight: Number(weight),
      activeConnections: Number(active),
      inactiveConnections: Number(inactive),
    }
  );
}

/** `C000020A:0050` or `[2001:0db8:0000:0000:0000:0000:0000:0001]:0050`. */
function parsePlace(text: string): { address: string; port: number } | undefined {
  const [, ipv4, ipv6, port = ''] = /^(?:([0-9A-F]{8})|\[([0-9a-f:]{39})\]):([0-9A-F]{4})$/.exec(text) ?? [];
  const dotted = ipv4
    ?.match(/../g)
    ?.map((octet) => parseInt(octet, 16))
    .join('.');
  const address = parseAddress(dotted ?? ipv6 ?? '');
  return address && { address: formatAddress(address), port: parseInt(port, 16) };
}

/** Only a tunnel may lead to a real server of the other family, so any other real server tells more. */
function withFamily(at: VirtualAddress, servers: readonly ServerConnections[]): VirtualAddress {
  const teller = servers.find(({ method }) => method !== 'tunnelling') ?? servers[0];
  return at.kind === 'fwmark' && teller?.address.includes(':') === true ? { ...at, family: 6 } : at;
}
