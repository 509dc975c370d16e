import { lvsFrom, lvsTracksFrom } from './lvs-settings.ts';
import { type Config } from './schema.ts';
import { timersFrom } from './timers.ts';

/**
 * 32 bits over everything that both directors must agree on, so that each can see in the other's heartbeats
 * whether they run the same configuration. Comments, order of keys, and whether a default was written out
 * make no difference; nor does `api`, which nobody else depends on. FNV-1a: a mistake is to be noticed here,
 * not an attack, for heartbeats are authenticated.
 */
export function configDigest(config: Config): number {
  // What is undefined JSON leaves out: the times, and the virtual services, count as what they come to, however they were written.
  const written = { profile: undefined, interval: undefined, lease: undefined, dead: undefined };
  const heartbeat = { ...config.heartbeat, ...written, timers: timersFrom(config.heartbeat) };
  const nodes = Object.keys(config.nodes).sort();
  const lvs = [...nodes.map((node) => lvsFrom(config, node)), lvsTracksFrom(config)];
  const text = canonicalJson({ ...config, heartbeat, lvs, api: undefined });
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash >>> 0;
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
