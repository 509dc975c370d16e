/** The director out of office: what it waits for, what it asks the wire, and when it goes. */
import { startClaim } from './claim.ts';
import { refusalOf } from './eligibility.ts';
import { isContested, probe, probePatienceMs, targetsOf, verdict } from './evidence.ts';
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
  if (settings.canProbe && refusalOf(state, atMs) === 'none') {
    const why = verdict(state, office, atMs, settings);
    if (why !== undefined) {
      return startClaim(state, why, 0, atMs);
    }
    const dueMs = probeDueMs(state, office, settings);
    if (dueMs !== undefined && atMs >= dueMs) {
      return ask(state, office, atMs, settings);
    }
  }
  if (state.takeOver !== undefined && atMs >= state.takeOver.untilMs) {
    const { commandId } = state.takeOver;
    const outcome = { ok: false, reason: 'no-answer' } as const;
    return [{ ...state, takeOver: undefined }, [{ kind: 'answer', commandId, outcome }]];
  }
  const preferredAtMs = isFitToReturn(state, atMs, settings) ? (state.preferredAtMs ?? atMs) : undefined;
  return [preferredAtMs === state.preferredAtMs ? state : { ...state, preferredAtMs }, []];
}

/** When the wire is to be asked next; undefined when this backup could not act on the answer. */
export function probeDueMs(state: DirectorState, office: Backup, settings: Settings): number | undefined {
  if (!settings.canProbe || office.servesUntilMs !== undefined || state.isMaintenance || state.isStopping) {
    return undefined;
  }
  const countedFromMs = Math.max(state.peer?.heardAtMs ?? state.listeningSinceMs, state.listeningSinceMs);
  const beginsAtMs = countedFromMs + probePatienceMs(state, settings);
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
