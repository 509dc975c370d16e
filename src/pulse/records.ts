import { isNotable, type StepRecord } from '../core/record.ts';
import { type DriverStep } from './driver.ts';

/** Kept for a director that starts later, or again. */
const mostKept = 256;

export interface Records {
  /** The record of a step that is worth one. */
  keep(step: DriverStep): StepRecord | undefined;
  all(): readonly StepRecord[];
}

/** The last notable steps, numbered from 1 in this boot. */
export function createRecords(wallMs: () => number): Records {
  const kept: StepRecord[] = [];
  let number = 0;
  return {
    keep(step) {
      if (!isNotable(step)) {
        return undefined;
      }
      number += 1;
      const record = { number, wallMs: wallMs(), ...step };
      kept.push(record);
      if (kept.length > mostKept) {
        kept.shift();
      }
      return record;
    },
    all: () => kept,
  };
}
