import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attempt } from './command.ts';
import { startDaemon, type Daemon } from './daemon.ts';
import { eventually } from './eventually.ts';
import { ownAddresses, privateFloating, publicFloating, routers, type Lab, type Router } from './lab.ts';

/** The program under test: the compiled `main.js` beside this file's own build. */
export const mainFile = fileURLToPath(new URL('../../src/main.js', import.meta.url));

/** What `vipair status --json` prints, as far as the lab relies on it. */
export interface Status {
  readonly pair: string;
  readonly node: string;
  readonly role: 'initialize' | 'backup' | 'active';
  readonly since: string;
  readonly term: number;
  readonly why: string;
  readonly maintenance: boolean;
  readonly floating: readonly {
    readonly address: string;
    readonly interface: string;
    readonly held: boolean;
  }[];
  /** Since when the silent peer still answers for the addresses. */
  readonly contested: string | null;
  readonly paths: readonly { readonly up: boolean | null; readonly peerUp: boolean | null }[];
  readonly lease: {
    readonly mode: string;
    readonly hooks: string | null;
    readonly lifetimeSeconds: number;
    readonly problem: string | null;
  };
  readonly timers: { readonly intervalMs: number; readonly leaseMs: number; readonly deadMs: number };
  readonly pid: number;
}

export interface PairOptions {
  readonly profile?: 'balanced' | 'fast' | 'relaxed';
  /** The section as YAML, in flow style; off unless given. */
  readonly lvs?: string;
  /** More lines for the end of the configuration. */
  readonly extra?: string;
}

