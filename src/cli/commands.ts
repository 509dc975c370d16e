import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDurationMs } from '../config/values.ts';
import { type Help, helpText } from './help.ts';
import { type LookUpMac } from './arp.ts';
import { type TryGate } from './host.ts';
import { type ProveSilent } from './realserver-check.ts';
import {
  type ArpOptions,
  type CheckOptions,
  type CommonOptions,
  type DrainOptions,
  type EventsOptions,
  type FailoverOptions,
  type Io,
  type MaintenanceOptions,
  type RealServerOptions,
  type RunOptions,
  type ServicesOptions,
  type StatusOptions,
  type WhyOptions,
} from './run-options.ts';

/** What the command line cannot do by itself, because it lies in layers that it does not know. */
export interface Rim {
  /** The daemon; resolves with its exit code when it has ended. */
  run(options: RunOptions): Promise<number>;
  readonly lookUpMac: LookUpMac;
  readonly tryGate: TryGate;
  readonly proveSilent: ProveSilent;
  /** Of this program, for `--version`. */
  readonly version: string;
}

const LONGEST_TIMEOUT_MS = 3_600_000;

/** What every command is hung on. */
interface Frame {
  readonly program: Command;
  readonly io: Io;
  readonly rim: Rim;
  /** Takes the exit code. */
  readonly finish: (code: number) => void;
}

/** Each command loads its own code when it is called, so that the daemon does not carry that of the others. */
export function addCommands(frame: Frame): void {
  addRun(frame);
  addCheck(frame);
  addStatus(frame);
  addWhy(frame);
  addEvents(frame);
  addFailover(frame);
  addMaintenance(frame);
  addServices(frame);
  addDrain(frame);
  addUndrain(frame);
  addArp(frame);
  addRealServer(frame);
  addSimulate(frame);
}

function addRun({ program, rim, finish }: Frame): void {
  command(program, 'run', 'Run the daemon in the foreground.', {
    text: 'Hears the peer, holds the floating addresses while in office, and serves metrics and the API.\nLogs to stderr. SIGTERM hands over and ends; SIGUSR1 hands over.',
    examples: ['', '--node lvs1 --config ./vipair.yaml --runtime-dir ./run'],
    codes: ['failed', 'notPermitted', 'configuration'],
  }).action(async (_options, self: Command) => {
    finish(await rim.run(commonOptions(self)));
  });
}

function addCheck({ program, io, rim, finish }: Frame): void {
  command(program, 'check', 'Check the configuration, and this host against it.', {
    text: 'Prints every problem with its line; or what was understood, and which single failures would move the\naddresses, as a rehearsal with the real election shows it.',
    examples: ['', '--config ./vipair.yaml --no-here', '--schema > vipair.schema.json'],
    codes: ['configuration'],
  })
    .option('--json', 'print data')
    .option('--schema', 'print the JSON Schema of the configuration file')
    .option('--here', 'look at this host, too (default: if it is one of the nodes)')
    .addOption(new Option('--no-here', 'look at the file only'))
    .action(async (options: Given<CheckOptions>, self: Command) => {
      const { checkCommand } = await import('./check.ts');
      finish(
        await checkCommand(
          { ...commonOptions(self), json: false, schema: false, ...options },
          io,
          rim.tryGate,
        ),
      );
    });
}

function addStatus({ program, io, finish }: Frame): void {
  command(program, 'status', 'Show the pair as this director sees it.', {
    text: 'Who is active, since when and why; links, floating addresses, lease.',
    examples: ['', '--watch', '--json | jq -r .role'],
    codes: ['unreachable', 'notPermitted', 'configuration'],
  })
    .option('--json', 'print data')
    .option('--watch', 'redraw on every change, until ^C')
    .action(async (options: Given<StatusOptions>, self: Command) => {
      const { statusCommand } = await import('./status.ts');
      finish(await statusCommand({ ...commonOptions(self), json: false, watch: false, ...options }, io));
    });
}

function addWhy({ program, io, finish }: Frame): void {
  command(program, 'why', 'Say why the office last changed hands.', {
    text: 'A sentence for each of the last changes, with the numbers that decided.',
    examples: ['', '--limit 1'],
    codes: ['unreachable', 'notPermitted', 'configuration'],
  })
    .option('--json', 'print data')
    .option('--limit <count>', 'how many changes', parseCount, 5)
    .action(async (options: Given<WhyOptions> & { limit: number }, self: Command) => {
      const { whyCommand } = await import('./why.ts');
      finish(await whyCommand({ ...commonOptions(self), json: false, ...options }, io));
    });
}

function addEvents({ program, io, finish }: Frame): void {
  command(program, 'events', 'Show what happened.', {
    text: 'The latest events of this director, the newest last.',
    examples: ['', '--follow', '--limit 100 --json'],
    codes: ['unreachable', 'notPermitted', 'configuration'],
  })
    .option('--json', 'print data, one event per line')
    .option('--follow', 'go on with what happens, until ^C')
    .option('--limit <count>', 'how many events', parseCount, 20)
    .action(async (options: Given<EventsOptions> & { limit: number }, self: Command) => {
      const { eventsCommand } = await import('./events.ts');
      finish(await eventsCommand({ ...commonOptions(self), json: false, follow: false, ...options }, io));
    });
}

