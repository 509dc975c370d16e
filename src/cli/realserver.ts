import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Readable } from 'node:stream';
import { loadConfig } from '../config/load.ts';
import { formatAddress, parseAddress } from '../core/address.ts';
import { type ExitCodeName, exitCode, exitCodes } from './exit-codes.ts';
import { complain } from './print.ts';
import { type Io, type RealServerOptions } from './run-options.ts';

/**
 * `vipair realserver`: the real server's side of direct routing. What is done there is known to one shell script
 * alone, which real servers run without Node; here it is found, given the addresses, and run.
 */
export async function realServerCommand(options: RealServerOptions, io: Io): Promise<number> {
  const script = findScript();
  if (script === undefined) {
    complain(io, `cannot find ${SCRIPT} above ${import.meta.dirname}. Remedy: install vipair again`);
    return exitCode('failed');
  }
  const addresses = await addressesOf(options, io);
  if (typeof addresses === 'number') {
    return addresses;
  }
  const words = wordsOf(options, addresses);
  if (options.action !== 'print') {
    return runShell([script, options.action, ...words], io);
  }
  let commands = '';
  const code = await runShell([script, 'print', ...words], {
    ...io,
    out: (text) => {
      commands += text;
    },
  });
  if (code === exitCode('ok')) {
    io.out(recipe(script, words, commands));
  }
  return code;
}

const SCRIPT = join('deploy', 'real-server', 'vipair-realserver.sh');

/** It is shipped beside the program, wherever the build has put that. */
function findScript(): string | undefined {
  for (
    let directory = import.meta.dirname;
    directory !== dirname(directory);
    directory = dirname(directory)
  ) {
    const path = join(directory, SCRIPT);
    if (existsSync(path)) {
      return path;
    }
  }
  return undefined;
}

/** Those that were named, or the only one of the configuration; otherwise the exit code after the complaint. */
async function addressesOf(options: RealServerOptions, io: Io): Promise<readonly string[] | number> {
  const { action, addresses, gateway } = options;
  if (addresses.length > 0 || action === 'undo' || (action === 'verify' && gateway !== undefined)) {
    return addresses.map(canonical);
  }
  const loaded = await loadConfig(options.config);
  if (!loaded.ok) {
    complain(
      io,
      `no --address given, and ${loaded.detail ?? loaded.reason}. Name the floating addresses that clients use`,
    );
    return exitCode(loaded.reason === 'unreadable' ? 'usage' : 'configuration');
  }
  const floating = loaded.value.config.floating.map(({ address }) => address.address);
  if (floating.length === 1) {
    return floating;
  }
  // The gateway of real servers by NAT is a floating address, too: on their lo it would cut them off.
  complain(
    io,
    `the floating addresses are ${floating.join(', ')}: which do clients use? Remedy: ${floating
      .slice(0, 1)
      .map((address) => `vipair realserver ${action} --address ${address}`)
      .join('')}; not the gateway of real servers`,
  );
  return exitCode('usage');
}

/** What is no address stays as it is: the script says what is wrong with it. */
function canonical(text: string): string {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
}

function wordsOf(options: RealServerOptions, addresses: readonly string[]): readonly string[] {
  const { method, interfaceName, gateway, root, isTunnel } = options;
  const named = { method, interface: interfaceName, gateway, root };
  return [
    ...addresses.flatMap((address) => ['--address', address]),
    ...Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value])),
    ...(isTunnel ? ['--tunnel'] : []),
  ];
}

function recipe(script: string, words: readonly string[], commands: string): string {
  const there = (action: string) =>
    `#   ssh root@REAL-SERVER sh vipair-realserver.sh ${action} ${words.join(' ')}`;
  return [
    '# For each real server; the script is all that it needs:',
    `#   scp ${script} root@REAL-SERVER:`,
    there('apply'),
    there('persist'),
    there('verify'),
    '# Then on a director: vipair realserver check',
    '#',
    '# What apply does there, as far as it is not so yet:',
    commands,
  ].join('\n');
}

/** The script's exit codes are those of this program; whatever else happens to it is a failure. */
const passed: readonly ExitCodeName[] = ['ok', 'failed', 'usage', 'notPermitted'];

function runShell(words: readonly string[], io: Io): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', [...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    forward(child.stdout, (text) => {
      io.out(text);
    });
    forward(child.stderr, (text) => {
      io.err(text);
    });
    child.once('error', (error) => {
      complain(io, `cannot run /bin/sh: ${error.message}`);
    });
    child.once('close', (code) => {
      const name = passed.find((known) => exitCodes[known].code === code);
      resolve(exitCode(name ?? 'failed'));
    });
  });
}

function forward(stream: Readable, write: (text: string) => void): void {
  stream.setEncoding('utf8');
  stream.on('data', write);
}
