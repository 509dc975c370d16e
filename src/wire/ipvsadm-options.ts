import { fail, ok, type Result } from '../core/result.ts';

/** Each by its long name. */
const options = [
  { name: 'add-service', short: 'A', value: 'none' },
  { name: 'edit-service', short: 'E', value: 'none' },
  { name: 'delete-service', short: 'D', value: 'none' },
  { name: 'add-server', short: 'a', value: 'none' },
  { name: 'edit-server', short: 'e', value: 'none' },
  { name: 'delete-server', short: 'd', value: 'none' },
  { name: 'clear', short: 'C', value: 'none' },
  { name: 'tcp-service', short: 't', value: 'required' },
  { name: 'udp-service', short: 'u', value: 'required' },
  { name: 'sctp-service', short: undefined, value: 'required' },
  { name: 'fwmark-service', short: 'f', value: 'required' },
  { name: 'ipv6', short: '6', value: 'none' },
  { name: 'scheduler', short: 's', value: 'required' },
  // Of `sh` with only the third flag, which it does not know, `ipvsadm -S` prints `-b` without a flag.
  { name: 'sched-flags', short: 'b', value: 'optional' },
  { name: 'persistent', short: 'p', value: 'optional' },
  { name: 'netmask', short: 'M', value: 'required' },
  { name: 'pe', short: undefined, value: 'required' },
  { name: 'ops', short: 'o', value: 'none' },
  { name: 'real-server', short: 'r', value: 'required' },
  { name: 'masquerading', short: 'm', value: 'none' },
  { name: 'gatewaying', short: 'g', value: 'none' },
  { name: 'ipip', short: 'i', value: 'none' },
  { name: 'tun-type', short: undefined, value: 'required' },
  { name: 'tun-port', short: undefined, value: 'required' },
  { name: 'tun-nocsum', short: undefined, value: 'none' },
  { name: 'tun-csum', short: undefined, value: 'none' },
  { name: 'tun-remcsum', short: undefined, value: 'none' },
  { name: 'weight', short: 'w', value: 'required' },
  { name: 'u-threshold', short: 'x', value: 'required' },
  { name: 'l-threshold', short: 'y', value: 'required' },
] as const;

type Option = (typeof options)[number];

export type OptionName = Option['name'];

/** The options of one line by their long names; those without a value have the empty text. */
export type Options = ReadonlyMap<OptionName, string>;

export type OptionReason = 'unknown-option' | 'bad-option';

/**
 * The words of a command line as options: long or short, short ones also joined (`-mw 3`), a value also
 * behind an equals sign or, of a short option, right behind its letter. Their order is kept.
 */
export function parseOptions(words: readonly string[]): Result<Options, OptionReason> {
  const found = new Map<OptionName, string>();
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [option, attached, joined] = splitWord(word);
    if (option === undefined) {
      return word.startsWith('-')
        ? fail('unknown-option', `unknown option ${word}`)
        : fail('bad-option', `${word} belongs to no option`);
    }
    if (found.has(option.name)) {
      return fail('bad-option', `${word}: --${option.name} a second time`);
    }
    const value = option.value === 'none' ? '' : (attached ?? nextWord(option, rest));
    if (attached !== undefined && option.value === 'none') {
      return fail('bad-option', `${word}: --${option.name} takes no value`);
    }
    if (value === undefined && option.value === 'required') {
      return fail('bad-option', `${word} needs a value`);
    }
    found.set(option.name, value ?? '');
    if (joined !== undefined) {
      rest.unshift(joined);
    }
  }
  return ok(found);
}

/** The option of a word, the value that is attached to it, and what is left of joined short options. */
function splitWord(word: string): readonly [Option | undefined, (string | undefined)?, string?] {
  const long = /^--([a-z0-9-]+)(?:=(.*))?$/.exec(word);
  if (long !== null) {
    return [options.find(({ name }) => name === long[1]), long[2]];
  }
  const [, letter, tail = ''] = /^-([A-Za-z0-9])(.*)$/.exec(word) ?? [];
  const option = options.find(({ short }) => short !== undefined && short === letter);
  if (option === undefined || tail === '') {
    return [option];
  }
  return option.value === 'none' ? [option, undefined, `-${tail}`] : [option, tail.replace(/^=/, '')];
}

/** A value that may be absent is absent where the next word is an option; one that must be there takes any word. */
function nextWord(option: Option, rest: string[]): string | undefined {
  return option.value === 'optional' && rest[0]?.startsWith('-') === true ? undefined : rest.shift();
}
