import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Answer, type ApiClient, createClient } from '../api/client.ts';
import { loadConfig } from '../config/load.ts';
import { type ExitCodeName, exitCode } from './exit-codes.ts';
import { complain, printJson } from './print.ts';
import { type CommonOptions, type Io } from './run-options.ts';

/** The daemon of the configured pair, or the exit code after the complaint. */
export async function reachDaemon(options: CommonOptions, io: Io): Promise<ApiClient | number> {
  const loaded = await loadConfig(options.config);
  if (loaded.ok) {
    return createClient(join(options.runtimeDir, `${loaded.value.config.pair}.sock`));
  }
  // A daemon that runs is worth asking even while its file is being edited or may not be read.
  const sockets = await listSockets(options.runtimeDir);
  const [only] = sockets;
  if (only === undefined || sockets.length > 1) {
    complain(io, loaded.detail ?? loaded.reason);
    return exitCode('configuration');
  }
  return createClient(join(options.runtimeDir, only));
}

/** Gives the daemon the operator's word and tells what became of it, in `say`'s words or as data. */
export async function giveWord<Report extends { readonly message: string }>(
  options: CommonOptions & { readonly json: boolean },
  io: Io,
  word: (daemon: ApiClient) => Promise<Answer<Report>>,
  say: (report: Report) => string = ({ message }) => message,
): Promise<number> {
  const daemon = await reachDaemon(options, io);
  if (typeof daemon === 'number') {
    return daemon;
  }
  const answer = await word(daemon);
  if (!answer.ok) {
    return reject(answer, io, options);
  }
  if (options.json) {
    printJson(io, answer.value);
  } else {
    io.out(`${say(answer.value)}.\n`);
  }
  return exitCode('ok');
}

/** Complains of an answer that is none and says which exit code that is. */
export function reject(
  failed: Extract<Answer<never>, { ok: false }>,
  io: Io,
  { json = false }: { readonly json?: boolean } = {},
): number {
  const { error, remedy } = failed.error;
  if (json) {
    printJson(io, failed.error);
  }
  complain(io, `${error}. Remedy: ${remedy}`);
  return exitCode(codeNameOf(failed));
}

function codeNameOf({ reason, error }: Extract<Answer<never>, { ok: false }>): ExitCodeName {
  switch (reason) {
    case 'not-running':
    case 'no-answer':
      return 'unreachable';
    case 'not-permitted':
      return 'notPermitted';
    case 'refused':
      return codeNameOfRefusal(error.reason);
  }
}

/** The daemon may be newer and know reasons that this command does not: those are failures. */
function codeNameOfRefusal(reason: string): ExitCodeName {
  switch (reason) {
    case 'pulse-silent':
      return 'unreachable';
    case 'unknown-node':
    case 'force-not-here':
    case 'bad-request':
    case 'not-a-server':
      return 'usage';
    case 'peer-silent':
    case 'peer-refused':
    case 'no-answer':
    case 'no-outcome':
    case 'nobody-active':
    case 'starting':
    case 'stopping':
    case 'busy':
    case 'not-eligible':
    case 'too-many':
      return 'tryLater';
    default:
      return 'failed';
  }
}

async function listSockets(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith('.sock'));
  } catch {
    // Whatever is wrong with it, there is no socket to be found in it.
    return [];
  }
}
