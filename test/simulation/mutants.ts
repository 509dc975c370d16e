import { step } from '../../src/core/director.ts';
import { type DirectorEvent, type DirectorState, type Settings } from '../../src/core/state.ts';

/**
 * Cores that are wrong in one thing, made of the right one by what they are told: the simulation and the
 * model are worth their while only if they tell them from it.
 */
type StepFunction = typeof step;

/** Claims although the peer answers for the addresses. */
export const deafStep: StepFunction = (state, event, settings) =>
  event.kind === 'answer-heard' && settings.floating.some(({ address }) => address === event.address)
    ? [state, []]
    : step(state, event, settings);

/** Each thinks that it is the one to stay. */
export const stubbornStep: StepFunction = (state, event, settings) =>
  event.kind === 'advertisement' && state.office.role === 'active' && event.advertisement.role === 'active'
    ? step(state, { ...event, advertisement: { ...event.advertisement, priority: 0, term: 0 } }, settings)
    : step(state, event, settings);

/** Never notices that it did not run. */
export const sleepyStep: StepFunction = (state, event, settings) =>
  step(withTickDue(state, event, settings), event, settings);

function withTickDue(state: DirectorState, event: DirectorEvent, settings: Settings): DirectorState {
  return { ...state, advertiseAtMs: Math.max(state.advertiseAtMs, event.atMs - settings.intervalMs / 2) };
}

/** Forgets that it was put in maintenance. */
export const forgetfulStep: StepFunction = (state, event, settings) =>
  step(event.kind === 'deadline' ? { ...state, isMaintenance: false } : state, event, settings);

/** Tells the neighbours once and never again. */
export const quietStep: StepFunction = (state, event, settings) => {
  const [after, effects] = step(state, event, settings);
  const isClaim = state.office.role === 'claiming';
  return [after, isClaim ? effects : effects.filter(({ kind }) => kind !== 'announce')];
};
