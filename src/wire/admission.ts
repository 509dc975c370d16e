import { fail, ok, type Result } from '../core/result.ts';
import { mostLinks, type Heartbeat } from './heartbeat.ts';
import { type Note } from './note.ts';

/**
 * Is an authentic heartbeat fresh? The key proves who made a datagram, not when: whoever can listen on a
 * wire can send it again. No clocks are compared; what is known of the peer decides.
 *
 * - **Link.** A heartbeat names the link it was sent on. One that arrives elsewhere is `wrong-link`.
 * - **Window.** A sender numbers its ticks, and all links carry the same number on the same tick. Within a
 *   boot nothing is admitted twice on a link, nor anything 64 ticks or more behind the newest heard on
 *   *any* link: a recording of one link is worth nothing while another still speaks. Reordering within
 *   the window does no harm; `isLatest` says whose content is the newest.
 * - **Proof of life.** A boot is *proven* once a heartbeat of it echoes one that this director sent within
 *   its last 64 ticks: only a live peer can know it. A proven boot stays proven.
 * - **Another boot** that proves itself so takes the place of the proven one at once, wherever its boot id
 *   lies in the order (the peer's clock may have gone back). The boot it displaces is retired: a process
 *   that has ended does not come back, so nothing of it is ever admitted again.
 * - **Another boot without proof** is only a candidate, and only if its id is greater than the proven one's
 *   and than any candidate's before it; else it is `replayed`. It does not displace the proven boot: a
 *   recording of a boot with a greater id can therefore never shut the live peer out.
 *
 * What is admitted without proof counts as a sign of life (so that a director that hears but is not heard
 * does not claim), but nobody obeys it.
 *
 * Like the window of RFC 4303 §3.4.3, made for several links and for boots that follow each other.
 */
export interface Session {
  readonly proven: Boot | undefined;
  readonly candidate: Boot | undefined;
  /** Boot ids that have been displaced, newest first. */
  readonly retired: readonly bigint[];
}

interface Boot {
  readonly bootId: bigint;
  /** The greatest sequence number heard on any link. */
  readonly highest: number;
  /** Per link: bit n is set when `highest - n` has been heard there. */
  readonly seen: readonly bigint[];
}

export interface Admission {
  readonly session: Session | undefined;
  readonly verdict: Result<
    {
      readonly isProven: boolean;
      /** No later tick of this boot was heard before: the content is the newest there is. */
      readonly isLatest: boolean;
    },
    'replayed' | 'wrong-link'
  >;
}

const windowTicks = 64;

/** A boot that was retired so many boots ago could only come back as a candidate, which proves nothing. */
const mostRetired = 32;

const emptySession: Session = { proven: undefined, candidate: undefined, retired: [] };

/**
 * Judges a heartbeat that `parseHeartbeat` has accepted. `own` is this director's boot id and the sequence
 * number of its latest tick. A refusal leaves the session as it was.
 */
export function admit(
  session: Session | undefined,
  heartbeat: Heartbeat,
  arrivedOnLink: number,
  own: { readonly bootId: bigint; readonly sequence: number },
): Admission {
  if (heartbeat.link !== arrivedOnLink) {
    return { session, verdict: fail('wrong-link') };
  }
  const known = session ?? emptySession;
  const { proven, candidate } = known;
  if (known.retired.includes(heartbeat.bootId)) {
    return { session, verdict: fail('replayed') };
  }
  const earlier = [proven, candidate].find((boot) => boot?.bootId === heartbeat.bootId);
  const boot = record(earlier, heartbeat);
  if (boot === undefined) {
    return { session, verdict: fail('replayed') };
  }
  const isLatest = earlier === undefined || heartbeat.sequence >= earlier.highest;
  if (heartbeat.bootId === proven?.bootId) {
    return { session: { ...known, proven: boot }, verdict: ok({ isProven: true, isLatest }) };
  }
  if (isEcho(heartbeat, own)) {
    return { session: prove(known, boot), verdict: ok({ isProven: true, isLatest }) };
  }
  const isNewest = [proven, candidate].every((other) => other === undefined || boot.bootId >= other.bootId);
  if (!isNewest) {
    return { session, verdict: fail('replayed') };
  }
  return { session: { ...known, candidate: boot }, verdict: ok({ isProven: false, isLatest }) };
}

