import { giveWord } from './daemon.ts';
import { type FailoverOptions, type Io } from './run-options.ts';

/** Moves the addresses and waits for what becomes of it. */
export function failoverCommand(options: FailoverOptions, io: Io): Promise<number> {
  const { to, force, timeoutMs } = options;
  const word = { force, timeoutMs, ...(to === undefined ? {} : { to }) };
  return giveWord(
    options,
    io,
    (daemon) => daemon.failover(word),
    ({ changed, message, tookMs }) => (changed ? `${message} (${tookMs} ms)` : message),
  );
}
