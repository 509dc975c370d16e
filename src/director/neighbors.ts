import { readNeighbors } from '../adapters/neighbor-files.ts';
import { floatingInterfaces } from '../core/tracks.ts';
import { type Settings, type Target } from '../core/state.ts';

const periodMs = 10_000;
/** As many as the core keeps. */
const mostTargets = 8;

/**
 * Where no path is configured a backup asks its neighbours whether its own cable is whole. It learns of them by
 * what they ask on the wire; whom this host itself has spoken to, the kernel knows.
 */
export function watchNeighbors(settings: Settings, tell: (targets: readonly Target[]) => void): void {
  const interfaceNames = floatingInterfaces(settings);
  const look = async () => {
    const targets = await readNeighbors(interfaceNames);
    if (targets.length > 0) {
      tell(targets.slice(0, mostTargets));
    }
  };
  void look();
  setInterval(() => void look(), periodMs).unref();
}
