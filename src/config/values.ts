import { z } from 'zod';
import {
  formatAddress,
  isMulticast,
  isUnspecified,
  type IpAddress,
  parseAddress,
  parsePrefix,
} from '../core/address.ts';

/** The kinds of value that the configuration is made of: how they are written, and what becomes of them. */

const milliseconds = z.number().brand<'Ms'>();
/** A length of time in milliseconds, written with its unit. */
export type Ms = z.infer<typeof milliseconds>;

const DURATION = /^(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A duration with its unit, such as `50ms`, `1.5s` or `1m`, from `leastMs` to `mostMs`. */
export function duration(leastMs: number, mostMs: number) {
  return z
    .string({
      error: ({ input }) =>
        input === undefined ? undefined : 'must be a duration with its unit, such as 50ms, 1.5s or 1m',
    })
    .regex(DURATION, 'is not a duration: write a number and its unit, such as 50ms, 1.5s or 1m')
    .transform(parseDurationMs)
    .pipe(
      milliseconds
        .refine(Number.isInteger, 'must be whole milliseconds')
        .refine(
          (ms) => ms >= leastMs && ms <= mostMs,
          `must be between ${formatDuration(leastMs)} and ${formatDuration(mostMs)}`,
        ),
    );
}

/** As it would be written in the file: the largest unit that leaves a whole number. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) {
    const unitMs = UNIT_MS[unit] ?? 1;
    if (ms >= unitMs && ms % unitMs === 0) {
      return `${ms / unitMs}${unit}`;
    }
  }
  return `${ms}ms`;
}

/** NaN for what is no duration. */
export function parseDurationMs(text: string): number {
  const [, number = '', unit = ''] = DURATION.exec(text) ?? [];
  // Rounded to a microsecond, for 1.1 s times 1000 is not quite 1100.
  return Math.round(Number(number || NaN) * (UNIT_MS[unit] ?? NaN) * 1000) / 1000;
}

/** How often something is looked at, how long it may take, and how many results in a row count. */
export const interval = duration(200, 3_600_000);
export const timeout = duration(50, 60_000);
export const count = z.int().min(1).max(100);

const NAME = /^[A-Za-z0-9_-]{1,32}$/;
/** Names something in status, log and metrics. */
export const name = z.string().regex(NAME, 'must be 1 to 32 of A-Z a-z 0-9 _ -');

// IFNAMSIZ is 16 with the NUL; a colon would make it an alias.
const INTERFACE_NAME = /^(?!\.{1,2}$)[^\s/:]{1,15}$/;
export const interfaceName = z
  .string()
  .regex(INTERFACE_NAME, 'is not an interface name: 1 to 15 characters without space, slash or colon');

const NODE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62})$/;
export const nodeName = z
  .string()
  .regex(NODE_NAME, 'is not a node name: a host name without its domain will do');

/** One value for both nodes, or a map of node names. */
export function perNode<Schema extends z.ZodType<string, string>>(schema: Schema) {
  return z.union([schema, z.record(nodeName, schema)]);
}
export type PerNode = string | Readonly<Record<string, string>>;

/** Of a value that may differ by node, this node's. The configuration is checked, so there is one. */
export function valueFor(value: PerNode, nodeName: string): string {
  const own = typeof value === 'string' ? value : value[nodeName];
  if (own === undefined) {
    throw new Error(`unchecked configuration: no value for node ${nodeName}`);
  }
  return own;
}

export const absoluteFile = z.string().regex(/^\/[^\0]*[^/\0]$/, 'must be an absolute path of a file');

export const programAndArguments = z
  .array(z.string().regex(/^[^\0]*$/, 'must not contain NUL'))
  .min(1)
  .max(64)
  .refine(([program = '/']) => program.startsWith('/'), 'must begin with the absolute path of a program');

/** The address of one host, in its canonical text. */
export const hostAddress = address('is not an address of a host', isHost);

/** A multicast group, in its canonical text. */
export const groupAddress = address(
  'is not a multicast group: 224.0.0.0 to 239.255.255.255, or ff00::/8',
  isMulticast,
);

/** A floating address with its optional prefix length: the whole address unless written. */
export const floatingAddress = z.string().transform((text, context) => {
  const prefix = parsePrefix(text);
  if (prefix === undefined || !isHost(prefix.address)) {
    context.addIssue('is not an address of a host, with or without a /prefix');
    return z.NEVER;
  }
  return { address: formatAddress(prefix.address), prefixLength: prefix.prefixLength };
});

/** `192.0.2.10:80` or `[2001:db8::1]:80`, the address in its canonical text. */
export const endpointAddress = place(
  'is not an address and a port, such as 192.0.2.10:80 or "[2001:db8::1]:80"',
  ({ port }) => port !== undefined,
).transform(({ address, port = 0 }) => ({ address, port }));

/** The same, where the port may be left out. */
export const endpointOrAddress = place(
  'is not an address, with or without a port, such as 10.99.0.11:8080 or "[2001:db8::11]:8080"',
  () => true,
);

interface Place {
  readonly address: string;
  readonly port: number | undefined;
}

function place(complaint: string, isWanted: (place: Place) => boolean) {
  return z.string().transform((text, context): Place => {
    const found = parsePlace(text);
    if (found === undefined || !isWanted(found)) {
      context.addIssue(complaint);
      return z.NEVER;
    }
    return found;
  });
}

/** An IPv6 address without a port may stand without brackets. */
function parsePlace(text: string): Place | undefined {
  const [, v6, v4, portText] = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(0|[1-9]\d{0,4}))?$/.exec(text) ?? [];
  const address = parseAddress(v6 ?? v4 ?? text);
  const port = portText === undefined ? undefined : Number(portText);
  if (
    address === undefined ||
    !isHost(address) ||
    (v6 !== undefined && address.family !== 6) ||
    (port ?? 0) > 65_535
  ) {
    return undefined;
  }
  return { address: formatAddress(address), port };
}

/** `host:port` or `[v6]:port`; stays a text, for a map of nodes has texts as values everywhere. */
export const listenAddress = z.string().refine((text) => parseListen(text) !== undefined, {
  error: 'is not an address and a port, such as 127.0.0.1:10112 or [::1]:10112',
});

export interface Listen {
  readonly host: string;
  readonly port: number;
}

export function parseListen(text: string): Listen | undefined {
  const [, v6, v4, port = ''] = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([1-9]\d{0,4})$/.exec(text) ?? [];
  const host = parseAddress(v6 ?? v4 ?? '');
  if (host === undefined || (v6 !== undefined) !== (host.family === 6) || Number(port) > 65_535) {
    return undefined;
  }
  return { host: formatAddress(host), port: Number(port) };
}

function address(complaint: string, isWanted: (address: IpAddress) => boolean) {
  return z.string().transform((text, context) => {
    const parsed = parseAddress(text);
    if (parsed === undefined || !isWanted(parsed)) {
      context.addIssue(complaint);
      return z.NEVER;
    }
    return formatAddress(parsed);
  });
}

function isHost(address: IpAddress): boolean {
  const isBroadcast = address.family === 4 && address.bytes.every((byte) => byte === 255);
  return !isMulticast(address) && !isUnspecified(address) && !isBroadcast;
}
