import { exitCode } from './exit-codes.ts';
import { reachDaemon, reject } from './daemon.ts';
import { printJson } from './print.ts';
import { type Io, type MaintenanceOptions } from './run-options.ts';

/** Keeps this director out of office, or lets it back; an active one hands over first. */
export async function maintenanceCommand(options: MaintenanceOptions, io: Io): Promise<number> {
  const { json, isOn, force } = options;
  const daemon = await reachDaemon(options, io);
  if (typeof daemon === 'number') {
    return daemon;
  }
  const answer = await daemon.maintenance({ on: isOn, force });
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
