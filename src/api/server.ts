import { type ApiPorts } from './ports.ts';
import { clearWay, openToGroup } from './control-socket.ts';
import { createHandler } from './handler.ts';
import { keepListening } from './listener.ts';

export interface ApiServer extends AsyncDisposable {
  /** What keeps clients away now, one sentence each. */
  problems(): readonly string[];
}

export interface ApiServerOptions {
  readonly ports: ApiPorts;
  readonly socketPath: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly tokenFile: string | undefined;
  /** Names by which this host may be asked. */
  readonly hostNames: readonly string[];
  readonly onListening: (name: string) => void;
  readonly onProblem: (name: string, problem: string) => void;
  readonly onBug: (error: unknown) => void;
}

/**
 * The API on the control socket, for whoever may open it, and on TCP, where everybody may read and only who
 * has the token may change. Neither waits for the other; what cannot be bound is tried again.
 */
export function serveApi(options: ApiServerOptions): ApiServer {
  const { socketPath, listen, tokenFile, hostNames, onBug } = options;
  const handler = createHandler(options.ports);
  const networkName = `${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${listen.port}`;
  const control = keepListening({
    listen: { path: socketPath },
    access: { kind: 'control' },
    handler,
    prepare: () => clearWay(socketPath),
    onListening: async () => {
      await openToGroup(socketPath);
      options.onListening(socketPath);
    },
    onProblem: (problem) => {
      options.onProblem(socketPath, problem);
    },
    onBug,
  });
  const network = keepListening({
    listen,
    access: { kind: 'network', tokenFile, hostNames },
    handler,
    onListening: () => {
      options.onListening(networkName);
    },
    onProblem: (problem) => {
      options.onProblem(networkName, problem);
    },
    onBug,
  });
  return {
    problems: () => [...sentence(socketPath, control.problem()), ...sentence(networkName, network.problem())],
    async [Symbol.asyncDispose]() {
      await Promise.all([control[Symbol.asyncDispose](), network[Symbol.asyncDispose]()]);
    },
  };
}

function sentence(name: string, problem: string | undefined): readonly string[] {
  return problem === undefined ? [] : [`The API does not listen on ${name}: ${problem}.`];
}
