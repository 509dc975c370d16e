import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { command, connect, ip, withNamespaces } from './namespace.ts';

/** One router with a gate, a client on its public side and a real server on its private side. */
export interface GateLab {
  readonly router: GateWorker;
  readonly client: GateWorker;
  readonly server: GateWorker;
}

export interface GateWorker {
  readonly space: string;
  call(method: string, ...parameters: readonly unknown[]): Promise<unknown>;
  /** Runs a command in the namespace; its exit code, with what it printed. */
  run(...words: readonly string[]): { readonly status: number | null; readonly out: string };
  /** kill -9. */
  kill(): Promise<void>;
}

export const public4 = '10.66.1.100';
export const private4 = '10.66.2.100';
export const public6 = 'fd66:1::100';
export const router4 = '10.66.1.2';
export const router6 = 'fd66:1::2';
export const direct4 = '10.66.9.2';
export const floating = [
  { address: public4, interfaceName: 'eth0' },
  { address: public6, interfaceName: 'eth0' },
  { address: private4, interfaceName: 'eth1' },
];

export async function withGateLab(use: (lab: GateLab) => Promise<void>): Promise<void> {
  await withNamespaces(3, async (router = '', client = '', server = '') => {
    connect([router, 'eth0'], [client, 'eth0']);
    connect([router, 'eth1'], [server, 'eth0']);
    connect([router, 'eth2'], [client, 'eth2']);
    for (const [space, address, name] of [
      [router, '10.66.1.2/24', 'eth0'],
      [router, 'fd66:1::2/64', 'eth0'],
      [router, '10.66.2.2/24', 'eth1'],
      [router, '10.66.9.2/24', 'eth2'],
      [router, `${public4}/32`, 'eth0'],
      [router, `${public6}/128`, 'eth0'],
      [router, `${private4}/32`, 'eth1'],
      [client, '10.66.1.9/24', 'eth0'],
      [client, 'fd66:1::9/64', 'eth0'],
      [client, '10.66.9.3/24', 'eth2'],
      [server, '10.66.2.9/24', 'eth0'],
    ] as const) {
      // A floating address is deprecated from the start, or IPv6 would choose it for the router's own traffic.
      const isFloating = address.endsWith('/32') || address.endsWith('/128');
      const lifetime = isFloating ? ['valid_lft', '3600', 'preferred_lft', '0'] : [];
      const quick = address.includes(':') ? ['nodad'] : [];
      ip(['-n', space, 'address', 'add', address, 'dev', name, ...lifetime, ...quick]);
    }
    command('ip', ['netns', 'exec', router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    // The client knows the way back by the router's own address: what is tested is the way there.
    ip(['-n', client, 'route', 'add', '10.66.2.0/24', 'via', router4]);
    ip(['-n', server, 'route', 'add', 'default', 'via', private4]);
    const workers = [router, client, server].map((space) => startGateWorker(space));
    const [first, second, third] = workers;
    try {
      await use({ router: first!, client: second!, server: third! });
    } finally {
      await Promise.all(workers.map((worker) => worker.end()));
    }
  });
}

/** `prefix` is a command to start it by, such as `setpriv`. */
export function startGateWorker(
  space: string,
  prefix: readonly string[] = [],
): GateWorker & { end(): Promise<void> } {
  const script = new URL('./gate-worker.js', import.meta.url).pathname;
  const words = ['netns', 'exec', space, ...prefix, process.execPath, '--enable-source-maps', script];
  const child = spawn('ip', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      resolve();
    });
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    space,
    call: async (method, ...parameters) => {
      child.stdin.write(`${JSON.stringify({ method, parameters })}\n`);
      const line = await lines.next();
      if (line.done === true) {
        throw new Error(`the worker ended in ${method}`);
      }
      const answer = JSON.parse(line.value) as { value?: unknown; error?: string };
      if (answer.error !== undefined) {
        throw new Error(`${method}: ${answer.error}`);
      }
      return answer.value;
    },
    run: (...command) => {
      const done = spawnSync('ip', ['netns', 'exec', space, ...command], { encoding: 'utf8' });
      return { status: done.status, out: done.stdout + done.stderr };
    },
    kill: async () => {
      // `ip netns exec` replaces itself by the program, so the child is the worker.
      child.kill('SIGKILL');
      await ended;
    },
    end: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
