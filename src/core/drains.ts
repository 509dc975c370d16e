import { endpoint, serviceKey, type VirtualAddress } from './table.ts';

/** The operator's word about a real server: it shall take no new connections (or may again). */
export interface Drain {
  /** An address with its port, as `endpoint` writes it, or an address for all its ports. */
  readonly server: string;
  /** A virtual service by its key; undefined for all. */
  readonly service: string | undefined;
  readonly isOn: boolean;
  /** Orders the words of both directors about the same: the greater one stands. Never less than any that was known. */
  readonly stamp: number;
  /** For people: which director was told, and when (Unix milliseconds). */
  readonly by: string;
  readonly wallMs: number;
}

/** What is over is remembered, too, for a peer that was away must not bring a drain back; but only so many. */
const mostOver = 200;
/** More than any operator means; a peer gone mad must not fill the memory. */
const mostOn = 10_000;
/** The last day that a date can be. */
export const latestStamp = 8.64e15;

/** The later word about each; `known` itself if nothing is new. */
export function mergeDrains(known: readonly Drain[], told: readonly Drain[]): readonly Drain[] {
  const byKey = new Map(known.map((drain) => [drainKey(drain), drain]));
  let isNew = false;
  for (const drain of told) {
    const before = byKey.get(drainKey(drain));
    const isRoom = !drain.isOn || before?.isOn === true || byKey.size < mostOn + mostOver;
    if (isRoom && (before === undefined || isLater(drain, before))) {
      byKey.set(drainKey(drain), drain);
      isNew = true;
    }
  }
  return isNew ? bounded([...byKey.values()]) : known;
}

/** Two that were said at the same moment: both directors must come to the same. */
function isLater(one: Drain, other: Drain): boolean {
  return one.stamp === other.stamp ? one.isOn && !other.isOn : one.stamp > other.stamp;
}

/** The oldest that are over go first. */
function bounded(drains: readonly Drain[]): readonly Drain[] {
  const over = drains.filter(({ isOn }) => !isOn).toSorted((a, b) => a.stamp - b.stamp);
  const oldest = new Set(over.slice(0, Math.max(0, over.length - mostOver)));
  return oldest.size === 0 ? drains : drains.filter((drain) => !oldest.has(drain));
}

export function drainKey({ server, service }: Pick<Drain, 'server' | 'service'>): string {
  return `${service ?? '*'} ${server}`;
}

/** The stamp of a word that is said now: after all that were said before. */
export function nextStamp(known: readonly Drain[], wallMs: number): number {
  return Math.min(
    latestStamp,
    known.reduce((most, { stamp }) => Math.max(most, stamp + 1), wallMs),
  );
}

export function concerns(
  { server, service }: Pick<Drain, 'server' | 'service'>,
  at: VirtualAddress,
  of: { readonly address: string; readonly port: number },
): boolean {
  return (
    (service === undefined || service === serviceKey(at)) &&
    (server === of.address || server === endpoint(of))
  );
}

/** Of words about the same real server, the one that names it more closely stands. */
export function drainOf(
  drains: readonly Drain[],
  at: VirtualAddress,
  server: { readonly address: string; readonly port: number },
): Drain | undefined {
  const [closest] = drains
    .filter((drain) => concerns(drain, at, server))
    .toSorted((a, b) => closeness(b) - closeness(a) || b.stamp - a.stamp);
  return closest?.isOn === true ? closest : undefined;
}

function closeness({ server, service }: Drain): number {
  const hasPort = server.includes(']') || /^[^:]+:\d+$/.test(server);
  return (service === undefined ? 0 : 2) + (hasPort ? 1 : 0);
}
