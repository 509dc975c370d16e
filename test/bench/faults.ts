import { attempt } from '../lab/command.ts';
import { type Daemon } from '../lab/daemon.ts';
import { privateFloating, publicFloating, routers, type Lab, type Router } from '../lab/lab.ts';
import { heal, inject, part, plug } from '../lab/switch.ts';
import { clearAfterPowerLoss, flushGate } from '../lab/vipair.ts';
import { type Contestant } from './contestants.ts';

/** What is done to the active router, or between the two. */
export const faults = [
  'planned',
  'power',
  'kill',
  'freeze',
  'carrier',
  'port-silent',
  'deaf',
  'one-way',
  'partition',
  'flush',
  'removed',
] as const;
export type FaultName = (typeof faults)[number];

export const faultTitles: Readonly<Record<FaultName, string>> = {
  planned: 'moved on purpose (vipair failover; keepalived: SIGTERM)',
  power: 'power lost: all ports silent and all processes killed at once',
  kill: 'SIGKILL of the whole daemon, the router lives on',
  freeze: 'SIGSTOP of the whole daemon until 1.5 s after the takeover, then SIGCONT',
  carrier: 'the public cable is out: the active sees its carrier go',
  'port-silent': 'the public port carries nothing either way, its carrier is up',
  deaf: 'the routers are deaf to heartbeats of each other, all else passes',
  'one-way': 'nothing that the active sends is carried, what is sent to it arrives',
  partition: 'nothing passes between the routers, everybody else reaches both',
  flush: 'nft flush ruleset on the active',
  removed: 'both floating addresses removed from the active by hand',
};

/**
 * When a trial ends: `takeover` with the peer's holding the addresses, `mended` not before the fault has
 * lasted a while and has been mended, for what a pair makes of it may last as long as the fault.
 */
export function courseOf(fault: FaultName): 'takeover' | 'mended' {
  switch (fault) {
    case 'planned':
    case 'power':
    case 'kill':
    case 'freeze':
      return 'takeover';
    case 'carrier':
    case 'port-silent':
    case 'deaf':
    case 'one-way':
    case 'partition':
    case 'flush':
    case 'removed':
      return 'mended';
  }
}

/** Whether the office is better off at the peer; `undefined` where it is at both, whatever one does. */
export function shouldMove(fault: FaultName): boolean | undefined {
  switch (fault) {
    case 'planned':
    case 'power':
    case 'kill':
    case 'freeze':
    case 'carrier':
    case 'port-silent':
    case 'one-way':
      return true;
    case 'deaf':
    case 'flush':
    case 'removed':
      return false;
    case 'partition':
      return undefined;
  }
}

/** A contestant without a gate has nothing that could be flushed. */
export function canSuffer(contestant: Contestant, fault: FaultName): boolean {
  return fault !== 'flush' || contestant.hasGate;
}

export interface Scene {
  readonly contestant: Contestant;
  readonly lab: Lab;
  readonly daemons: Record<Router, Daemon>;
}

export async function strike(
  { lab, contestant, daemons }: Scene,
  fault: FaultName,
  active: Router,
): Promise<void> {
  switch (fault) {
    case 'planned':
      await contestant.moveOnPurpose(lab, active, daemons[active]);
      return;
    case 'power':
      inject(lab, ['mute', 'deaf'], [active]);
      await daemons[active].kill();
      return;
    case 'kill':
      await daemons[active].kill();
      return;
    case 'freeze':
      daemons[active].freeze();
      return;
    case 'carrier':
      plug(lab, active, 'pub', false);
      return;
    case 'port-silent':
      inject(lab, ['mute', 'deaf'], [active], ['pub']);
      return;
    case 'deaf':
      inject(lab, ['beatless'], routers);
      return;
    case 'one-way':
      inject(lab, ['mute'], [active]);
      return;
    case 'partition':
      part(lab);
      return;
    case 'flush':
      flushGate(lab, active);
      return;
    case 'removed':
      // One at a time: keepalived may have taken the second away itself on the loss of the first.
      attempt(['ip', '-n', lab.hosts[active], 'addr', 'del', `${publicFloating}/32`, 'dev', 'eth0']);
      attempt(['ip', '-n', lab.hosts[active], 'addr', 'del', `${privateFloating}/32`, 'dev', 'eth1']);
      return;
  }
}

/** Ends the fault, as whoever repairs it would. What the daemon does about it is its own affair. */
export function mend({ lab, daemons }: Scene, fault: FaultName, struck: Router): void {
  switch (fault) {
    case 'freeze':
      daemons[struck].thaw();
      return;
    case 'power':
    case 'kill':
      clearAfterPowerLoss(lab, struck);
      heal(lab);
      return;
    case 'carrier':
      plug(lab, struck, 'pub', true);
      return;
    case 'port-silent':
    case 'deaf':
    case 'one-way':
    case 'partition':
      heal(lab);
      return;
    case 'planned':
    case 'flush':
    case 'removed':
      return;
  }
}
