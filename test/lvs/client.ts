import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { publicFloating, type Lab } from '../lab/lab.ts';

/** What the client program is asked, one line each. */
export type ClientRequest =
  | { readonly do: 'open'; readonly kind: 'stream' | 'silent'; readonly count: number }
  | { readonly do: 'lines'; readonly count: number; readonly limitMs: number }
  | { readonly do: 'streams'; readonly sinceMs: number }
  | { readonly do: 'speak'; readonly limitMs: number }
  | { readonly do: 'ask'; readonly over: Over; readonly count: number; readonly limitMs: number }
  | { readonly do: 'close' };

export type Over = 'tcp' | 'http' | 'udp';

/** The code of the error, such as `ECONNRESET`, or `closed`. */
export type Ended = string;

export interface StreamView {
  readonly server: string | null;
  readonly lineCount: number;
  readonly silenceMs: number;
  readonly ended: Ended | null;
}

export type Answer = { readonly server: string } | { readonly failed: string };

/** A client of the floating address, with connections that stay open. */
export interface Client extends AsyncDisposable {
  /** Streams get a line every 50 ms; silent ones say nothing after the handshake. Returns their own ports. */
  open(kind: 'stream' | 'silent', count: number): Promise<readonly number[]>;
  /** Waits until each stream has had so many more lines, or has ended. */
  lines(count: number, limitMs?: number): Promise<void>;
  /** How each stream fared since then. */
  streams(sinceMs: number): Promise<readonly StreamView[]>;
  /** Each silent connection asks now. */
  speak(limitMs?: number): Promise<readonly Answer[]>;
  /** One new connection, or datagram, after the other. */
  ask(over: Over, count: number, limitMs?: number): Promise<readonly Answer[]>;
  close(): Promise<void>;
}

export async function startClient(lab: Lab): Promise<Client> {
  const program = fileURLToPath(new URL('./client-program.js', import.meta.url));
  const words = ['netns', 'exec', lab.hosts.client, process.execPath, program, publicFloating];
  const child = spawn('ip', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) =>
    child.once('close', () => {
      resolve();
    }),
  );
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const line = await lines.next();
    if (line.done === true) {
      throw new Error('the client has ended');
    }
    return JSON.parse(line.value);
  };
  const request = async <Reply>(words: ClientRequest): Promise<Reply> => {
    child.stdin.write(`${JSON.stringify(words)}\n`);
    return (await next()) as Reply;
  };
  await next();
  return {
    open: (kind, count) => request({ do: 'open', kind, count }),
    lines: (count, limitMs = 10_000) => request({ do: 'lines', count, limitMs }),
    streams: (sinceMs) => request({ do: 'streams', sinceMs }),
    speak: (limitMs = 5000) => request({ do: 'speak', limitMs }),
    ask: (over, count, limitMs = 2000) => request({ do: 'ask', over, count, limitMs }),
    close: () => request({ do: 'close' }),
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
