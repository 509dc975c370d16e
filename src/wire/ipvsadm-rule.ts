import { parseAddress } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { type ServiceSettings, type TableChange } from '../core/table-change.ts';
import { type Persistence, type Protocol, type VirtualAddress } from '../core/table.ts';
import { parseOptions, type OptionName, type OptionReason, type Options } from './ipvsadm-options.ts';
import { readServer, serverOptions } from './ipvsadm-server.ts';
import {
  HIGHEST_U32,
  parseMark,
  parseNumber,
  readEndpoint,
  readName,
  readNumber,
  type Endpoint,
  type Problems,
} from './ipvsadm-values.ts';

export type RuleReason = OptionReason | 'unknown-command' | 'bad-value';

/**
 * One command line of `ipvsadm`, with or without that word in front, as the change that it makes. What is
 * not said has the value that `ipvsadm` gives it.
 *
 * Read is what is said, whether or not `ipvsadm` or the kernel would take it: of a real server that is
 * routed to or tunnelled, for one, `ipvsadm` puts the service's port in place of another.
 */
export function parseRule(line: string): Result<TableChange | 'clear', RuleReason> {
  const words = line.split(/\s+/).filter((word) => word !== '');
  const parsed = parseOptions(/(?:^|\/)ipvsadm$/.test(words[0] ?? '') ? words.slice(1) : words);
  if (!parsed.ok) {
    return parsed;
  }
  const [first, ...others] = parsed.value.keys();
  const command = commands.find(({ name }) => name === first);
  if (command === undefined) {
    return fail('unknown-command', 'begins with no command that changes the table, such as -A or -a');
  }
  const unfit = others.find((name) => !command.options.some((option) => option === name));
  if (unfit !== undefined) {
    return fail('bad-option', `--${unfit} does not go with --${command.name}`);
  }
  const problems: Problems = [];
  const change = changeOf(command.name, parsed.value, problems);
  return change === undefined || problems.length > 0 ? fail('bad-value', problems.join('; ')) : ok(change);
}

/** Where the manual page says 300, the program (1.31) takes 360. */
const PERSISTENT_SECONDS = 360;

const protocols: readonly (readonly [Protocol, OptionName])[] = [
  ['tcp', 'tcp-service'],
  ['udp', 'udp-service'],
  ['sctp', 'sctp-service'],
];
const atOptions = [...protocols.map(([, name]) => name), 'fwmark-service', 'ipv6'] as const;
const settingsOptions = ['scheduler', 'sched-flags', 'persistent', 'netmask', 'pe', 'ops'] as const;

const commands = [
  { name: 'add-service', options: [...atOptions, ...settingsOptions] },
  { name: 'edit-service', options: [...atOptions, ...settingsOptions] },
  { name: 'delete-service', options: atOptions },
  { name: 'add-server', options: [...atOptions, 'real-server', ...serverOptions] },
  { name: 'edit-server', options: [...atOptions, 'real-server', ...serverOptions] },
  { name: 'delete-server', options: [...atOptions, 'real-server'] },
  { name: 'clear', options: [] },
] as const satisfies readonly { name: OptionName; options: readonly OptionName[] }[];

type CommandName = (typeof commands)[number]['name'];

function changeOf(
  command: CommandName,
  options: Options,
  problems: Problems,
): TableChange | 'clear' | undefined {
  if (command === 'clear') {
    return 'clear';
  }
  const at = readAt(options, problems);
  if (at === undefined) {
    return undefined;
  }
  switch (command) {
    case 'add-service':
    case 'edit-service':
      return { kind: command, service: readSettings(at, options, problems) };
    case 'delete-service':
      return { kind: 'remove-service', at };
    case 'add-server':
    case 'edit-server':
    case 'delete-server':
      break;
  }
  const place = readPlace(at, options, problems);
  if (place === undefined) {
    return undefined;
  }
  return command === 'delete-server'
    ? { kind: 'remove-server', at, server: place }
    : { kind: command, at, server: readServer(place, options, problems) };
}

