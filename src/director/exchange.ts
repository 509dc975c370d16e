/**
 * What the two director processes know of each other's checks and drains. Nothing of it is asked for or
 * acknowledged: each tells what it has, a little at a time, again and again, and the other one keeps the latest.
 */
import { type Drain } from '../core/drains.ts';
import { type Exchange, findingsOf, formatExchange, hashOfServer, parseExchange } from '../wire/exchange.ts';

export interface ExchangeOptions {
  readonly tellPeer: (text: string) => void;
  readonly failed: () => readonly string[];
  readonly drains: () => readonly Drain[];
  /** Undefined where connections are not synchronised. */
  readonly connections: () => number | undefined;
  readonly onDrain: (drain: Drain) => void;
  readonly nowMs: () => number;
}

export interface ExchangeWithPeer {
  /** What arrived from the peer's director process in this boot of its pulse. */
  hear(text: string, bootId: string): void;
  /** Goes to the peer at once, and again later. */
  tellDrain(drain: Drain): void;
  /** Once a second: the next piece of all that is to be told. */
  tell(): void;
  /** Does the peer find the real server well? Undefined while it has not said so lately. */
  peerFindings(id: string): boolean | undefined;
  /** Connections that the peer's kernel knows, as it said lately. */
  peerConnections(): number | undefined;
}

/** A tenth of what heartbeats of 50 ms could carry. */
const partsPerTurn = 2;
/** What was not repeated for so long is no longer known. */
const freshMs = 30_000;

export function createExchange(options: ExchangeOptions): ExchangeWithPeer {
  const { nowMs } = options;
  let revision = 0;
  let waiting: readonly Exchange[] = [];
  let drainIndex = 0;
  let hearing = noFindings();
  let known: { readonly failed: ReadonlySet<string>; readonly atMs: number } | undefined;
  let connections: { readonly count: number; readonly atMs: number } | undefined;
  let peerBootId: string | undefined;

  const send = (exchange: Exchange) => {
    options.tellPeer(formatExchange(exchange));
  };
  const isFresh = (atMs: number) => nowMs() - atMs < freshMs;

  return {
    hear(text, bootId) {
      if (bootId !== peerBootId) {
        peerBootId = bootId;
        hearing = noFindings();
      }
      const parsed = parseExchange(text);
      if (!parsed.ok) {
        return;
      }
      const told = parsed.value;
      switch (told.kind) {
        case 'drain':
          options.onDrain(told.drain);
          return;
        case 'connections':
          connections = { count: told.count, atMs: nowMs() };
          return;
        case 'findings':
          hearing =
            hearing.revision === told.revision ? hearing : { revision: told.revision, parts: new Map() };
          hearing.parts.set(told.part, told.failed);
          if (hearing.parts.size === told.partCount) {
            known = { failed: new Set([...hearing.parts.values()].flat()), atMs: nowMs() };
          }
          return;
      }
    },
    tellDrain(drain) {
      send({ kind: 'drain', drain });
    },
    tell() {
      if (waiting.length === 0) {
        revision += 1;
        waiting = findingsOf(revision, options.failed());
      }
      waiting.slice(0, partsPerTurn).forEach(send);
      waiting = waiting.slice(partsPerTurn);
      const drains = options.drains();
      const drain = drains[drainIndex % Math.max(1, drains.length)];
      drainIndex += 1;
      if (drain !== undefined) {
        send({ kind: 'drain', drain });
      }
      const count = options.connections();
      if (count !== undefined) {
        send({ kind: 'connections', count });
      }
    },
    peerFindings: (id) =>
      known !== undefined && isFresh(known.atMs) ? !known.failed.has(hashOfServer(id)) : undefined,
    peerConnections: () =>
      connections !== undefined && isFresh(connections.atMs) ? connections.count : undefined,
  };
}

interface Hearing {
  readonly revision: number;
  readonly parts: Map<number, readonly string[]>;
}

function noFindings(): Hearing {
  return { revision: 0, parts: new Map() };
}
