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
  /** A note goes out with each heartbeat, so more than that cannot be told. */
  readonly intervalMs: number;
  readonly onDrain: (drain: Drain) => void;
  readonly nowMs: () => number;
}

export interface ExchangeWithPeer {
  /** What arrived from the peer's director process in this boot of its pulse. */
  hear(text: string, bootId: string): void;
  /** Goes to the peer at once, and again later. */
  tellDrain(drain: Drain): void;
  /** Once a second: the next pieces of all that is to be told. */
  tell(): void;
  /** Does the peer find the real server well? Undefined while it has not said so lately. */
  peerFindings(id: string): boolean | undefined;
  /** Connections that the peer's kernel knows, as it said lately. */
  peerConnections(): number | undefined;
}

/** Four a second are a fifth of what heartbeats of 50 ms could carry. */
const mostPerTurn = 4;
const turnMs = 1000;
/** What waits in the pulse is late, and what comes too often pushes out what waits. */
const usedShare = 0.8;
const rotation = ['connections', 'findings', 'drain', 'findings'] as const;
/** What was not repeated for so long is no longer known; with slow heartbeats all takes longer. */
const leastFreshMs = 30_000;
const freshIntervals = 40;

export function createExchange(options: ExchangeOptions): ExchangeWithPeer {
  const { nowMs } = options;
  let revision = 0;
  let waiting: readonly Exchange[] = [];
  let drainIndex = 0;
  let turn = 0;
  let allowance = 0;
  let hearing = noFindings();
  let known: { readonly failed: ReadonlySet<string>; readonly atMs: number } | undefined;
  let connections: { readonly count: number; readonly atMs: number } | undefined;
  let peerBootId: string | undefined;

  const send = (exchange: Exchange) => {
    options.tellPeer(formatExchange(exchange));
  };
  const freshMs = Math.max(leastFreshMs, freshIntervals * options.intervalMs);
  const isFresh = (atMs: number) => nowMs() - atMs < freshMs;

  function nextFindings(): Exchange | undefined {
    if (waiting.length === 0) {
      revision += 1;
      waiting = findingsOf(revision, options.failed());
    }
    const [part, ...rest] = waiting;
    waiting = rest;
    return part;
  }

  function nextOf(kind: (typeof rotation)[number]): Exchange | undefined {
    switch (kind) {
      case 'findings':
        return nextFindings();
      case 'connections': {
        const count = options.connections();
        return count === undefined ? undefined : { kind: 'connections', count };
      }
      case 'drain': {
        const drains = options.drains();
        const drain = drains[drainIndex % Math.max(1, drains.length)];
        drainIndex += 1;
        return drain === undefined ? undefined : { kind: 'drain', drain };
      }
    }
  }

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
      allowance = Math.min(mostPerTurn, allowance + (usedShare * turnMs) / options.intervalMs);
      for (let tried = 0; tried < rotation.length && allowance >= 1; tried += 1) {
        const next = nextOf(rotation[turn % rotation.length] ?? 'findings');
        turn += 1;
        if (next !== undefined) {
          send(next);
          allowance -= 1;
        }
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
