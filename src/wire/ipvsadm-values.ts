import { formatAddress, parseAddress } from '../core/address.ts';
import { type OptionName, type Options } from './ipvsadm-options.ts';

/** What is wrong with a line; a reader that adds to it returns something of the right type all the same. */
export type Problems = string[];

export interface Endpoint {
  readonly address: string;
  readonly port?: number;
}

export const HIGHEST_PORT = 0xffff;
export const HIGHEST_U32 = 2 ** 32 - 1;

/** `192.0.2.10:80`, `[2001:db8::1]:80`, or an address without a port. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const bracketed = /^\[(.*)\](?::(.*))?$/.exec(text);
  const plain = /^([^:]*)(?::([^:]*))?$/.exec(text) ?? [text, text];
  const [, host = '', portText] = bracketed ?? plain;
  const address = parseAddress(host);
  const port = portText === undefined ? undefined : parseNumber(portText, HIGHEST_PORT);
  if (address === undefined || (bracketed !== null && address.family === 4)) {
    return undefined;
  }
  if (portText === undefined) {
    return { address: formatAddress(address) };
  }
  return port === undefined ? undefined : { address: formatAddress(address), port };
}

/** `ipvsadm -S` and `-L` print a mark with its highest bit set as a negative number. */
export function parseMark(text: string): number | undefined {
  const isNegative = text.startsWith('-');
  const mark = parseNumber(isNegative ? text.slice(1) : text, isNegative ? 2 ** 31 : HIGHEST_U32);
  return mark === undefined || mark === 0 ? undefined : isNegative ? 2 ** 32 - mark : mark;
}

export function readEndpoint(name: OptionName, text: string, problems: Problems): Endpoint | undefined {
  const place = parseEndpoint(text);
  if (place === undefined) {
    problems.push(
      `--${name} ${text} is no numeric address with a numeric port (ipvsadm -Sn prints numbers, not names)`,
    );
  }
  return place;
}

/** As the kernel bounds the names of its modules for IPVS: 15 characters. */
export function readName(name: OptionName, options: Options, problems: Problems): string | undefined {
  const text = options.get(name);
  if (text !== undefined && !/^[\w.-]{1,15}$/.test(text)) {
    problems.push(`--${name} ${text} is no name`);
  }
  return text;
}

export function readNumber(
  name: OptionName,
  highest: number,
  options: Options,
  problems: Problems,
): number | undefined {
  const text = options.get(name);
  const value = text === undefined ? undefined : parseNumber(text, highest);
  if (text !== undefined && value === undefined) {
    problems.push(`--${name} ${text} is no number from 0 to ${highest}`);
  }
  return value;
}

export function parseNumber(text: string, highest: number): number | undefined {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : undefined;
  return value === undefined || value > highest ? undefined : value;
}
