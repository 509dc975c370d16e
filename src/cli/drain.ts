import { reachDaemon, reject } from './daemon.ts';
import { exitCode } from './exit-codes.ts';
import { printJson } from './print.ts';
import { type DrainOptions, type Io } from './run-options.ts';

/** Lets a real server have no new connections, or have them again. */
export async function drainCommand(options: DrainOptions, io: Io): Promise<number> {
  const { json, server, service, isOn } = options;
  const daemon = await reachDaemon(options, io);
  if (typeof daemon === 'number') {
    return daemon;
  }
  const answer = await daemon.drain({ server, on: isOn, ...(service === undefined ? {} : { service }) });
  if (!answer.ok) {
    return reject(answer, io, { json });
  }
  if (json) {
    printJson(io, answer.value);
  } else {
    io.out(`${answer.value.message}.\n`);
  }
  return exitCode('ok');
}
