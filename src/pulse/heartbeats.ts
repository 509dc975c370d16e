import { randomInt } from 'node:crypto';
import { type Advertisement, type DirectorEvent, type Settings } from '../core/state.ts';
import { admit, newBootId, type Session } from '../wire/admission.ts';
import {
  formatHeartbeat,
  type Heartbeat,
  pairIdOf,
  parseHeartbeat,
  type RefusedReason,
  refusedReasons,
} from '../wire/heartbeat.ts';
import { type Keys } from '../wire/key.ts';
import { acknowledge, type LinkStatistics, noStatistics, recordArrival } from './link-statistics.ts';

export interface HeartbeatsOptions {
  readonly settings: Settings;
  readonly keys: Keys;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  /** Of the floating interfaces, in configured order. */
  readonly floatingMacs: () => readonly string[];
  readonly transmit: (link: number, datagram: Uint8Array, onSent?: () => void) => void;
  readonly onAdvertisement: (event: Extract<DirectorEvent, { kind: 'advertisement' }>) => void;
}

export interface Heartbeats {
  /** One heartbeat on every link; `onSent` is for `transmit`, with each. */
  send(advertisement: Advertisement, onSent?: () => void): void;
  /** A datagram of anyone that arrived on a link. */
  receive(link: number, datagram: Uint8Array): void;
  bootId(): bigint;
  /** This boot, and its latest tick. */
  own(): { readonly bootId: bigint; readonly sequence: number };
  /** What is known of the boots of the peer; undefined before the first heartbeat. */
  session(): Session | undefined;
  statistics(): readonly LinkStatistics[];
  refused(): Readonly<Record<RefusedReason, number>>;
}

/**
 * The envelope around advertisements: numbers, signs and echoes what goes out; checks, admits and counts
 * what comes in. What it refuses is a count and nothing else.
 */
export function createHeartbeats(options: HeartbeatsOptions): Heartbeats {
  const { settings, keys } = options;
  const pairId = pairIdOf(settings.pair);
  const bootId = newBootId(options.wallMs(), randomInt(0x10000));
  const refused = Object.fromEntries(refusedReasons.map((reason) => [reason, 0])) as Record<
    RefusedReason,
    number
  >;
  const statistics: LinkStatistics[] = settings.links.map(() => noStatistics);
  let sequence = 0;
  let session: Session | undefined;
  let latest: Heartbeat | undefined;

  return {
    send(advertisement, onSent) {
      sequence += 1;
      for (const link of settings.links.keys()) {
        const nowMs = options.nowMs();
        options.transmit(
          link,
          formatHeartbeat(
            {
              pairId,
              nodeId: settings.nodeId,
              bootId,
              sequence,
              link,
              intervalMs: settings.intervalMs,
              leaseMs: settings.leaseMs,
              deadMs: settings.deadMs,
              advertisement,
              acknowledged: acknowledge(statistics, link, nowMs * 1000),
              floatingMacs: options.floatingMacs(),
              sentAtUs: nowMs * 1000,
            },
            keys.send,
          ),
          onSent,
        );
      }
    },
    receive(link, datagram) {
      const atMs = options.nowMs();
      const parsed = parseHeartbeat(datagram, keys, { pairId, ownNodeId: settings.nodeId });
      if (!parsed.ok) {
        refused[parsed.reason] += 1;
        return;
      }
      const heartbeat = parsed.value;
      const admission = admit(session, heartbeat, link, { bootId, sequence });
      session = admission.session;
      if (!admission.verdict.ok) {
        refused[admission.verdict.reason] += 1;
        return;
      }
      const { isProven, isLatest } = admission.verdict.value;
      statistics[link] = recordArrival(statistics[link] ?? noStatistics, heartbeat, atMs * 1000, bootId);
      // A late or second copy of a tick is a sign of life on its link; what is believed is the newest of
      // the same boot.
      const believed = !isLatest && latest?.bootId === heartbeat.bootId ? latest : heartbeat;
      latest = believed;
      options.onAdvertisement({
        kind: 'advertisement',
        atMs,
        link,
        isProven,
        advertisement: believed.advertisement,
        macs: believed.floatingMacs,
      });
    },
    bootId: () => bootId,
    own: () => ({ bootId, sequence }),
    session: () => session,
    statistics: () => statistics,
    refused: () => ({ ...refused }),
  };
}
