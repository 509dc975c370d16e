import { initialState, nextDeadlineMs, step } from '../core/director.ts';
import { type DirectorEvent, type Settings } from '../core/state.ts';

/** V8 compiles a function when it is first called; a few rounds reach all of them. */
const roundCount = 3;
const stepCount = 60;

/**
 * Goes through takeovers of a peer that fell silent, in the core alone: it is pure, so nothing happens, but
 * the first real one does not wait for its code to be compiled.
 */
export function rehearseCore(settings: Settings): void {
  for (let round = 0; round < roundCount; round += 1) {
    let state = initialState(settings);
    const take = (event: DirectorEvent) => {
      const [after, effects] = step(state, event, settings);
      state = after;
      if (effects.some(({ kind }) => kind === 'claim')) {
        take({ kind: 'claimed', atMs: event.atMs });
      }
      if (effects.some(({ kind }) => kind === 'probe')) {
        settings.paths.forEach(({ interfaceName, address }) => {
          take({ kind: 'answer-heard', atMs: event.atMs, interfaceName, address, mac: '02:00:00:00:00:01' });
        });
      }
    };
    take({ kind: 'started', atMs: 0, isMaintenance: false });
    for (let count = 0; count < stepCount; count += 1) {
      take({ kind: 'deadline', atMs: nextDeadlineMs(state, settings) ?? 0 });
    }
  }
}
