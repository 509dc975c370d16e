import { type Settings } from '../core/state.ts';
import { admitNote, type NewestNote } from '../wire/admission.ts';
import { pairIdOf } from '../wire/envelope.ts';
import { type Keys } from '../wire/key.ts';
import { fitsNote, formatNote, type NoteReason, noteReasons, parseNote } from '../wire/note.ts';
import { type NoteCounts } from './channel.ts';
import { type Heartbeats } from './heartbeats.ts';

export interface NotesOptions {
  readonly settings: Settings;
  readonly keys: Keys;
  /** Whose sessions and numbers the notes go by. */
  readonly heartbeats: Pick<Heartbeats, 'own' | 'session'>;
  readonly transmit: (link: number, datagram: Uint8Array) => void;
  readonly onNote: (text: string, bootId: bigint) => void;
}

export interface Notes {
  /** A text of the own director process, to be sent. */
  write(text: string): void;
  /** To be called after each heartbeat: the note whose turn it is goes out beside it, and never a second. */
  send(): void;
  /** A datagram that `isNote`, of anyone, that arrived on a link. */
  receive(link: number, datagram: Uint8Array): void;
  counts(): NoteCounts;
}

/** A director that writes faster than heartbeats go loses the oldest, for a later note is the truer one. */
const mostWaiting = 64;

/**
 * So many authentications, some ten microseconds each, a link may cost between two own heartbeats. The peer
 * needs one, and a few after a stall. By link, lest a flood of one shut out what comes on another.
 */
const mostPerLink = 8;

/**
 * Carries notes between the director processes, one with each heartbeat and on every link. What cannot be
 * sent is dropped, what is refused is a count and nothing else.
 */
export function createNotes(options: NotesOptions): Notes {
  const { settings, keys, heartbeats } = options;
  const pairId = pairIdOf(settings.pair);
  const refused = Object.fromEntries(noteReasons.map((reason) => [reason, 0])) as Record<NoteReason, number>;
  const waiting: string[] = [];
  let spent = settings.links.map(() => 0);
  let sent = 0;
  let received = 0;
  let dropped = 0;
  let newest: NewestNote | undefined;
  let lastTick: number | undefined;

  function spend(link: number): boolean {
    const before = spent[link] ?? 0;
    spent[link] = before + 1;
    return before < mostPerLink;
  }

  return {
    write(text) {
      if (!fitsNote(text)) {
        dropped += 1;
        return;
      }
      waiting.push(text);
      if (waiting.length > mostWaiting) {
        waiting.shift();
        dropped += 1;
      }
    },
    send() {
      const { bootId, sequence } = heartbeats.own();
      // A second one of the same tick would be a copy of the first to whoever reads it.
      if (sequence === lastTick) {
        return;
      }
      lastTick = sequence;
      spent = settings.links.map(() => 0);
      const text = waiting.shift();
      if (text === undefined) {
        return;
      }
      const receiverBootId = heartbeats.session()?.proven?.bootId;
      if (receiverBootId === undefined) {
        // Not kept for a peer that comes: it would hear the past first, one heartbeat after the other.
        dropped += 1;
        return;
      }
      const datagram = formatNote(
        { pairId, nodeId: settings.nodeId, bootId, receiverBootId, tick: sequence, text },
        keys.send,
      );
      for (const link of settings.links.keys()) {
        options.transmit(link, datagram);
      }
      sent += 1;
    },
    receive(link, datagram) {
      const parsed = parseNote(datagram, keys, {
        pairId,
        ownNodeId: settings.nodeId,
        mayAuthenticate: () => spend(link),
      });
      if (!parsed.ok) {
        refused[parsed.reason] += 1;
        return;
      }
      const note = parsed.value;
      const verdict = admitNote(heartbeats.session(), newest, note, heartbeats.own().bootId);
      if (!verdict.ok) {
        refused[verdict.reason] += 1;
        return;
      }
      if (verdict.value.isCopy) {
        return;
      }
      newest = note;
      received += 1;
      options.onNote(note.text, note.bootId);
    },
    counts: () => ({ sent, received, dropped, refused: { ...refused } }),
  };
}
