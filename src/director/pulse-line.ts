import { randomUUID } from 'node:crypto';
import { type StepRecord } from '../core/record.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { type Command, type CommandOutcome, type Target } from '../core/state.ts';
import { type PulseSnapshot, type ToDirector, type ToPulse } from '../pulse/channel.ts';
import { fitsNote } from '../wire/note.ts';

/** The process channel to the pulse, as `process` offers it to a child. */
export interface ProcessChannel {
  readonly connected: boolean;
  send(message: ToPulse): void;
}

/** The pulse as the director asks it. */
export interface PulseLine {
  /** Takes a message from the channel. */
  receive(message: ToDirector): void;
  /** A fresh snapshot. Who asks while an answer is awaited gets the same one. */
  snapshot(): Promise<Result<PulseSnapshot, 'pulse-silent'>>;
  /** The last snapshot that came, however old. */
  lastSnapshot(): PulseSnapshot | undefined;
  command(command: Command, timeoutMs: number): Promise<Result<CommandOutcome, 'no-outcome' | 'too-many'>>;
  /** What a track was found to be. */
  report(name: string, isUp: boolean): void;
  /** Does this host's kernel know the connections of the peer's? */
  reportSync(isCaughtUp: boolean): void;
  /** Whom the pulse may ask where no path is configured. */
  tellNeighbors(targets: readonly Target[]): void;
  /**
   * Writes to the peer's director process. It may get lost, and then nobody says so: what still holds is
   * written again. At most 1024 bytes of UTF-8, and one text per heartbeat in the long run.
   */
  tellPeer(text: string): Result<undefined, 'too-long'>;
}

export interface PulseLineOptions {
  readonly channel: ProcessChannel;
  readonly onRecord: (record: StepRecord) => void;
  readonly onTrouble: (what: string, detail: string) => void;
  /** The peer's director process wrote something, in the boot of its pulse with this id. Never an older text after a newer one. */
  readonly onNote?: (text: string, bootId: string) => void;
}

/** The pulse answers from memory: one that needs longer is frozen. */
const snapshotPatienceMs = 400;
const mostCommands = 16;

export function createPulseLine({ channel, onRecord, onTrouble, onNote }: PulseLineOptions): PulseLine {
  const outcomes = new Map<string, (outcome: CommandOutcome) => void>();
  let last: PulseSnapshot | undefined;
  let awaited: { readonly id: string; readonly take: (snapshot: PulseSnapshot) => void } | undefined;
  let asking: Promise<Result<PulseSnapshot, 'pulse-silent'>> | undefined;

  function send(message: ToPulse): void {
    if (channel.connected) {
      channel.send(message);
    }
  }

  async function ask(): Promise<Result<PulseSnapshot, 'pulse-silent'>> {
    const answer = await within<PulseSnapshot>(snapshotPatienceMs, (take) => {
      const id = randomUUID();
      awaited = { id, take };
      send({ kind: 'snapshot', id });
    });
    awaited = undefined;
    asking = undefined;
    return answer === undefined ? fail('pulse-silent') : ok(answer);
  }

  return {
    receive(message) {
      switch (message.kind) {
        case 'record':
          onRecord(message.record);
          return;
        case 'snapshot':
          last = message.snapshot;
          if (message.id === awaited?.id) {
            awaited.take(message.snapshot);
          }
          return;
        case 'outcome':
          outcomes.get(message.commandId)?.(message.outcome);
          return;
        case 'trouble':
          onTrouble(message.what, message.detail);
          return;
        case 'note':
          onNote?.(message.text, message.bootId);
          return;
      }
    },
    snapshot() {
      asking ??= ask();
      return asking;
    },
    lastSnapshot: () => last,
    async command(command, timeoutMs) {
      if (outcomes.size >= mostCommands) {
        return fail('too-many');
      }
      const commandId = randomUUID();
      const outcome = await within<CommandOutcome>(timeoutMs, (take) => {
        outcomes.set(commandId, take);
        send({ kind: 'command', commandId, command });
      });
      outcomes.delete(commandId);
      return outcome === undefined ? fail('no-outcome') : ok(outcome);
    },
    report(name, isUp) {
      send({ kind: 'report', name, isUp });
    },
    reportSync(isCaughtUp) {
      send({ kind: 'sync', isCaughtUp });
    },
    tellNeighbors(targets) {
      send({ kind: 'neighbors', targets });
    },
    tellPeer(text) {
      if (!fitsNote(text)) {
        return fail('too-long');
      }
      send({ kind: 'note', text });
      return ok(undefined);
    },
  };
}

/** What `begin` hands over, or undefined when the time is up first. */
function within<Value>(
  ms: number,
  begin: (take: (value: Value) => void) => void,
): Promise<Value | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(undefined);
    }, ms);
    begin((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
