import { type StepRecord } from '../core/record.ts';
import { type Role, statedRole } from '../core/state.ts';

export const roles = ['initialize', 'backup', 'active'] as const satisfies readonly Role[];

/** What is counted from step records, because no snapshot has it. Starts anew with the director process. */
export interface Tally {
  count(record: StepRecord): void;
  transitions(): readonly Transition[];
}

export interface Transition {
  readonly from: Role;
  readonly to: Role;
  readonly count: number;
}

/** Every change of role is there from the start, so that the first one is an increase. */
export function createTally(): Tally {
  const counts = new Map<string, number>();
  return {
    count({ before, after }) {
      const key = keyOf(statedRole(before.office), statedRole(after.office));
      counts.set(key, (counts.get(key) ?? 0) + 1);
    },
    transitions: () =>
      roles.flatMap((from) =>
        roles
          .filter((to) => to !== from)
          .map((to) => ({ from, to, count: counts.get(keyOf(from, to)) ?? 0 })),
      ),
  };
}

function keyOf(from: Role, to: Role): string {
  return `${from} ${to}`;
}
