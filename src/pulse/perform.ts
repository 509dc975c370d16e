import { type Failure, type Result } from '../core/result.ts';
import {
  type Advertisement,
  type CommandOutcome,
  type DirectorEffect,
  type DirectorEvent,
} from '../core/state.ts';

type Outcome = Result<unknown, string>;
/** System calls answer at once; the commands that stand in for them answer later. */
type Eventually<Value> = Value | Promise<Value>;

export interface EffectPorts {
  readonly nowMs: () => number;
  readonly sendAdvertisement: (advertisement: Advertisement) => void;
  readonly claim: () => Eventually<Outcome>;
  readonly renew: () => Eventually<Outcome>;
  readonly mute: () => void;
  readonly release: () => Eventually<Outcome>;
  readonly announce: () => Eventually<unknown>;
  readonly probe: (effect: Extract<DirectorEffect, { kind: 'probe' }>) => void;
  readonly answer: (commandId: string, outcome: CommandOutcome) => void;
  readonly stop: () => void;
  /** Something could not be done that no decision hangs on. */
  readonly onTrouble: (what: 'renew' | 'release', failure: Failure<string>) => void;
}

/**
 * Turns effects into work, and the outcome of that work into events. It decides nothing.
 *
 * What touches the addresses is done one after the other. By system calls that is at once, within the
 * step that asked for it; only the commands that stand in for them make the next one wait.
 */
export function createPerformer(ports: EffectPorts, dispatch: (event: DirectorEvent) => void) {
  let pending: Promise<void> | undefined;

  /** Runs `work` after what is under way, at once when nothing is. */
  function inTurn<Value>(work: () => Eventually<Value>, done: (value: Value) => void): void {
    if (pending === undefined) {
      const value = work();
      if (!(value instanceof Promise)) {
        done(value);
        return;
      }
      hold(value.then(done));
      return;
    }
    hold(pending.then(work).then(done));
  }

  function hold(work: Promise<void>): void {
    const held = work.finally(() => {
      if (pending === held) {
        pending = undefined;
      }
    });
    pending = held;
  }

  function claimed(outcome: Outcome): void {
    const atMs = ports.nowMs();
    dispatch(
      outcome.ok
        ? { kind: 'claimed', atMs }
        : { kind: 'claim-failed', atMs, reason: outcome.detail ?? outcome.reason },
    );
  }

  function report(what: 'renew' | 'release') {
    return (outcome: Outcome): void => {
      if (!outcome.ok) {
        ports.onTrouble(what, outcome);
      }
    };
  }

  return (effect: DirectorEffect): void => {
    switch (effect.kind) {
      case 'advertise':
        ports.sendAdvertisement(effect.advertisement);
        return;
      case 'claim':
        inTurn(ports.claim, claimed);
        return;
      case 'renew':
        inTurn(ports.renew, report('renew'));
        return;
      case 'mute':
        ports.mute();
        return;
      case 'release':
        inTurn(ports.release, report('release'));
        return;
      case 'probe':
        ports.probe(effect);
        return;
      case 'announce':
        inTurn(ports.announce, () => undefined);
        return;
      case 'answer':
        ports.answer(effect.commandId, effect.outcome);
        return;
      case 'stop':
        inTurn(() => undefined, ports.stop);
        return;
    }
  };
}
