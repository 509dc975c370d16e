/** The director out of office: what it waits for, what it asks the wire, and when it goes. */
import { startClaim } from './claim.ts';
import { isContested, probe, probePatienceMs, silentSince, targetsOf, verdictDue } from './evidence.ts';
import { isFitToReturn } from './failback.ts';
import { stopNow } from './leave.ts';
import { type Backup, newBackup } from './office.ts';
import { type DirectorState, type Settings, type Step, type Why } from './state.ts';
import { claimDue } from './vacancy.ts';

export function becomeBackup(state: DirectorState, why: Why, atMs: number): DirectorState {
  return { ...state, sinceMs: atMs, why, office: newBackup(state, atMs) };
}

export function settleBackup(state: DirectorState, office: Backup, atMs: number, settings: Settings): Step {
  if (office.servesUntilMs !== undefined) {
    if (atMs < office.servesUntilMs) {
      return [state, []];
    }
    const served = { ...state, office: { ...office, servesUntilMs: undefined } };
    return state.isStopping ? stopNow(served, atMs, settings) : [served, [{ kind: 'release' }]];
  }
  if (state.isStopping) {
    return stopNow(state, atMs, settings);
  }
  const due = claimDue(state, atMs, settings);
  if (due !== undefined && atMs >= due.atMs) {
    return startClaim(state, due.why(atMs), 0, atMs);
  }
  const verdict = evidenceDue(state, office, settings);
  const isTooLate = verdict !== undefined && atMs > verdict.untilMs;
  if (verdict !== undefined && atMs >= verdict.atMs && !isTooLate) {
    return startClaim(state, verdict.why(atMs), 0, atMs);
  }
  const askAtMs = probeDueMs(state, office, settings);
  if (isTooLate || (askAtMs !== undefined && atMs >= askAtMs)) {
    return ask(state, office, atMs, settings);
  }
  if (state.takeOver !== undefined && atMs >= state.takeOver.untilMs) {
    const { commandId } = state.takeOver;
    const outcome = { ok: false, reason: 'no-answer' } as const;
    return [{ ...state, takeOver: undefined }, [{ kind: 'answer', commandId, outcome }]];
  }
  const preferredAtMs = isFitToReturn(state, atMs, settings) ? (state.preferredAtMs ?? atMs) : undefined;
  return [preferredAtMs === state.preferredAtMs ? state : { ...state, preferredAtMs }, []];
}

/** When a backup does something by itself, but for what `claimDue` tells. */
export function backupDuesMs(
  state: DirectorState,
  office: Backup,
  settings: Settings,
): readonly (number | undefined)[] {
  return [
    office.servesUntilMs,
    state.takeOver?.untilMs,
    evidenceDue(state, office, settings)?.atMs,
    probeDueMs(state, office, settings),
  ];
}

/** Could this backup act on what the wire says? Then it is worth asking. */
function heedsWire(state: DirectorState, office: Backup, settings: Settings): boolean {
  return settings.canProbe && office.servesUntilMs === undefined && !state.isMaintenance && !state.isStopping;
}

function evidenceDue(state: DirectorState, office: Backup, settings: Settings) {
  const due = heedsWire(state, office, settings) ? verdictDue(state, office, settings) : undefined;
  return due === undefined ? undefined : { ...due, atMs: Math.max(due.atMs, state.holdUntilMs) };
}

/** When the wire is to be asked next. */
function probeDueMs(state: DirectorState, office: Backup, settings: Settings): number | undefined {
  if (!heedsWire(state, office, settings)) {
    return undefined;
  }
  const beginsAtMs = silentSince(state) + probePatienceMs(state, settings);
  return Math.max(office.evidence?.probeAtMs ?? beginsAtMs, state.holdUntilMs);
}

/** Asks who has the addresses, and whether there is anybody at all. */
function ask(state: DirectorState, office: Backup, atMs: number, settings: Settings): Step {
  const contested = isContested(state, office, atMs, settings);
  const isNew = contested && office.contestedAtMs === undefined;
  return [
    {
      ...state,
      contestCount: state.contestCount + (isNew ? 1 : 0),
      office: {
        ...office,
        contestedAtMs: isNew ? atMs : office.contestedAtMs,
        evidence: probe(office.evidence, contested, atMs),
      },
    },
    [{ kind: 'probe', asksFloating: true, targets: targetsOf(state, atMs, settings) }],
  ];
}

/** What was asked in a silence says nothing about the next one. */
export function withoutEvidence(state: DirectorState): DirectorState {
  return state.office.role === 'backup' && state.office.evidence !== undefined
    ? { ...state, office: { ...state.office, evidence: undefined, contestedAtMs: undefined } }
    : state;
}
