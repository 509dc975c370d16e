import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandOutcome, type DirectorEvent, type DirectorState } from '../../src/core/state.ts';
import { type StepRecord } from '../../src/core/record.ts';
import { type ToDirector, type ToPulse } from '../../src/pulse/channel.ts';
import { play, silenceStory, snapshotOf } from '../observe/samples.ts';

/**
 * The parent of a real director process: it has the real core behind it and speaks the real channel, but
 * time stands still but for what a test lets happen, and nothing touches the network.
 */
export interface FakePulse extends AsyncDisposable {
  readonly directory: string;
  readonly configPath: string;
  readonly socketPath: string;
  readonly port: number;
  readonly child: ChildProcess;
  /** What the director wrote to stderr, as its log lines. */
  log(): readonly Record<string, unknown>[];
  waitForLog(message: string): Promise<Record<string, unknown>>;
  state(): DirectorState;
  let(...events: readonly DirectorEvent[]): void;
  /** Sends the records again, as after a restart of the director. */
  repeat(): void;
  /** While frozen no message is answered. */
  freeze(isFrozen: boolean): void;
  /** Answers commands with this instead of asking the core. */
  answerWith(outcome: CommandOutcome | undefined): void;
  readonly commands: readonly ToPulse[];
  /** Another director process, after this one ended. */
  restart(): Promise<void>;
}

const patienceMs = 8000;
const main = new URL('../../src/main.js', import.meta.url);

export async function startFakePulse(options: { readonly lastEvent?: number } = {}): Promise<FakePulse> {
  const directory = await mkdtemp(join(tmpdir(), 'vipair-director-'));
  const configPath = join(directory, 'vipair.yaml');
  const port = await freePort();
  await writeFile(configPath, configText(port, join(directory, 'api.token')));
  const records: StepRecord[] = [...play(silenceStory.slice(0, options.lastEvent))];
  const commands: ToPulse[] = [];
  const waiting: (() => void)[] = [];
  let isFrozen = false;
  let outcome: CommandOutcome | undefined;
  let child: ChildProcess;
  let stderr = '';

  const state = (): DirectorState => {
    const last = records.at(-1);
    if (last === undefined) {
      throw new Error('a story has a beginning');
    }
    return last.after;
  };
  const nowMs = () => records.at(-1)?.event.atMs ?? 0;
  const send = (message: ToDirector) => {
    if (child.connected) {
      child.send(message, () => undefined);
    }
  };
  function letHappen(...events: readonly DirectorEvent[]): void {
    for (const event of events) {
      for (const record of play([event], state())) {
        const numbered = { ...record, number: records.length + 1 };
        records.push(numbered);
        send({ kind: 'record', record: numbered });
        for (const effect of record.effects) {
          if (effect.kind === 'answer') {
            send({ kind: 'outcome', commandId: effect.commandId, outcome: effect.outcome });
          }
        }
      }
    }
  }
  function obey(message: ToPulse): void {
    if (isFrozen) {
      return;
    }
    switch (message.kind) {
      case 'snapshot':
        send({ kind: 'snapshot', id: message.id, snapshot: snapshotOf(state(), { atMs: nowMs() }) });
        return;
      case 'command':
        commands.push(message);
        if (outcome === undefined) {
          const { commandId, command } = message;
          letHappen({ kind: 'command', atMs: nowMs(), commandId, command });
        } else {
          send({ kind: 'outcome', commandId: message.commandId, outcome });
        }
        return;
      case 'neighbors':
      case 'sync':
      case 'report':
      case 'note':
    }
  }
  function wakeAll(): void {
    waiting.splice(0).forEach((wake) => {
      wake();
    });
  }
  function start(): ChildProcess {
    const args = [
      '--config',
      configPath,
      '--node',
      'lvs2',
      '--runtime-dir',
      directory,
      '--state-dir',
      directory,
    ];
    const started = fork(main, ['director', ...args], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
    stderr = '';
    started.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      wakeAll();
    });
    started.once('exit', wakeAll);
    started.on('message', (message) => {
      obey(message as ToPulse);
    });
    return started;
  }
  const log = () =>
    stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  /** Looks anew whenever the director wrote something or ended. */
  async function untilLog(what: string, isThere: () => boolean): Promise<void> {
    const timer = setTimeout(wakeAll, patienceMs);
    const deadlineMs = performance.now() + patienceMs;
    try {
      while (!isThere()) {
        if (child.exitCode !== null || performance.now() >= deadlineMs) {
          throw new Error(`the director did not log "${what}":\n${stderr}`);
        }
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }
  async function waitForLog(message: string): Promise<Record<string, unknown>> {
    const find = () => log().find(({ msg }) => msg === message);
    await untilLog(message, () => find() !== undefined);
    return find() ?? {};
  }
  const isListening = () =>
    untilLog('api listening, twice', () => log().filter(({ msg }) => msg === 'api listening').length === 2);
  const sendAll = () => {
    records.forEach((record) => {
      send({ kind: 'record', record });
    });
  };

  child = start();
  sendAll();
  await isListening();
  return {
    directory,
    configPath,
    socketPath: join(directory, 'edge.sock'),
    port,
    get child() {
      return child;
    },
    log,
    waitForLog,
    state,
    let: letHappen,
    repeat: sendAll,
    freeze: (now) => {
      isFrozen = now;
    },
    answerWith: (now) => {
      outcome = now;
    },
    commands,
    async restart() {
      child = start();
      sendAll();
      await isListening();
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }
      await rm(directory, { recursive: true });
    },
  };
}

function configText(port: number, tokenFile: string): string {
  return `
pair: edge
nodes:
  lvs1: { priority: 150 }
  lvs2: { priority: 100 }
heartbeat:
  key_file: /nonexistent/heartbeat.key
  links:
    - { name: public, interface: eth0 }
    - { name: private, interface: eth1 }
floating:
  - { address: 192.0.2.10, interface: eth0 }
  - { address: 10.99.0.1, interface: eth1 }
api:
  listen: 127.0.0.1:${port}
  token_file: ${tokenFile}
`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
