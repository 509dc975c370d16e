import { setTimeout as pause } from 'node:timers/promises';
import { ping } from '../adapters/icmp.ts';
import { runScript } from '../adapters/script.ts';
import { type ReportedTrack } from '../config/settings.ts';
import { noVerdict, type Verdict, weigh } from '../core/hysteresis.ts';

/** What one look at a track found. */
export interface Finding {
  /** Undefined when it could not be looked at: that says nothing about the track. */
  readonly isOk: boolean | undefined;
  /** What was complained of, the tool's or the script's own words. */
  readonly detail: string;
}

export interface TracksOptions {
  readonly tracks: readonly ReportedTrack[];
  readonly find: (track: ReportedTrack, signal: AbortSignal) => Promise<Finding>;
  /** The first verdict on a track, and each that differs from the one before. */
  readonly onVerdict: (track: ReportedTrack, isUp: boolean, detail: string) => void;
  /** A track cannot be looked at, or (undefined) can be again. */
  readonly onUnable: (track: ReportedTrack, detail: string | undefined) => void;
}

export interface Tracks extends Disposable {
  /** By name, what is wrong with each track that is down or cannot be looked at. */
  complaints(): ReadonlyMap<string, string>;
}

/**
 * Looks at every track once an interval, beside each other, and never twice at the same time. Disposed of,
 * it ends at once what is running.
 */
export function watchTracks(options: TracksOptions): Tracks {
  const end = new AbortController();
  const complaints = new Map<string, string>();
  for (const track of options.tracks) {
    void follow(track, { ...options, complaints, signal: end.signal });
  }
  return {
    complaints: () => complaints,
    [Symbol.dispose]() {
      end.abort();
    },
  };
}

interface Watch extends Omit<TracksOptions, 'tracks'> {
  readonly complaints: Map<string, string>;
  readonly signal: AbortSignal;
}

async function follow(track: ReportedTrack, watch: Watch): Promise<void> {
  const { signal } = watch;
  let verdict = noVerdict;
  let isAble = true;
  while (!signal.aborted) {
    const nextAtMs = performance.now() + track.intervalMs;
    const finding = await watch.find(track, signal);
    // `signal` changed while this waited.
    if (endedBy(signal)) {
      return;
    }
    if ((finding.isOk !== undefined) !== isAble) {
      isAble = !isAble;
      watch.onUnable(track, isAble ? undefined : finding.detail);
    }
    const next = finding.isOk === undefined ? verdict : weigh(verdict, finding.isOk, track);
    if (next.isUp !== undefined && next.isUp !== verdict.isUp) {
      watch.onVerdict(track, next.isUp, finding.detail);
    }
    verdict = next;
    remember(watch.complaints, track, verdict, finding);
    await until(nextAtMs, signal);
  }
}

function remember(
  complaints: Map<string, string>,
  { name }: ReportedTrack,
  verdict: Verdict,
  { isOk, detail }: Finding,
): void {
  if (isOk === undefined) {
    complaints.set(name, `cannot be looked at: ${detail}`);
  } else if (verdict.isUp !== false) {
    complaints.delete(name);
  } else if (!isOk) {
    complaints.set(name, detail);
  }
}

/** Waits, but never less than a moment: who is always late shall not keep a processor busy. */
async function until(atMs: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(Math.max(leastPauseMs, atMs - performance.now()), undefined, { signal, ref: false });
  } catch (error) {
    if (!endedBy(signal)) {
      throw error;
    }
  }
}

const leastPauseMs = 10;

function endedBy(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Who a script is run for: it is told by its environment. */
export interface ScriptContext {
  readonly pair: string;
  readonly node: string;
  readonly role: string;
}

/** Looks at a track as the configuration says: by a ping, or by a run of its script. */
export async function findOut(
  track: ReportedTrack,
  context: ScriptContext,
  signal: AbortSignal,
): Promise<Finding> {
  switch (track.kind) {
    case 'icmp': {
      const { target: address, interfaceName, timeoutMs } = track;
      const asked = await ping({ address, interfaceName, timeoutMs }, signal);
      if (asked.ok) {
        return { isOk: true, detail: '' };
      }
      return { isOk: asked.reason === 'no-answer' ? false : undefined, detail: asked.detail ?? asked.reason };
    }
    case 'script': {
      const { command, timeoutMs } = track;
      const run = await runScript({ command, timeoutMs, environment: environmentOf(context) }, signal);
      if (run.ok) {
        return { isOk: true, detail: run.value };
      }
      const [program = ''] = command;
      return { isOk: false, detail: `${program} ${run.detail ?? run.reason}` };
    }
  }
}

function environmentOf({ pair, node, role }: ScriptContext): Readonly<Record<string, string>> {
  return {
    PATH: process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    VIPAIR_PAIR: pair,
    VIPAIR_NODE: node,
    VIPAIR_ROLE: role,
  };
}
