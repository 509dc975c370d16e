import { type DirectorEffect, type DirectorEvent, type DirectorState } from './state.ts';

/**
 * One step of the core, as its readers see it: log, metrics, journal, page and `why` know nothing else.
 * `before`, `event` and the settings are enough to make the same step again.
 */
export interface StepRecord {
  /** Counts the records of this boot from 1. */
  readonly number: number;
  /** Wall time, Unix milliseconds; set at the rim, for people only. */
  readonly wallMs: number;
  readonly event: DirectorEvent;
  readonly before: DirectorState;
  readonly after: DirectorState;
  readonly effects: readonly DirectorEffect[];
}

/** A step worth keeping: an office, a peer, a link or an address changed, or someone is answered. */
export function isNotable(step: Omit<StepRecord, 'number' | 'wallMs'>): boolean {
  const { before, after, event, effects } = step;
  return (
    before.office.role !== after.office.role ||
    before.peer?.advertisement.role !== after.peer?.advertisement.role ||
    before.peer?.isProven !== after.peer?.isProven ||
    before.isMaintenance !== after.isMaintenance ||
    before.links.some((link, index) => link.isHeard !== after.links[index]?.isHeard) ||
    before.paths.some((path, index) => path.isUp !== after.paths[index]?.isUp) ||
    before.foreignCount !== after.foreignCount ||
    before.contestCount !== after.contestCount ||
    event.kind === 'carrier' ||
    event.kind === 'address-lost' ||
    event.kind === 'claim-failed' ||
    event.kind === 'command' ||
    event.kind === 'stop' ||
    effects.some((effect) => effect.kind === 'answer' || effect.kind === 'mute' || effect.kind === 'release')
  );
}