function readAt(options: Options, problems: Problems): VirtualAddress | undefined {
  const named = atOptions.filter((name) => name !== 'ipv6' && options.has(name));
  const [name] = named;
  if (name === undefined || named.length > 1) {
    problems.push('names not exactly one service (-t, -u, --sctp-service or -f)');
    return undefined;
  }
  const text = options.get(name) ?? '';
  const protocol = protocols.find(([, option]) => option === name)?.[0];
  if (protocol === undefined) {
    const mark = parseMark(text);
    if (mark === undefined) {
      problems.push(`--${name} ${text} is no mark from 1 to ${HIGHEST_U32}`);
      return undefined;
    }
    return { kind: 'fwmark', mark, family: options.has('ipv6') ? 6 : 4 };
  }
  if (options.has('ipv6')) {
    problems.push('--ipv6 goes with a mark only');
  }
  const place = readEndpoint(name, text, problems);
  return place && { kind: 'address', protocol, address: place.address, port: place.port ?? 0 };
}

/** Without a port it is the service's. */
function readPlace(at: VirtualAddress, options: Options, problems: Problems): Required<Endpoint> | undefined {
  const text = options.get('real-server');
  if (text === undefined) {
    problems.push('names no real server (-r)');
    return undefined;
  }
  const place = readEndpoint('real-server', text, problems);
  return place && { address: place.address, port: place.port ?? (at.kind === 'address' ? at.port : 0) };
}

function readSettings(at: VirtualAddress, options: Options, problems: Problems): ServiceSettings {
  const scheduler = readName('scheduler', options, problems) ?? 'wlc';
  return {
    at,
    scheduler,
    schedulerFlags: readFlags(scheduler, options.get('sched-flags') ?? '', problems),
    persistence: readPersistence(at, options, problems),
    isOnePacket: options.has('ops'),
  };
}

/** Two of the kernel's three scheduler flags have names of their own with the schedulers that know them. */
function readFlags(scheduler: string, text: string, problems: Problems): string[] {
  const isHash = scheduler === 'sh' || scheduler === 'mh';
  const names = isHash ? [`${scheduler}-fallback`, `${scheduler}-port`] : ['flag-1', 'flag-2', 'flag-3'];
  const said = text
    .split(',')
    .filter((flag) => flag !== '')
    .map((flag) => (isHash ? (names[['flag-1', 'flag-2'].indexOf(flag)] ?? flag) : flag));
  problems.push(
    ...said.filter((flag) => !names.includes(flag)).map((flag) => `${scheduler} knows no flag ${flag}`),
  );
  return names.filter((name) => said.includes(name));
}

/** A netmask or an engine without persistence has no effect; `ipvsadm -S` prints such an engine all the same. */
function readPersistence(at: VirtualAddress, options: Options, problems: Problems): Persistence | undefined {
  const netmask = readNetmask(at, options.get('netmask'), problems);
  const engine = readName('pe', options, problems);
  const text = options.get('persistent');
  if (text === undefined) {
    return undefined;
  }
  const timeoutSeconds =
    text === '' ? PERSISTENT_SECONDS : readNumber('persistent', HIGHEST_U32, options, problems);
  return { timeoutSeconds: timeoutSeconds ?? 0, netmask, engine };
}

/** The mask that keeps the whole address is none. */
function readNetmask(at: VirtualAddress, text: string | undefined, problems: Problems): string | undefined {
  if (text === undefined) {
    return undefined;
  }
  const isIpv6 = at.kind === 'address' ? at.address.includes(':') : at.family === 6;
  if (isIpv6) {
    const length = parseNumber(text, 128);
    if (length === undefined || length === 0) {
      problems.push(`--netmask ${text} is no prefix length from 1 to 128`);
    }
    return length === undefined || length === 128 ? undefined : String(length);
  }
  const mask = parseAddress(text);
  if (mask?.family !== 4) {
    problems.push(`--netmask ${text} is no IPv4 netmask`);
    return undefined;
  }
  return text === '255.255.255.255' ? undefined : text;
}
