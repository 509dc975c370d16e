/**
 * What every command is given: the global options, and the terminal it may write to. A command is a
 * function from these to an exit code, so tests run it without a process.
 */
export interface CommonOptions {
  /** Path of the configuration file. */
  readonly config: string;
  /** The node this host is; found by its host name when undefined. */
  readonly node?: string | undefined;
  /** Where the control socket `<pair>.sock` is. */
  readonly runtimeDir: string;
  /** What survives a restart of the host, such as maintenance. */
  readonly stateDir: string;
}

/** The terminal as a command sees it. `out` is for what was asked for, `err` for everything else. */
export interface Io {
  /** Writes the text as it is; the caller ends its lines. */
  out(text: string): void;
  err(text: string): void;
  /** Whether `out` is a terminal. */
  readonly isTty: boolean;
  /** Width of the terminal; undefined when `out` is none. */
  readonly columns?: number | undefined;
  /** Whether colours are wanted on `out`: a terminal, and no NO_COLOR. */
  readonly useColor: boolean;
}

export type RunOptions = CommonOptions;

export interface StatusOptions extends CommonOptions {
  readonly json: boolean;
  readonly watch: boolean;
}

export interface WhyOptions extends CommonOptions {
  readonly json: boolean;
  /** At most this many changes, the newest last. */
  readonly limit: number;
}

export interface EventsOptions extends CommonOptions {
  readonly json: boolean;
  readonly follow: boolean;
  readonly limit: number;
}

export interface FailoverOptions extends CommonOptions {
  readonly json: boolean;
  /** The node that shall hold the addresses; the one that does not hold them when undefined. */
  readonly to?: string | undefined;
  readonly force: boolean;
  readonly timeoutMs: number;
}

export interface MaintenanceOptions extends CommonOptions {
  readonly json: boolean;
  readonly isOn: boolean;
  readonly force: boolean;
}

export interface ServicesOptions extends CommonOptions {
  readonly json: boolean;
}

export interface DrainOptions extends CommonOptions {
  readonly json: boolean;
  /** An address, or an address with a port. */
  readonly server: string;
  /** Name or key of a virtual service; all when undefined. */
  readonly service?: string | undefined;
  readonly isOn: boolean;
}

export interface CheckOptions extends CommonOptions {
  readonly json: boolean;
  /** Print the JSON Schema of the configuration and nothing else. */
  readonly schema: boolean;
  /** Look at this host, too: true and false are the operator's word, undefined means if it is one of the nodes. */
  readonly here?: boolean | undefined;
}

export interface SimulateOptions extends CommonOptions {
  readonly json: boolean;
  /** Names of faults, or `all`. */
  readonly faults: readonly string[];
  readonly seed: number;
  /** Each fault is played so often, at another moment of the heartbeats each time. */
  readonly runCount: number;
}

/** What the shell script of the real servers is asked for; what is undefined is left to it. */
export interface RealServerOptions extends CommonOptions {
  readonly action: 'print' | 'apply' | 'persist' | 'verify' | 'undo';
  /** Empty: the only one of the configuration. */
  readonly addresses: readonly string[];
  readonly method?: string | undefined;
  readonly interfaceName?: string | undefined;
  readonly gateway?: string | undefined;
  readonly root?: string | undefined;
  readonly isTunnel: boolean;
}

export interface RealServerCheckOptions extends CommonOptions {
  readonly json: boolean;
  /** Empty: all floating addresses. */
  readonly addresses: readonly string[];
  /** Their own addresses: each must be heard, or its silence proves nothing. Empty: those of the services. */
  readonly realServers: readonly string[];
  readonly timeoutMs: number;
}

export interface ArpOptions {
  readonly address: string;
  readonly json: boolean;
  readonly timeoutMs: number;
}
