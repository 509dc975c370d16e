import { type HeartbeatLink } from '../adapters/multicast.ts';
import { type DirectorState } from '../core/state.ts';
import { type PulseSnapshot } from './channel.ts';
import { type Heartbeats } from './heartbeats.ts';
import { type Host } from './host.ts';
import { countsOf, noStatistics } from './link-statistics.ts';
import { type Meter } from './meter.ts';
import { type Notes } from './notes.ts';
import { type Prepared } from './prepare.ts';

export interface SnapshotParts {
  readonly prepared: Prepared;
  readonly host: Host;
  readonly links: readonly HeartbeatLink[];
  readonly heartbeats: Heartbeats;
  readonly notes: Notes;
  readonly meter: Meter;
  readonly startedWallMs: number;
  readonly realtimeProblem: string | undefined;
}

/** What the pulse knows now; the addresses are read from the kernel, for that is what counts. */
export function takeSnapshot(
  parts: SnapshotParts,
  state: DirectorState,
  now: { readonly atMs: number; readonly wallMs: number; readonly directorRestarts: number },
): PulseSnapshot {
  const { prepared, host, heartbeats, meter } = parts;
  const held = host.held();
  const statistics = heartbeats.statistics();
  return {
    atMs: now.atMs,
    wallMs: now.wallMs,
    startedWallMs: parts.startedWallMs,
    bootId: heartbeats.bootId().toString(16),
    pid: process.pid,
    state,
    links: prepared.links.map(({ name, interfaceName }, index) => ({
      name,
      interfaceName,
      carrier: host.carrierOf(interfaceName),
      sent: parts.links[index]?.counts().sent ?? 0,
      sendFailures: parts.links[index]?.counts().sendFailures ?? 0,
      ...countsOf(statistics[index] ?? noStatistics),
    })),
    floating: prepared.floating.map(({ address, interfaceName }, index) => ({
      address,
      interfaceName,
      held: held[index] ?? false,
    })),
    refused: heartbeats.refused(),
    notes: parts.notes.counts(),
    realtimeProblem: parts.realtimeProblem,
    kernelPath: host.path,
    gate: { ...host.gate(), renewalsLate: meter.renewalsLate },
    claims: {
      attempts: meter.claimAttempts,
      failures: meter.claimFailures,
      durations: meter.claims.snapshot(),
    },
    announcementsSent: meter.announcementsSent,
    addressesLost: meter.addressesLost,
    lateness: meter.lateness.snapshot(),
    directorRestarts: now.directorRestarts,
    recordsDropped: meter.recordsDropped,
    isConfigDifferent:
      state.peer !== undefined && state.peer.advertisement.configDigest !== prepared.settings.configDigest,
  };
}
