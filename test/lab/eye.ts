import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';
import { privateFloating, publicFloating, type Lab } from './lab.ts';
import { type Answer, type Observation } from './observation.ts';

/** What the measuring process is told; see `eye-program.ts`. */
export interface EyeOptions {
  readonly probes: readonly { readonly name: string; readonly namespace: string; readonly target: string }[];
  readonly watch: readonly {
    readonly namespace: string;
    readonly interfaceName: string;
    /** Asked for on this interface, every `askPeriodMs`. */
    readonly addresses: readonly string[];
  }[];
  readonly probePeriodMs: number;
  readonly askPeriodMs: number;
  /** The eye runs under SCHED_FIFO where that is permitted. */
  readonly realtime: boolean;
}

export interface Eye extends AsyncDisposable {
  /** What was seen since the last collection. */
  collect(): Promise<Observation>;
  peek(): Promise<Glance>;
  /** Waits until both sides have been answered without a gap for `steadyMs`, each address by one MAC only. */
  steady(steadyMs?: number, deadlineMs?: number): Promise<void>;
}

export interface Glance {
  readonly nowMs: number;
  readonly lastAnsweredAtMs: Readonly<Record<string, number | null>>;
  /** The latest answer of each MAC address for each floating address. */
  readonly lastAnswers: readonly Answer[];
}

/** Probes the public address from the client and the private one from the real server, and watches ARP on both switches. */
export async function openEye(
  lab: Lab,
  options: { readonly askPeriodMs?: number; readonly probePeriodMs?: number } = {},
): Promise<Eye> {
  const { hosts } = lab;
  const told: EyeOptions = {
    probes: [
      { name: 'client', namespace: hosts.client, target: publicFloating },
      { name: 'realServer', namespace: hosts.realServer, target: privateFloating },
    ],
    watch: [
      { namespace: hosts.watch, interfaceName: 'eth0', addresses: [publicFloating] },
      { namespace: hosts.watch, interfaceName: 'eth1', addresses: [privateFloating] },
    ],
    probePeriodMs: options.probePeriodMs ?? 1,
    askPeriodMs: options.askPeriodMs ?? 5,
    realtime: true,
  };
  const program = fileURLToPath(new URL('./eye-program.js', import.meta.url));
  const child = spawn(process.execPath, ['--single-threaded-gc', program, JSON.stringify(told)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve();
    }),
  );
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const line = await lines.next();
    if (line.done === true) {
      throw new Error('the measuring process has ended; its last words are above');
    }
    return JSON.parse(line.value);
  };
  // One question at a time: answers come back in order.
  let turn: Promise<unknown> = next();
  const ask = <Reply>(command: string): Promise<Reply> => {
    const reply = turn.then(() => {
      child.stdin.write(`${command}\n`);
      return next();
    });
    turn = reply.catch(() => undefined);
    return reply as Promise<Reply>;
  };
  await turn;
  const peek = () => ask<Glance>('peek');
  return {
    collect: () => ask<Observation>('collect'),
    peek,
    steady: (steadyMs = 300, deadlineMs = 10_000) => steady(peek, steadyMs, deadlineMs),
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

async function steady(peek: () => Promise<Glance>, steadyMs: number, deadlineMs: number): Promise<void> {
  let sinceMs: number | undefined;
  let last: Glance | undefined;
  await eventually(
    'client and real server are answered by one router',
    async () => {
      const glance = await peek();
      last = glance;
      const isAnswered = Object.values(glance.lastAnsweredAtMs).every(
        (atMs) => atMs !== null && glance.nowMs - atMs < 30,
      );
      const current = glance.lastAnswers.filter(({ atMs }) => glance.nowMs - atMs < 30);
      const isSingle =
        new Set(current.map(({ mac }) => mac)).size === new Set(current.map(({ address }) => address)).size;
      sinceMs = isAnswered && isSingle ? (sinceMs ?? glance.nowMs) : undefined;
      return sinceMs !== undefined && glance.nowMs - sinceMs >= steadyMs ? true : undefined;
    },
    deadlineMs,
    () => `Last seen: ${JSON.stringify(last)}`,
  );
}
