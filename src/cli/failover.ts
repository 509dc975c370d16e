import { exitCode } from './exit-codes.ts';
import { reachDaemon, reject } from './daemon.ts';
import { printJson } from './print.ts';
import { type FailoverOptions, type Io } from './run-options.ts';

/** Moves the addresses and waits for what becomes of it. */
export async function failoverCommand(options: FailoverOptions, io: Io): Promise<number> {
  const { json, to, force, timeoutMs } = options;
  const daemon = await reachDaemon(options, io);
  if (typeof daemon === 'number') {
    return daemon;
  }
  const answer = await daemon.failover({ force, timeoutMs, ...(to === undefined ? {} : { to }) });
  if (!answer.ok) {
    return reject(answer, io, { json });
  }
  const { changed, message, tookMs } = answer.value;
  if (json) {
    printJson(io, answer.value);
  } else {
    io.out(changed ? `${message} (${tookMs} ms).\n` : `${message}.\n`);
  }
  return exitCode('ok');
}