/** The newest note that was read, by the boot that wrote it. */
export type NewestNote = Pick<Note, 'bootId' | 'tick'>;

/**
 * Judges a note that `parseNote` has accepted, against what the heartbeats have shown. `isCopy`: it is the
 * newest one once more, as it comes on every further link.
 *
 * Only a greater tick is new, and there is no window of those that may still come: notes leave in order, a
 * wire keeps the order, and each goes out on all links at the same moment. So one is overtaken only when
 * all its links but the slowest lose it and that one is late by a heartbeat. It is refused then, for its
 * successor has been read and says what is true later; whoever reads notes never goes back in time.
 */
export function admitNote(
  session: Session | undefined,
  newest: NewestNote | undefined,
  note: Note,
  ownBootId: bigint,
): Result<{ readonly isCopy: boolean }, 'unproven' | 'other-receiver' | 'replayed'> {
  const proven = session?.proven;
  if (note.bootId !== proven?.bootId) {
    return fail('unproven');
  }
  if (note.receiverBootId !== ownBootId) {
    return fail('other-receiver');
  }
  const newestTick = newest?.bootId === note.bootId ? newest.tick : -1;
  if (note.tick === newestTick) {
    return ok({ isCopy: true });
  }
  const isTooOld = note.tick <= proven.highest - windowTicks;
  return note.tick < newestTick || isTooOld ? fail('replayed') : ok({ isCopy: false });
}

/**
 * Names one run of a daemon: 48 bits of Unix milliseconds, then 16 random bits. Later runs have greater
 * ids unless the clock went back; the random bits tell apart two starts in one millisecond.
 */
export function newBootId(wallMs: number, random16: number): bigint {
  return (BigInt.asUintN(48, BigInt(Math.floor(wallMs))) << 16n) | BigInt.asUintN(16, BigInt(random16));
}

function prove(session: Session, boot: Boot): Session {
  const displaced = session.proven === undefined ? [] : [session.proven.bootId];
  return {
    proven: boot,
    // A lower candidate could not be admitted again; a greater one is kept for its window.
    candidate: session.candidate?.bootId === boot.bootId ? undefined : session.candidate,
    retired: [...displaced, ...session.retired].slice(0, mostRetired),
  };
}

function isEcho(
  { acknowledged }: Heartbeat,
  own: { readonly bootId: bigint; readonly sequence: number },
): boolean {
  return (
    acknowledged?.bootId === own.bootId &&
    acknowledged.sequence <= own.sequence &&
    acknowledged.sequence > own.sequence - windowTicks
  );
}

/** The boot with this heartbeat in its window; undefined when it was heard before or is too old. */
function record(boot: Boot | undefined, { bootId, sequence, link }: Heartbeat): Boot | undefined {
  const before = boot ?? { bootId, highest: sequence, seen: new Array<bigint>(mostLinks).fill(0n) };
  const ahead = sequence - before.highest;
  if (ahead <= -windowTicks) {
    return undefined;
  }
  const highest = Math.max(sequence, before.highest);
  const seen = ahead > 0 ? before.seen.map((bits) => shift(bits, ahead)) : before.seen;
  const bit = 1n << BigInt(highest - sequence);
  const bits = seen[link] ?? 0n;
  return (bits & bit) === 0n ? { bootId, highest, seen: seen.with(link, bits | bit) } : undefined;
}

function shift(bits: bigint, ticks: number): bigint {
  return ticks >= windowTicks ? 0n : BigInt.asUintN(windowTicks, bits << BigInt(ticks));
}
