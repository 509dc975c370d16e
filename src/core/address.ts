/**
 * IP and MAC addresses as plain values: parse, format, compare.
 *
 * Nothing here throws: a text that is not an address parses to undefined. A zone (`fe80::1%eth0`) is
 * refused, for every place that needs an interface names it by itself.
 */

export type Family = 4 | 6;

export interface IpAddress {
  readonly family: Family;
  /** Network order; 4 or 16 bytes. */
  readonly bytes: Uint8Array;
}

export interface AddressPrefix {
  readonly address: IpAddress;
  /** 0..32 or 0..128. */
  readonly prefixLength: number;
}

/**
 * IPv4 in four decimal octets without leading zeros (which some programs read as octal), or IPv6 in any
 * form of RFC 4291 §2.2: `::`, upper case, the last 32 bits as IPv4.
 */
export function parseAddress(text: string): IpAddress | undefined {
  if (text.length > LONGEST_TEXT) {
    return undefined;
  }
  const family = text.includes(':') ? 6 : 4;
  const bytes = family === 6 ? parseIpv6(text) : parseIpv4(text);
  return bytes === undefined ? undefined : { family, bytes: Uint8Array.from(bytes) };
}

/** The canonical text: RFC 5952 for IPv6, so two texts are equal exactly when the addresses are. */
export function formatAddress(address: IpAddress): string {
  return address.family === 4 ? address.bytes.join('.') : formatIpv6(address.bytes);
}

/** IPv4 before IPv6, then by value; 0 exactly when both are the same address. */
export function compareAddresses(a: IpAddress, b: IpAddress): number {
  return a.family === b.family ? compareBytes(a.bytes, b.bytes) : a.family - b.family;
}

/** `address` or `address/length`; without a length, all bits: a host. */
export function parsePrefix(text: string): AddressPrefix | undefined {
  const [head = '', length, ...rest] = text.split('/');
  const address = parseAddress(head);
  if (address === undefined || rest.length > 0) {
    return undefined;
  }
  const bits = address.bytes.length * 8;
  const prefixLength = length === undefined ? bits : parseDecimal(length, bits);
  return prefixLength === undefined ? undefined : { address, prefixLength };
}

/** Always with the length, also where it is the whole address. */
export function formatPrefix(prefix: AddressPrefix): string {
  return `${formatAddress(prefix.address)}/${prefix.prefixLength}`;
}

/** Whether the address lies in the network that the prefix describes; its host bits do not matter. */
export function prefixContains(prefix: AddressPrefix, address: IpAddress): boolean {
  return (
    prefix.address.family === address.family &&
    address.bytes.every((byte, index) => {
      const bits = Math.min(8, Math.max(0, prefix.prefixLength - 8 * index));
      const mask = (0xff00 >> bits) & 0xff;
      return ((byte ^ (prefix.address.bytes[index] ?? 0)) & mask) === 0;
    })
  );
}

/** 224.0.0.0/4 and ff00::/8. */
export function isMulticast(address: IpAddress): boolean {
  const first = address.bytes[0] ?? 0;
  return address.family === 4 ? first >> 4 === 0xe : first === 0xff;
}

/** fe80::/10; always false for IPv4. */
export function isLinkLocal(address: IpAddress): boolean {
  const [first = 0, second = 0] = address.bytes;
  return address.family === 6 && first === 0xfe && second >> 6 === 2;
}

/** 0.0.0.0 and `::`. */
export function isUnspecified(address: IpAddress): boolean {
  return address.bytes.every((byte) => byte === 0);
}

/** Six bytes from `00:16:3e:aa:bb:cc`, also with hyphens and in upper case. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}$/i.test(text)) {
    return undefined;
  }
  return Uint8Array.from(text.split(/[:-]/), (octet) => parseInt(octet, 16));
}

export function formatMac(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Lexicographic; the shorter first when one begins the other. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (const [index, byte] of a.entries()) {
    const difference = byte - (b[index] ?? -1);
    if (difference !== 0) {
      return difference;
    }
  }
  return a.length - b.length;
}

/** The longest IPv6 text, with an embedded IPv4 address: INET6_ADDRSTRLEN without its NUL. */
const LONGEST_TEXT = 45;
const WORDS = 8;

function parseIpv4(text: string): number[] | undefined {
  const octets = text.split('.').map((octet) => parseDecimal(octet, 255));
  return octets.length === 4 && octets.every(isDefined) ? octets : undefined;
}

function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::');
  const [head = '', tail] = halves;
  if (halves.length > 2) {
    return undefined;
  }
  const before = parseWords(head, tail === undefined);
  const after = parseWords(tail ?? '', true);
  if (before === undefined || after === undefined) {
    return undefined;
  }
  const missing = WORDS - before.length - after.length;
  // `::` stands for one word of zeros at least (RFC 4291 §2.2).
  if (tail === undefined ? missing !== 0 : missing < 1) {
    return undefined;
  }
  const words = [...before, ...new Array<number>(missing).fill(0), ...after];
  return words.flatMap((word) => [word >> 8, word & 0xff]);
}

/** Colon-separated words; the last may be an IPv4 address where the text ends with it. */
function parseWords(text: string, endsAddress: boolean): number[] | undefined {
  if (text === '') {
    return [];
  }
  const parts = text.split(':');
  const words: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      words.push(parseInt(part, 16));
      continue;
    }
    const embedded = endsAddress && index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (embedded === undefined) {
      return undefined;
    }
    const [a = 0, b = 0, c = 0, d = 0] = embedded;
    words.push((a << 8) | b, (c << 8) | d);
  }
  return words;
}

function parseDecimal(text: string, highest: number): number | undefined {
  const value = /^(?:0|[1-9][0-9]{0,2})$/.test(text) ? Number(text) : undefined;
  return value === undefined || value > highest ? undefined : value;
}

/** RFC 5952 §4 and §5: lower case, no leading zeros, the first longest run of zeros as `::`. */
function formatIpv6(bytes: Uint8Array): string {
  const words = Array.from({ length: WORDS }, (_, index) => wordAt(bytes, 2 * index));
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  if (isMapped) {
    return `::ffff:${bytes.subarray(12).join('.')}`;
  }
  const texts = words.map((word) => word.toString(16));
  const run = longestZeroRun(words);
  return run.length < 2
    ? texts.join(':')
    : `${texts.slice(0, run.start).join(':')}::${texts.slice(run.start + run.length).join(':')}`;
}

function longestZeroRun(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [index, word] of words.entries()) {
    length = word === 0 ? length + 1 : 0;
    if (length > best.length) {
      best = { start: index + 1 - length, length };
    }
  }
  return best;
}

function wordAt(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

function isDefined<Value>(value: Value | undefined): value is Value {
  return value !== undefined;
}