function addFailover({ program, io, finish }: Frame): void {
  command(program, 'failover', 'Move the floating addresses to the other director.', {
    text: 'The new owner goes first, so nothing is lost. Done when the peer holds the addresses; asking twice is harmless.',
    examples: ['', '--to lvs2', '--force --timeout 10s'],
    codes: ['failed', 'unreachable', 'tryLater', 'notPermitted', 'configuration'],
  })
    .option('--json', 'print data')
    .option('--to <node>', 'the node that shall hold them (default: the one that does not)')
    .option('--force', 'also if the peer says that it is not ready')
    .addOption(timeoutOption('5s'))
    .action(async (options: Given<FailoverOptions> & { timeout: number }, self: Command) => {
      const { failoverCommand } = await import('./failover.ts');
      const { timeout: timeoutMs, ...rest } = options;
      finish(
        await failoverCommand({ ...commonOptions(self), json: false, force: false, ...rest, timeoutMs }, io),
      );
    });
}

function addMaintenance({ program, io, finish }: Frame): void {
  command(program, 'maintenance', 'Keep this director out of office, or let it back.', {
    text: 'An active director hands over first. Survives restarts.',
    examples: ['on', 'off', 'on --force'],
    codes: ['failed', 'unreachable', 'tryLater', 'notPermitted', 'configuration'],
  })
    .addArgument(program.createArgument('<state>', 'on or off').choices(['on', 'off']))
    .option('--json', 'print data')
    .option('--force', 'also if the peer cannot take over')
    .action(async (state: 'on' | 'off', options: Given<MaintenanceOptions>, self: Command) => {
      const { maintenanceCommand } = await import('./maintenance.ts');
      finish(
        await maintenanceCommand(
          { ...commonOptions(self), json: false, force: false, ...options, isOn: state === 'on' },
          io,
        ),
      );
    });
}

function addServices({ program, io, finish }: Frame): void {
  command(program, 'services', 'Show the virtual services and the health of their real servers.', {
    text: 'Weights as they are in the kernel, what the checks find, connections, drains.',
    examples: ['', '--json'],
    codes: ['unreachable', 'notPermitted', 'configuration'],
  })
    .option('--json', 'print data')
    .action(async (options: Given<ServicesOptions>, self: Command) => {
      const { servicesCommand } = await import('./services.ts');
      finish(await servicesCommand({ ...commonOptions(self), json: false, ...options }, io));
    });
}

function addDrain(frame: Frame): void {
  drainLike(frame, true, 'drain', 'Let a real server have no new connections.', {
    text: 'Its weight becomes 0 on both directors, and established connections go on. Survives restarts and failovers.',
    examples: ['10.99.0.11', '10.99.0.11:80 --service web'],
    codes: ['failed', 'unreachable', 'notPermitted', 'configuration'],
  });
}

function addUndrain(frame: Frame): void {
  drainLike(frame, false, 'undrain', 'Let a drained real server have new connections again.', {
    text: 'Takes back a drain of the same words.',
    examples: ['10.99.0.11', '10.99.0.11:80 --service web'],
    codes: ['failed', 'unreachable', 'notPermitted', 'configuration'],
  });
}

function drainLike(
  { program, io, finish }: Frame,
  isOn: boolean,
  name: string,
  ...[summary, help]: readonly [string, Help]
): void {
  command(program, name, summary, help)
    .argument('<server>', 'ADDRESS:PORT, or an address for all its ports')
    .option('--json', 'print data')
    .option('--service <service>', 'only in this virtual service, by its name or as vipair services shows it')
    .action(async (server: string, options: Given<DrainOptions>, self: Command) => {
      const { drainCommand } = await import('./drain.ts');
      finish(await drainCommand({ ...commonOptions(self), json: false, ...options, server, isOn }, io));
    });
}

function addArp({ program, io, rim, finish }: Frame): void {
  command(program, 'arp', 'Ask which MAC address answers for an IPv4 address.', {
    text: 'Pings the address, then reads the neighbour table of this host. For diagnosis only.',
    examples: ['192.0.2.10'],
    codes: ['failed'],
  })
    .argument('<address>', 'an IPv4 address')
    .option('--json', 'print data')
    .addOption(timeoutOption('4s'))
    .action(async (address: string, options: Given<ArpOptions> & { timeout: number }) => {
      const { arpCommand } = await import('./arp.ts');
      const { timeout: timeoutMs, json = false } = options;
      finish(await arpCommand({ address, json, timeoutMs }, io, rim.lookUpMac));
    });
}

