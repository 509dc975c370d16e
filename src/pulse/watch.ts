import { type DirectorEvent } from '../core/state.ts';
import { type DirectorProcess } from './director-process.ts';
import { type Host } from './host.ts';
import { type Inquiry } from './inquiry.ts';
import { type Meter } from './meter.ts';

export interface WatchOptions {
  readonly host: Host;
  readonly inquiry: Inquiry;
  readonly meter: Meter;
  /** Of links and floating addresses, each once. */
  readonly interfaceNames: readonly string[];
  readonly intervalMs: number;
  readonly nowMs: () => number;
  readonly dispatch: (event: DirectorEvent) => void;
  readonly tell: DirectorProcess['send'];
}

export interface Watch {
  /** Before every deadline: who was seen on the wires. */
  look(): void;
  /** With every heartbeat: carriers, addresses and the gate. */
  tick(): void;
}

/** Looks at what changes without anyone telling, and reports it as events. */
export function createWatch(options: WatchOptions): Watch {
  const { host, inquiry, meter, nowMs, dispatch } = options;
  const carriers = new Map(options.interfaceNames.map((name) => [name, true]));
  let leaseLeftMs: number | undefined = 0;
  /** When the lease ends that the last heartbeat renewed; undefined out of office. */
  let leaseEndsAtMs: number | undefined;
  return {
    look() {
      const { sightings, isDrained } = inquiry.poll();
      for (const sighting of sightings) {
        dispatch({ kind: 'answer-heard', ...sighting });
      }
      if (!isDrained) {
        dispatch({ kind: 'wire-flooded', atMs: nowMs() });
      }
    },
    tick() {
      for (const [interfaceName, was] of carriers) {
        const isUp = host.carrierOf(interfaceName);
        if (isUp !== was) {
          carriers.set(interfaceName, isUp);
          dispatch({ kind: 'carrier', atMs: nowMs(), interfaceName, isUp });
        }
      }
      for (const address of host.lost()) {
        meter.addressesLost += 1;
        dispatch({ kind: 'address-lost', atMs: nowMs(), address });
      }
      const sentAtMs = nowMs();
      const { culprit, remainingMs } = host.guard();
      if (leaseEndsAtMs !== undefined && leaseEndsAtMs - sentAtMs < options.intervalMs) {
        meter.renewalsLate += 1;
      }
      leaseEndsAtMs = remainingMs === undefined || remainingMs === 0 ? undefined : sentAtMs + remainingMs;
      if (culprit !== undefined) {
        options.tell({
          kind: 'trouble',
          what: 'gate',
          detail: `${culprit} changed the gate; it was put back`,
        });
      }
      const hasEnded = remainingMs === 0 && leaseLeftMs !== 0;
      leaseLeftMs = remainingMs;
      if (hasEnded) {
        dispatch({ kind: 'lease-lost', atMs: nowMs() });
      }
    },
  };
}
