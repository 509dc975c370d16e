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
const mostDrains = 200;

/** The later word about each; `known` itself if nothing is new. */
export function mergeDrains(known: readonly Drain[], told: readonly Drain[]): readonly Drain[] {
  const byKey = new Map(known.map((drain) => [drainKey(drain), drain]));
  let isNew = false;
  for (const drain of told) {
    const before = byKey.get(drainKey(drain));
    if (before === undefined || isLater(drain, before)) {
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
  const over = drains.length - mostDrains;
  if (over <= 0) {
    return drains;
  }
  const oldest = drains
    .filter(({ isOn }) => !isOn)
    .toSorted((a, b) => a.stamp - b.stamp)
    .slice(0, over);
  return drains.filter((drain) => !oldest.includes(drain));
}

export function drainKey({ server, service }: Pick<Drain, 'server' | 'service'>): string {
  return `${service ?? '*'} ${server}`;
}

/** The stamp of a word that is said now: after all that were said before. */
export function nextStamp(known: readonly Drain[], wallMs: number): number {
  return Math.max(wallMs, ...known.map(({ stamp }) => stamp + 1));
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