function addRealServer({ program, io, rim, finish }: Frame): void {
  command(program, 'realserver', "Set up and check the real servers' side of direct routing.", {
    text: `print     what to run on a real server, and how to get it there
apply     on a real server: put the addresses there and keep it from answering ARP for them
persist   make that so at every boot, before the network is up
verify    look whether it is so
undo      take back what apply and persist made
check     on a director: ask the wire whether anybody but the pair answers for a floating address

Real servers need no vipair: deploy/real-server/vipair-realserver.sh does the same there, without Node.`,
    examples: [
      'print --address 192.0.2.10',
      'verify --gateway 10.99.0.1',
      'check --server 192.0.2.11 --server 192.0.2.12',
    ],
    codes: ['failed', 'notPermitted', 'configuration'],
  })
    .addArgument(
      program
        .createArgument('<action>', 'what to do')
        .choices(['print', 'apply', 'persist', 'verify', 'undo', 'check']),
    )
    .option('--address <address>', 'a floating address that clients use; may be given again', collect)
    .addOption(
      new Option('--method <method>', 'how a real server is kept silent (default: sysctl)').choices([
        'sysctl',
        'arptables',
        'nftables',
      ]),
    )
    .option('--interface <name>', 'where a real server has the addresses (default: lo)')
    .option('--tunnel', 'for tunnelling: the addresses go on tunl0')
    .option('--gateway <address>', 'verify: the default route must lead to it')
    .option('--root <directory>', 'files of persist and notes of apply are below it')
    .option(
      '--server <address>',
      "check: a real server's own address; may be given again (default: those of the services)",
      collect,
    )
    .option('--json', 'check: print data')
    .addOption(timeoutOption('1s'))
    .action(
      async (action: RealServerOptions['action'] | 'check', options: RealServerGiven, self: Command) => {
        const { address: addresses = [], server: realServers = [], json = false } = options;
        const common = commonOptions(self);
        const stray = (action === 'check' ? onlyOfScript : onlyOfCheck).find((name) => name in options);
        if (stray !== undefined) {
          self.error(`error: option '--${stray}' does not belong to '${action}'`);
        }
        if (action === 'check') {
          const { realServerCheckCommand } = await import('./realserver-check.ts');
          const asked = { ...common, addresses, realServers, json, timeoutMs: options.timeout };
          finish(await realServerCheckCommand(asked, io, rim.proveSilent));
          return;
        }
        const { realServerCommand } = await import('./realserver.ts');
        const { method, interface: interfaceName, tunnel: isTunnel = false, gateway, root } = options;
        finish(
          await realServerCommand(
            { ...common, action, addresses, method, interfaceName, isTunnel, gateway, root },
            io,
          ),
        );
      },
    );
}

const onlyOfScript = ['method', 'interface', 'tunnel', 'gateway', 'root'] as const;
const onlyOfCheck = ['server', 'json'] as const;

interface RealServerGiven {
  readonly address?: readonly string[];
  readonly method?: string;
  readonly interface?: string;
  readonly tunnel?: true;
  readonly gateway?: string;
  readonly root?: string;
  readonly server?: readonly string[];
  readonly json?: true;
  readonly timeout: number;
}

function addSimulate({ program, io, finish }: Frame): void {
  command(program, 'simulate', 'Play faults on this configuration, and see what would move and why.', {
    text: 'The decisions are those of the daemon; network, kernels and time are simulated, and nothing of this host is touched.',
    examples: ['', '--fault host-down --fault port-silent:eth0', '--runs 100 --json'],
    codes: ['configuration'],
  })
    .option('--json', 'print data')
    .option('--fault <name>', 'a fault by its name; may be given again (default: all)', collect)
    .option('--runs <count>', 'how often each is played', parseCount, 10)
    .option('--seed <number>', 'where chance begins: the same number, the same result', parseCount, 1)
    .action(async (options: { json?: true; fault?: string[]; runs: number; seed: number }, self: Command) => {
      const { simulateCommand } = await import('./simulate.ts');
      const { json = false, fault: faults = ['all'], runs: runCount, seed } = options;
      finish(await simulateCommand({ ...commonOptions(self), json, faults, runCount, seed }, io));
    });
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}

/** What commander hands over of a command's options: those that were given. */
type Given<Options> = Partial<Omit<Options, keyof CommonOptions>>;

function command(program: Command, name: string, summary: string, help: Help): Command {
  return program.command(name).description(summary).addHelpText('after', helpText(name, help));
}

function commonOptions(self: Command): CommonOptions {
  const { config, node, runtimeDir, stateDir } = self.optsWithGlobals<{
    config: string;
    node?: string;
    runtimeDir?: string;
    stateDir?: string;
  }>();
  return {
    config,
    node,
    runtimeDir: runtimeDir ?? '/run/vipair',
    stateDir: stateDir ?? runtimeDir ?? '/var/lib/vipair',
  };
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) {
    throw new InvalidArgumentError('It must be a whole number from 1 to 9999.');
  }
  return Number(text);
}

function timeoutOption(preset: string): Option {
  return new Option('--timeout <duration>', 'how long to wait for the outcome')
    .argParser(parseTimeoutMs)
    .default(parseTimeoutMs(preset), preset);
}

function parseTimeoutMs(text: string): number {
  const ms = parseDurationMs(text);
  if (!(ms > 0 && ms <= LONGEST_TIMEOUT_MS)) {
    throw new InvalidArgumentError('It must be a duration with its unit, such as 500ms or 5s.');
  }
  return ms;
}
