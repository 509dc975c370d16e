import { effectivePriority, refusalOf } from './eligibility.ts';
import { isWishDue } from './failback.ts';
import { tracksOf } from './tracks.ts';
import { type Advertisement, type DirectorState, type Settings, statedRole } from './state.ts';

/** What a director tells its peer at this moment. */
export function advertisementOf(state: DirectorState, atMs: number, settings: Settings): Advertisement {
  const handover = state.office.role === 'active' ? state.office.handover : undefined;
  return {
    role: statedRole(state.office),
    term: state.term,
    priority: effectivePriority(state, atMs, settings),
    refusal: refusalOf(state, atMs),
    isMaintenance: state.isMaintenance,
    isResigning: state.office.role === 'stopped',
    handoverRequest: handover?.request ?? 0,
    isHandoverForced: handover?.isForced ?? false,
    handoverAnswer: state.refused.request,
    handoverRefusal: state.refused.refusal,
    wantsOffice: state.office.role === 'backup' && isWishDue(state, atMs, settings),
    hears: state.links.map((link) => link.heardAtMs !== undefined && atMs - link.heardAtMs < settings.deadMs),
    pathsOk: tracksOf(state, settings).map(({ isOk }) => isOk),
    configDigest: settings.configDigest,
  };
}