/** Writes configuration and key of the pair into the lab; both routers read the same file. */
export function configurePair(lab: Lab, options: PairOptions = {}): string {
  const keyFile = join(lab.directory, 'heartbeat.key');
  // An existing file would keep its mode.
  rmSync(keyFile, { force: true });
  writeFileSync(keyFile, `1 ${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  const configFile = join(lab.directory, 'vipair.yaml');
  writeFileSync(configFile, pairConfiguration(lab, keyFile, options));
  return configFile;
}

export function pairConfiguration(lab: Lab, keyFile: string, options: PairOptions = {}): string {
  const direct = routers.map((router) => `${router}: ${ownAddresses[router].eth2}`).join(', ');
  return `pair: lab
nodes:
  lvs1: { priority: 150 }
  lvs2: { priority: 100 }
heartbeat:
  profile: ${options.profile ?? 'balanced'}
  key_file: ${keyFile}
  links:
    - { name: public,  interface: eth0 }
    - { name: private, interface: eth1 }
${lab.isDirect ? `    - { name: direct,  interface: eth2, peers: { ${direct} } }\n` : ''}floating:
  - { address: ${publicFloating}, interface: eth0, label: "eth0:1" }
  - { address: ${privateFloating},  interface: eth1, label: "eth1:1" }
failback: manual
lvs: ${options.lvs ?? '{ mode: off }'}
${options.extra ?? ''}`;
}

/** Where one router keeps its control socket and its state: two routers of one lab share a file system. */
export function directoriesOf(lab: Lab, router: Router): readonly string[] {
  const runtime = join(lab.directory, `${router}-run`);
  const state = join(lab.directory, `${router}-state`);
  mkdirSync(runtime, { recursive: true });
  mkdirSync(state, { recursive: true });
  return ['--runtime-dir', runtime, '--state-dir', state];
}

/** Arguments that every command of one router's vipair is given. */
export function commonArguments(lab: Lab, router: Router): readonly string[] {
  return ['--config', join(lab.directory, 'vipair.yaml'), '--node', router, ...directoriesOf(lab, router)];
}

export interface StartOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Its log begins with the offset of its clock to the one that all processes share. */
  readonly printClock?: boolean;
  /** Another program in the place of `mainFile`. */
  readonly program?: string;
}

export function startVipair(lab: Lab, router: Router, options: StartOptions = {}): Daemon {
  const clock = options.printClock === true ? ['--import', clockFile] : [];
  return startDaemon(
    lab,
    router,
    [
      process.execPath,
      '--single-threaded-gc',
      ...clock,
      options.program ?? mainFile,
      'run',
      ...commonArguments(lab, router),
    ],
    { name: `vipair-${router}`, environment: options.environment ?? {} },
  );
}

const clockFile = new URL('./clock-print.js', import.meta.url).href;

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command of vipair on a router, to its end or to the deadline, without blocking this process. */
export function vipair(
  lab: Lab,
  router: Router,
  argv: readonly string[],
  deadlineMs = 20_000,
): Promise<Finished> {
  const child = spawn(
    'ip',
    [
      'netns',
      'exec',
      lab.hosts[router],
      process.execPath,
      mainFile,
      ...argv,
      ...commonArguments(lab, router),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], timeout: deadlineMs, killSignal: 'SIGKILL' },
  );
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
  return new Promise((resolve) => {
    child.once('close', (code) => {
      resolve({ code: code ?? 128, ...text });
    });
  });
}

/** The status, or undefined while no daemon answers. */
export async function statusOf(lab: Lab, router: Router): Promise<Status | undefined> {
  const done = await vipair(lab, router, ['status', '--json']);
  return done.code === 0 ? (JSON.parse(done.stdout) as Status) : undefined;
}

/** The floating addresses that the kernel of a router has, in configured order. */
export function heldBy(lab: Lab, router: Router): readonly boolean[] {
  const shown = attempt(['ip', '-n', lab.hosts[router], '-j', 'addr', 'show']);
  const interfaces = JSON.parse(shown.stdout === '' ? '[]' : shown.stdout) as readonly {
    readonly ifname?: string;
    readonly addr_info?: readonly { readonly local?: string }[];
  }[];
  const has = (name: string, address: string) =>
    interfaces.some(
      ({ ifname, addr_info }) =>
        ifname === name && addr_info?.some(({ local }) => local === address) === true,
    );
  return [has('eth0', publicFloating), has('eth1', privateFloating)];
}

/** The router whose kernel holds all floating addresses while the other holds none. */
export function ownerOf(lab: Lab): Router | undefined {
  const held = routers.map((router) => heldBy(lab, router));
  const [first, second] = held;
  if (first?.every(Boolean) === true && second?.some(Boolean) === false) {
    return 'lvs1';
  }
  return second?.every(Boolean) === true && first?.some(Boolean) === false ? 'lvs2' : undefined;
}

export function peerOf(router: Router): Router {
  return router === 'lvs1' ? 'lvs2' : 'lvs1';
}

/** Waits until exactly this router (or any) holds everything, by the word of the kernel. */
export function untilOwner(lab: Lab, wanted?: Router, deadlineMs = 10_000): Promise<Router> {
  return eventually(
    `${wanted ?? 'one router'} holds both addresses and the other none`,
    () => {
      const owner = ownerOf(lab);
      return owner !== undefined && (wanted === undefined || owner === wanted) ? owner : undefined;
    },
    deadlineMs,
    () => JSON.stringify(routers.map((router) => [router, heldBy(lab, router)])),
  );
}

/** Waits until both daemons answer and each says of itself what its kernel says, one active and one backup. */
export function untilAgreed(lab: Lab, deadlineMs = 10_000): Promise<Readonly<Record<Router, Status>>> {
  let last: unknown;
  return eventually(
    'both status agree with the kernels, one active and one backup',
    async () => {
      const [lvs1, lvs2] = await Promise.all(routers.map((router) => statusOf(lab, router)));
      last = { lvs1, lvs2 };
      if (lvs1 === undefined || lvs2 === undefined) {
        return undefined;
      }
      const isAgreed = ([lvs1, lvs2] as const).every(
        (status, at) => disagreement(lab, routers[at] ?? 'lvs1', status) === undefined,
      );
      const roles = [lvs1.role, lvs2.role].sort().join(' ');
      return isAgreed && roles === 'active backup' ? { lvs1, lvs2 } : undefined;
    },
    deadlineMs,
    () => JSON.stringify(last),
  );
}

/** How a status differs from the kernel of its router; undefined when it does not. */
export function disagreement(lab: Lab, router: Router, status: Status): string | undefined {
  const kernel = heldBy(lab, router);
  const said = status.floating.map(({ held }) => held);
  if (said.length !== kernel.length || said.some((held, at) => held !== kernel[at])) {
    return `${router} says held=${said.join(',')}, its kernel says ${kernel.join(',')}`;
  }
  const isHolder = kernel.every(Boolean);
  return isHolder === (status.role === 'active')
    ? undefined
    : `${router} says it is ${status.role}, its kernel holds ${kernel.join(',')}`;
}

/** What a loss of power would have cleared: floating addresses and rules that outlive the daemon. */
export function clearAfterPowerLoss(lab: Lab, router: Router): void {
  const namespace = lab.hosts[router];
  attempt(['ip', '-n', namespace, 'addr', 'del', `${publicFloating}/32`, 'dev', 'eth0']);
  attempt(['ip', '-n', namespace, 'addr', 'del', `${privateFloating}/32`, 'dev', 'eth1']);
  flushGate(lab, router);
}

/** What an operator's firewall script does first. */
export function flushGate(lab: Lab, router: Router): void {
  attempt(['ip', 'netns', 'exec', lab.hosts[router], 'nft', 'flush', 'ruleset']);
}
