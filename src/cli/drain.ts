import { giveWord } from './daemon.ts';
import { type DrainOptions, type Io } from './run-options.ts';

/** Lets a real server have no new connections, or have them again. */
export function drainCommand(options: DrainOptions, io: Io): Promise<number> {
  const { server, service, isOn } = options;
  const word = { server, on: isOn, ...(service === undefined ? {} : { service }) };
  return giveWord(options, io, (daemon) => daemon.drain(word));
}
