/**
 * What a director keeps of the virtual services between two of its lives, and what it tells its peer of
 * drains, as JSON. It is read back as a stranger's: of what cannot be understood nothing is believed.
 */
import { formatAddress, parseAddress } from '../core/address.ts';
import { type Drain, latestStamp } from '../core/drains.ts';
import { type LvsMemory, noMemory } from '../core/lvs.ts';
import { type Kept } from '../core/pool.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { endpoint, type Forwarding, type RealServer, type Tunnel } from '../core/table.ts';

/** The kernel's table does not survive a reboot; but it may be saved before it and loaded again after it. */
export interface MemoryFile extends LvsMemory {
  /** Of the kernel: /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
}

const longestText = 32 * 1024 * 1024;

/**
 * What of the file is true under the kernel of this boot: the operator's drains are in any case. After another
 * boot a real server that is found as it was left may come from a table that was saved so; one that is not
 * there may be anybody's work, and what was found then is old.
 */
export function parseMemory(text: string, bootId: string): Result<LvsMemory, 'malformed'> {
  const file = text.length > longestText ? undefined : objectOf(jsonOf(text));
  if (file === undefined) {
    return fail('malformed', 'it is not a JSON object');
  }
  const drains = listOf(file['drains'], parseDrain);
  const kept = listOf(file['kept'], parseKept);
  const failed = listOf(file['failed'], textOf);
  const overridden = listOf(file['overridden'], textOf);
  if (drains === undefined || kept === undefined || failed === undefined || overridden === undefined) {
    return fail('malformed', 'it is not what vipair writes');
  }
  const saved = kept
    .map((entry) => ({ ...entry, left: entry.left.filter((weight) => weight !== 'removed') }))
    .filter(({ left }) => left.length > 0);
  return ok(
    file['bootId'] === bootId ? { drains, kept, failed, overridden } : { ...noMemory, drains, kept: saved },
  );
}

export function parseDrain(value: unknown): Drain | undefined {
  const drain = objectOf(value);
  const server = textOf(drain?.['server']);
  const service = drain?.['service'] === undefined ? undefined : printableOf(drain['service']);
  const stamp = instantOf(drain?.['stamp']);
  const wallMs = instantOf(drain?.['wallMs']);
  const by = printableOf(drain?.['by']);
  const isOn = drain?.['isOn'];
  if (
    server === undefined ||
    !isServer(server) ||
    stamp === undefined ||
    wallMs === undefined ||
    by === undefined ||
    typeof isOn !== 'boolean' ||
    (drain?.['service'] !== undefined && service === undefined)
  ) {
    return undefined;
  }
  return { server, service, isOn, stamp, by, wallMs };
}

function parseKept(value: unknown): Kept | undefined {
  const kept = objectOf(value);
  const service = textOf(kept?.['service']);
  const server = textOf(kept?.['server']);
  const left = listOf(kept?.['left'], (weight) => (weight === 'removed' ? weight : countOf(weight)));
  const base = kept?.['base'] === undefined ? undefined : parseServer(kept['base']);
  return service === undefined ||
    server === undefined ||
    left === undefined ||
    (kept?.['base'] !== undefined && base === undefined)
    ? undefined
    : { service, server, base, left };
}

function parseServer(value: unknown): RealServer | undefined {
  const server = objectOf(value);
  const address = textOf(server?.['address']);
  const port = countOf(server?.['port']);
  const weight = countOf(server?.['weight']);
  const upperThreshold = countOf(server?.['upperThreshold']);
  const lowerThreshold = countOf(server?.['lowerThreshold']);
  const forwarding = parseForwarding(server?.['forwarding']);
  return address === undefined ||
    parseAddress(address) === undefined ||
    port === undefined ||
    weight === undefined ||
    upperThreshold === undefined ||
    lowerThreshold === undefined ||
    forwarding === undefined
    ? undefined
    : { address, port, forwarding, weight, upperThreshold, lowerThreshold };
}

function parseForwarding(value: unknown): Forwarding | undefined {
  const forwarding = objectOf(value);
  switch (forwarding?.['method']) {
    case 'masquerading':
      return { method: 'masquerading' };
    case 'direct':
      return { method: 'direct' };
    case 'tunnelling': {
      const tunnel = parseTunnel(forwarding['tunnel']);
      return tunnel === undefined ? undefined : { method: 'tunnelling', tunnel };
    }
    default:
      return undefined;
  }
}

function parseTunnel(value: unknown): Tunnel | undefined {
  const tunnel = objectOf(value);
  const checksum = tunnel?.['checksum'];
  const port = countOf(tunnel?.['port']);
  switch (tunnel?.['type']) {
    case 'ipip':
      return { type: 'ipip' };
    case 'gre':
      return checksum === 'csum' || checksum === 'nocsum' ? { type: 'gre', checksum } : undefined;
    case 'gue':
      return port !== undefined && (checksum === 'csum' || checksum === 'nocsum' || checksum === 'remcsum')
        ? { type: 'gue', port, checksum }
        : undefined;
    default:
      return undefined;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.length <= 256 ? value : undefined;
}

/** It is shown to people at a terminal. */
function printableOf(value: unknown): string | undefined {
  const text = textOf(value);
  return text !== undefined && /^[ -~]+$/.test(text) ? text : undefined;
}

/** Unix milliseconds that a date can be made of. */
function instantOf(value: unknown): number | undefined {
  const number = countOf(value);
  return number !== undefined && number <= latestStamp ? number : undefined;
}

/** An address, or one with its port, as the table writes it. */
function isServer(text: string): boolean {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? [];
  const parsed = parseAddress(bracketed ?? plain ?? text);
  if (parsed === undefined) {
    return false;
  }
  const address = formatAddress(parsed);
  return text === (port === undefined ? address : endpoint({ address, port: Number(port) }));
}

function numberOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) ? Number(value) : undefined;
}

function countOf(value: unknown): number | undefined {
  const number = numberOf(value);
  return number !== undefined && number >= 0 ? number : undefined;
}

/** All or nothing. */
function listOf<Value>(
  value: unknown,
  parse: (element: unknown) => Value | undefined,
): readonly Value[] | undefined {
  const list = Array.isArray(value) ? value.map(parse) : [undefined];
  return list.every((element) => element !== undefined) ? list : undefined;
}
