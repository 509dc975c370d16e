import { createServer, type Server } from 'node:http';
import { type ListenOptions } from 'node:net';
import { type Result } from '../core/result.ts';
import { type Access } from './access.ts';
import { type Handler } from './handler.ts';

export interface Listener extends AsyncDisposable {
  /** Why nobody can connect now, in words. */
  problem(): string | undefined;
}

export interface ListenerOptions {
  readonly listen: ListenOptions;
  readonly access: Access;
  readonly handler: Handler;
  /** Runs before each attempt; a reason why there should be none ends the attempt. */
  readonly prepare?: () => Promise<Result<undefined, string>>;
  readonly onListening: () => void | Promise<void>;
  /** Called for each new problem, not for each attempt. */
  readonly onProblem: (problem: string) => void;
  /** A bug in the handler, which costs only the one request. */
  readonly onBug: (error: unknown) => void;
}

const firstPauseMs = 100;
const longestPauseMs = 30_000;

/** Listens as soon as it can and for as long as it may: what is in the way is reported and tried again. */
export function keepListening(options: ListenerOptions): Listener {
  let problem: string | undefined;
  let pauseMs = firstPauseMs;
  let timer: NodeJS.Timeout | undefined;
  let server: Server | undefined;
  let isClosing = false;

  function fail(now: string): void {
    if (isClosing) {
      return;
    }
    if (now !== problem) {
      problem = now;
      options.onProblem(now);
    }
    timer = setTimeout(() => void attempt(), pauseMs);
    timer.unref();
    pauseMs = Math.min(2 * pauseMs, longestPauseMs);
  }

  async function attempt(): Promise<void> {
    const prepared = await options.prepare?.();
    if (prepared?.ok === false) {
      fail(prepared.detail ?? prepared.reason);
      return;
    }
    if (isClosing) {
      return;
    }
    const opened = openServer(options);
    server = opened;
    opened.on('error', (error) => {
      if (server === opened) {
        server = undefined;
        opened.close();
        fail(error.message);
      }
    });
    opened.listen(options.listen, () => {
      if (isClosing) {
        opened.close();
        return;
      }
      problem = undefined;
      pauseMs = firstPauseMs;
      Promise.resolve(options.onListening()).catch(options.onBug);
    });
  }

  void attempt();
  return {
    problem: () => problem,
    [Symbol.asyncDispose]() {
      isClosing = true;
      clearTimeout(timer);
      return new Promise((resolve) => {
        if (server?.listening !== true) {
          resolve();
          return;
        }
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      });
    },
  };
}

/** Every client is bounded in number, in time and in what it may send. */
function openServer({ handler, access, onBug }: ListenerOptions): Server {
  const server = createServer(
    {
      headersTimeout: 5000,
      requestTimeout: 10_000,
      keepAliveTimeout: 5000,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: 8192,
    },
    (request, response) => {
      handler(request, response, access).catch((error: unknown) => {
        onBug(error);
        if (response.headersSent) {
          response.destroy();
        } else {
          response.writeHead(500, { 'Content-Type': 'application/json' });
          response.end(
            `${JSON.stringify({ error: 'this is a bug', reason: 'bug', remedy: 'see the log of vipair, and report it' })}\n`,
          );
        }
      });
    },
  );
  server.maxConnections = 64;
  // Longer than the longest command, and than the pings of a stream.
  server.timeout = 90_000;
  server.on('clientError', (_error, socket) => {
    if (socket.writable) {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    }
  });
  return server;
}
