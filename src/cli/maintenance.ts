import { giveWord } from './daemon.ts';
import { type Io, type MaintenanceOptions } from './run-options.ts';

/** Keeps this director out of office, or lets it back; an active one hands over first. */
export function maintenanceCommand(options: MaintenanceOptions, io: Io): Promise<number> {
  const { isOn, force } = options;
  return giveWord(options, io, (daemon) => daemon.maintenance({ on: isOn, force }));
}
