import { type Acknowledgement, type Heartbeat } from '../wire/heartbeat.ts';
import { type LinkCounts } from './channel.ts';

/** What the admitted heartbeats of one link have shown. Instants are microseconds of this host's clock. */
export interface LinkStatistics {
  readonly received: number;
  readonly lost: number;
  readonly lastHeardAtUs: number | undefined;
  readonly jitterUs: number | undefined;
  readonly roundTripUs: number | undefined;
  readonly newest: Arrival | undefined;
}

/** The newest heartbeat of the link: what the next one is compared with, and what is echoed to the peer. */
interface Arrival {
  readonly bootId: bigint;
  readonly sequence: number;
  readonly sentAtUs: number;
  readonly heardAtUs: number;
  /** Arrival minus sending time of the latest arrival. Two clocks: only its changes mean something. */
  readonly transitUs: number;
  /** Bit n: `sequence - n` has been heard, or was sent before the first one. */
  readonly seen: number;
}

export const noStatistics: LinkStatistics = {
  received: 0,
  lost: 0,
  lastHeardAtUs: undefined,
  jitterUs: undefined,
  roundTripUs: undefined,
  newest: undefined,
};

/** A heartbeat that is missing when the one so many ticks later has come is lost, not late. */
const reorderTicks = 16;
const allSeen = 2 ** reorderTicks - 1;

/** The echo of the same link is preferred unless another link has heard a tick this much newer. */
const staleTicks = 8;
const longestHeldUs = 2 ** 32 - 1;

/**
 * Folds in one admitted heartbeat. `lost` only grows: a gap counts once it is past reordering, or when the
 * boot that left it ends. What the peer numbered but could not send counts as lost, too. `atUs` is
 * the arrival by the clock that also stamps what is sent.
 */
export function recordArrival(
  statistics: LinkStatistics,
  heartbeat: Heartbeat,
  atUs: number,
  ownBootId: bigint,
): LinkStatistics {
  const { newest, jitterUs, roundTripUs } = statistics;
  const before = newest?.bootId === heartbeat.bootId ? newest : undefined;
  const transitUs = atUs - heartbeat.sentAtUs;
  const { seen, lost } = before === undefined ? begin(newest) : follow(before, heartbeat.sequence);
  const isLate = before !== undefined && heartbeat.sequence <= before.sequence;
  return {
    received: statistics.received + 1,
    lost: statistics.lost + lost,
    lastHeardAtUs: atUs,
    jitterUs: before === undefined ? jitterUs : smoothJitter(jitterUs, transitUs - before.transitUs),
    roundTripUs: smoothRoundTrip(roundTripUs, sampleRoundTrip(heartbeat, atUs, ownBootId)),
    newest: isLate
      ? { ...before, transitUs, seen }
      : {
          bootId: heartbeat.bootId,
          sequence: heartbeat.sequence,
          sentAtUs: heartbeat.sentAtUs,
          heardAtUs: atUs,
          transitUs,
          seen,
        },
  };
}

/**
 * What a heartbeat on `link` echoes: the newest heard on that link, which measures its round trip; or,
 * while that link hears nothing, the newest heard on any, which at least proves that the peer lives.
 * Undefined while nothing was heard, or not for more than an hour.
 */
export function acknowledge(
  links: readonly LinkStatistics[],
  link: number,
  atUs: number,
): Acknowledgement | undefined {
  const heard = links.flatMap(({ newest }, index) =>
    newest === undefined ? [] : [{ ...newest, link: index }],
  );
  const last = heard.toSorted((a, b) => b.heardAtUs - a.heardAtUs)[0];
  if (last === undefined) {
    return undefined;
  }
  const own = heard.find((arrival) => arrival.link === link);
  const isFresh = own?.bootId === last.bootId && own.sequence > last.sequence - staleTicks;
  const { bootId, sequence, sentAtUs, heardAtUs, ...echoed } = isFresh ? own : last;
  const heldUs = Math.max(0, atUs - heardAtUs);
  return heldUs > longestHeldUs ? undefined : { bootId, sequence, link: echoed.link, sentAtUs, heldUs };
}

/** The part of the published counts that this file knows. */
export function countsOf(
  statistics: LinkStatistics,
): Pick<LinkCounts, 'received' | 'lost' | 'lastHeardAtMs' | 'jitterMs' | 'roundTripMs'> {
  return {
    received: statistics.received,
    lost: statistics.lost,
    lastHeardAtMs: toMs(statistics.lastHeardAtUs),
    jitterMs: toMs(statistics.jitterUs),
    roundTripMs: toMs(statistics.roundTripUs),
  };
}

interface Window {
  readonly seen: number;
  /** How many fell out of the window unheard. */
  readonly lost: number;
}

/** The first heartbeat of a boot: what the boot before still missed will not come any more. */
function begin(previous: Arrival | undefined): Window {
  return { seen: allSeen, lost: previous === undefined ? 0 : gapsIn(previous.seen, reorderTicks) };
}

function follow(before: Arrival, sequence: number): Window {
  const ahead = sequence - before.sequence;
  if (ahead <= 0) {
    return { seen: ahead > -reorderTicks ? before.seen | (1 << -ahead) : before.seen, lost: 0 };
  }
  const shifted = Math.min(ahead, reorderTicks);
  return {
    seen: ((before.seen << shifted) | 1) & allSeen,
    lost: gapsIn(before.seen, shifted) + ahead - shifted,
  };
}

/** How many of the oldest `ticks` of a window were not heard. */
function gapsIn(seen: number, ticks: number): number {
  const ages = Array.from({ length: ticks }, (_, index) => reorderTicks - 1 - index);
  return ages.filter((age) => ((seen >> age) & 1) === 0).length;
}

/** RFC 3550 §6.4.1: J += (|D| - J) / 16. */
function smoothJitter(jitterUs: number | undefined, differenceUs: number): number {
  const before = jitterUs ?? 0;
  return before + (Math.abs(differenceUs) - before) / 16;
}

/** RFC 6298 §2: the first sample as it is, then an eighth of each. */
function smoothRoundTrip(roundTripUs: number | undefined, sampleUs: number | undefined): number | undefined {
  if (sampleUs === undefined || roundTripUs === undefined) {
    return sampleUs ?? roundTripUs;
  }
  return roundTripUs + (sampleUs - roundTripUs) / 8;
}

/** Only there and back on the same link is that link's round trip. */
function sampleRoundTrip(
  { acknowledged, link }: Heartbeat,
  atUs: number,
  ownBootId: bigint,
): number | undefined {
  if (acknowledged?.bootId !== ownBootId || acknowledged.link !== link) {
    return undefined;
  }
  return Math.max(0, atUs - acknowledged.sentAtUs - acknowledged.heldUs);
}

function toMs(microseconds: number | undefined): number | undefined {
  return microseconds === undefined ? undefined : microseconds / 1000;
}
