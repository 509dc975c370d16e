import { type CommandOutcome, type DirectorEffect } from './state.ts';

/** The answer to a command, if somebody waits for one: a signal has no id. */
export function answered(commandId: string | undefined, outcome: CommandOutcome): readonly DirectorEffect[] {
  return commandId === undefined ? [] : [{ kind: 'answer', commandId, outcome }];
}
