import { advertisementOf } from './advertise.ts';
import { answered } from './answer.ts';
import { newBackup } from './office.ts';
import { type CommandOutcome, type DirectorState, type Settings, type Step, type Why } from './state.ts';

/**
 * Ends this director's office. With `servesForMs` the new owner is known to be in office already:
 * stop answering for the addresses at once but serve what still arrives; `release` follows when the
 * time is up. Without it the addresses go at once.
 */
export function leaveOffice(state: DirectorState, why: Why, atMs: number, servesForMs?: number): Step {
  if (state.office.role !== 'active') {
    return [state, []];
  }
  const { handover } = state.office;
  const left: DirectorState = {
    ...state,
    office: newBackup(state, atMs, {
      hasLeftOffice: true,
      servesUntilMs: servesForMs === undefined ? undefined : atMs + servesForMs,
    }),
    sinceMs: atMs,
    why,
    term: Math.max(state.term, state.peer?.advertisement.term ?? 0),
    advertiseAtMs: atMs,
    isMaintenance: state.isMaintenance || handover?.cause === 'maintenance',
  };
  return [
    left,
    [
      servesForMs === undefined ? { kind: 'release' } : { kind: 'mute' },
      ...answered(handover?.commandId, outcomeOf(why)),
    ],
  ];
}

/** What whoever asked for a hand-over is told when the office ends. */
function outcomeOf(why: Why): CommandOutcome {
  const isWanted = why.kind === 'handed-over' || why.kind === 'lost-duel' || why.kind === 'left-by-force';
  return isWanted ? { ok: true, isChanged: true } : { ok: false, reason: 'no-answer' };
}

/** Releases whatever is held and tells the peer that there is nobody here any more. */
export function stopNow(state: DirectorState, atMs: number, settings: Settings): Step {
  const stopped: DirectorState = {
    ...state,
    office: { role: 'stopped' },
    sinceMs: atMs,
    why: { kind: 'stopped' },
  };
  return [
    stopped,
    [
      { kind: 'release' },
      { kind: 'advertise', advertisement: advertisementOf(stopped, atMs, settings) },
      ...answered(state.takeOver?.commandId, { ok: false, reason: 'stopping' }),
      { kind: 'stop' },
    ],
  ];
}
