import { type Advertisement, type DirectorState, type Settings } from './state.ts';

/** Something that must work for the addresses to be of use here: a path, a script, or a floating interface's carrier. */
export interface Track {
  readonly name: string;
  readonly isOk: boolean;
  readonly isRequired: boolean;
  readonly score: number;
}

/** All tracks, in an order that both directors share: paths, scripts, then the interfaces of floating addresses. */
export function tracksOf(state: DirectorState, settings: Settings): readonly Track[] {
  return [
    ...settings.paths.map(({ name, isRequired, score }, index) => ({
      name,
      isOk: state.paths[index]?.isUp !== false,
      isRequired,
      score,
    })),
    ...floatingInterfaces(settings).map((name) => ({
      name,
      isOk: !state.downInterfaces.includes(name),
      isRequired: true,
      score: 0,
    })),
  ];
}

export function floatingInterfaces(settings: Pick<Settings, 'floating'>): readonly string[] {
  return [...new Set(settings.floating.map(({ interfaceName }) => interfaceName))];
}

/** What the lost tracks take from the priority; it stays above 0, which is said for other reasons. */
export function scoredPriority(state: DirectorState, settings: Settings): number {
  const lost = tracksOf(state, settings)
    .filter(({ isOk }) => !isOk)
    .reduce((sum, { score }) => sum + score, 0);
  return Math.max(1, settings.priority - lost);
}

/**
 * Would the peer be the better owner by what both can reach? It is if it lost nothing required that this
 * director has and this director lost something required that the peer has; or, where the required are
 * alike, if scores were lost here and what is left is less than the peer's priority. Both blind to the
 * same thing: nothing moves.
 */
export function isPeerBetterPlaced(state: DirectorState, peer: Advertisement, settings: Settings): boolean {
  const tracks = tracksOf(state, settings);
  if (tracks.length !== peer.pathsOk.length || tracks.every(({ isOk }) => isOk)) {
    return false;
  }
  const required = tracks
    .map((track, index) => ({ ...track, isPeerOk: peer.pathsOk[index] ?? false }))
    .filter(({ isRequired }) => isRequired);
  const isWorse = required.some(({ isOk, isPeerOk }) => !isOk && isPeerOk);
  const isBetter = required.some(({ isOk, isPeerOk }) => isOk && !isPeerOk);
  if (isWorse || isBetter) {
    return isWorse && !isBetter;
  }
  const hasLostScore = tracks.some(({ isOk, score }) => !isOk && score > 0);
  return hasLostScore && scoredPriority(state, settings) < peer.priority;
}

/** Has this director lost a required track that the peer has? Then it is no use as the new owner. */
export function isWorsePlaced(state: DirectorState, peer: Advertisement, settings: Settings): boolean {
  const tracks = tracksOf(state, settings);
  return (
    tracks.length === peer.pathsOk.length &&
    tracks.some(({ isOk, isRequired }, index) => isRequired && !isOk && peer.pathsOk[index] === true)
  );
}
