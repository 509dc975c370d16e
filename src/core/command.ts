import { answered } from './answer.ts';
import { isPeerSilent, refusalOf } from './eligibility.ts';
import { startHandover } from './handover.ts';
import {
  type CommandOutcome,
  type DirectorEvent,
  type DirectorState,
  type Settings,
  type Step,
} from './state.ts';

type CommandEvent = Extract<DirectorEvent, { kind: 'command' }>;

/** How long a backup that was told to take over asks for the office. */
const takeOverPatienceMs = 2000;

/** Carries out what the operator asked for, or says why not. Asking for what is already so changes nothing. */
export function handleCommand(state: DirectorState, event: CommandEvent, settings: Settings): Step {
  const { command } = event;
  if (state.isStopping) {
    return refuse(state, event, { ok: false, reason: 'stopping' });
  }
  switch (command.kind) {
    case 'failover':
      return failover(state, event, command.isForced, settings);
    case 'take-over':
      return takeOver(state, event, settings);
    case 'maintenance':
      return command.isOn
        ? enterMaintenance(state, event, command.isForced, settings)
        : leaveMaintenance(state, event);
  }
}

function failover(state: DirectorState, event: CommandEvent, isForced: boolean, settings: Settings): Step {
  switch (state.office.role) {
    case 'active':
      if (state.office.handover !== undefined) {
        return refuse(state, event, { ok: false, reason: 'busy' });
      }
      return startHandover(
        state,
        { cause: 'operator', isForced, commandId: event.commandId },
        event.atMs,
        settings,
      );
    case 'backup':
      return isPeerActive(state, event.atMs, settings)
        ? unchanged(state, event)
        : refuse(state, event, { ok: false, reason: 'nobody-active' });
    case 'claiming':
      return refuse(state, event, { ok: false, reason: 'busy' });
    case 'initialize':
    case 'stopped':
      return refuse(state, event, { ok: false, reason: 'starting' });
  }
}

function takeOver(state: DirectorState, event: CommandEvent, settings: Settings): Step {
  const { atMs, commandId } = event;
  switch (state.office.role) {
    case 'active':
      return unchanged(state, event);
    case 'claiming':
      return refuse(state, event, { ok: false, reason: 'busy' });
    case 'initialize':
    case 'stopped':
      return refuse(state, event, { ok: false, reason: 'starting' });
    case 'backup': {
      const refusal = refusalOf(state, atMs);
      if (refusal !== 'none') {
        return refuse(state, event, { ok: false, reason: 'not-eligible', refusal });
      }
      if (!isPeerActive(state, atMs, settings)) {
        return refuse(state, event, { ok: false, reason: 'nobody-active' });
      }
      if (state.takeOver !== undefined || commandId === undefined) {
        return refuse(state, event, { ok: false, reason: 'busy' });
      }
      const wish = { commandId, untilMs: atMs + takeOverPatienceMs };
      return [{ ...state, takeOver: wish, advertiseAtMs: atMs }, []];
    }
  }
}

function enterMaintenance(
  state: DirectorState,
  event: CommandEvent,
  isForced: boolean,
  settings: Settings,
): Step {
  if (state.isMaintenance && state.office.role !== 'active') {
    return unchanged(state, event);
  }
  switch (state.office.role) {
    case 'active':
      if (state.office.handover !== undefined) {
        return refuse(state, event, { ok: false, reason: 'busy' });
      }
      return startHandover(
        state,
        { cause: 'maintenance', isForced, commandId: event.commandId },
        event.atMs,
        settings,
      );
    case 'claiming':
      return refuse(state, event, { ok: false, reason: 'busy' });
    case 'initialize':
    case 'backup':
    case 'stopped':
      return changed({ ...state, isMaintenance: true, advertiseAtMs: event.atMs }, event);
  }
}

function leaveMaintenance(state: DirectorState, event: CommandEvent): Step {
  return state.isMaintenance
    ? changed({ ...state, isMaintenance: false, advertiseAtMs: event.atMs }, event)
    : unchanged(state, event);
}

function isPeerActive(state: DirectorState, atMs: number, settings: Settings): boolean {
  return state.peer?.advertisement.role === 'active' && !isPeerSilent(state, atMs, settings);
}

function changed(state: DirectorState, event: CommandEvent): Step {
  return [state, answered(event.commandId, { ok: true, isChanged: true })];
}

function unchanged(state: DirectorState, event: CommandEvent): Step {
  return [state, answered(event.commandId, { ok: true, isChanged: false })];
}

function refuse(
  state: DirectorState,
  event: CommandEvent,
  outcome: Extract<CommandOutcome, { ok: false }>,
): Step {
  return [state, answered(event.commandId, outcome)];
}
