import { trackKind } from './paths.ts';
import { type StepRecord } from './record.ts';
import {
  type CommandOutcome,
  type CommandRefusal,
  type DirectorState,
  type HandoverCause,
  type PathSetting,
  type Refusal,
  type Settings,
  statedRole,
  type Why,
} from './state.ts';

/** What a sentence needs to know beyond the facts: who is who, and what the limits are. */
export type Names = Pick<
  Settings,
  'nodeName' | 'peerName' | 'priority' | 'nodeId' | 'links' | 'paths' | 'leaseMs' | 'deadMs'
>;

/**
 * One sentence, or a few, on what a step did and why: names and numbers instead of states. The most
 * important change speaks; the record itself has the rest.
 */
export function explain(record: StepRecord, settings: Names): string {
  const sentences = [
    explainOffice(record, settings),
    explainEvent(record, settings),
    ...record.effects.flatMap((effect) =>
      effect.kind === 'answer' ? [explainOutcome(effect.outcome, settings)] : [],
    ),
  ].filter((sentence) => sentence !== undefined);
  return sentences.length > 0 ? sentences.join(' ') : (explainPeer(record, settings) ?? 'Nothing changed.');
}

/** The office changed hands, or is about to. */
function explainOffice({ before, after }: StepRecord, settings: Names): string | undefined {
  const { nodeName } = settings;
  if (before.office.role === after.office.role) {
    return undefined;
  }
  const because = explainWhy(after.why, settings);
  switch (after.office.role) {
    case 'claiming':
      return `${nodeName} claims the addresses: ${explainWhy(after.office.why, settings)}.`;
    case 'stopped':
      return `${nodeName} stopped and holds nothing.`;
    case 'initialize':
    case 'backup':
    case 'active':
      return `${nodeName} became ${after.office.role}: ${because}.`;
  }
}

/** What was asked or suffered, where that is news by itself. */
function explainEvent(record: StepRecord, settings: Names): string | undefined {
  const { event, before, after } = record;
  const { nodeName } = settings;
  switch (event.kind) {
    case 'started':
      return before.office.role === after.office.role
        ? `${nodeName} started${event.isMaintenance ? ', in maintenance' : ''}.`
        : undefined;
    case 'address-lost':
      return `Somebody else removed ${event.address}${statedRole(after.office) === 'active' ? '; it is put back' : ''}.`;
    case 'claim-failed':
      return before.office.role === after.office.role
        ? `${nodeName} could not claim the addresses: ${event.reason}.`
        : undefined;
    case 'stop':
      return before.isStopping ? undefined : `${nodeName} was told to stop.`;
    case 'command':
      return `The operator asked for ${commandName(event.command)}.`;
    case 'carrier':
      return `${event.interfaceName} ${event.isUp ? 'has a carrier again' : 'lost its carrier'}.`;
    case 'answer-heard':
      return before.foreignCount === after.foreignCount
        ? undefined
        : `${event.mac}, which is not of the pair, claims ${event.address} on ${event.interfaceName}.`;
    case 'path-reported':
    case 'neighbors-known':
    case 'sync-reported':
    case 'wire-flooded':
    case 'lease-lost':
    case 'deadline':
    case 'advertisement':
    case 'claimed':
      return undefined;
  }
}

/** What became known of the peer and the links to it. */
function explainPeer({ before, after, event, effects }: StepRecord, settings: Names): string | undefined {
  const { nodeName, peerName, deadMs } = settings;
  const sentences: string[] = [];
  const linkNames = (isHeard: boolean) =>
    settings.links
      .filter((_, index) => isHeardOn(before, index) !== isHeard && isHeardOn(after, index) === isHeard)
      .map(({ name }) => name);
  const heard = linkNames(true);
  const lost = linkNames(false);
  if (heard.length > 0) {
    sentences.push(`${peerName} is heard on ${list(heard)}.`);
  }
  if (lost.length > 0) {
    sentences.push(`${peerName} is heard no longer on ${list(lost)} (dead ${formatMs(deadMs)}).`);
  }
  const peerRole = after.peer?.advertisement.role;
  if (peerRole !== undefined && before.peer?.advertisement.role !== peerRole) {
    sentences.push(`${peerName} is ${peerRole}.`);
  }
  if (after.peer?.isProven === true && before.peer?.isProven !== true) {
    sentences.push(`${peerName} proved that its heartbeats are its own and new.`);
  } else if (after.peer?.isProven === false && before.peer?.isProven === true) {
    sentences.push(`${peerName} began a new life and has yet to prove itself.`);
  }
  settings.paths.forEach((path, index) => {
    const isUp = after.paths[index]?.isUp;
    if (isUp !== undefined && isUp !== before.paths[index]?.isUp) {
      sentences.push(explainTrack(path, isUp));
    }
  });
  if (after.contestCount !== before.contestCount) {
    sentences.push(
      `Contested: ${peerName} is silent (dead ${formatMs(deadMs)}) but still answers for the addresses.`,
    );
  }
  if (before.isMaintenance !== after.isMaintenance) {
    sentences.push(`${nodeName} is ${after.isMaintenance ? 'now' : 'no longer'} in maintenance.`);
  }
  if (effects.some(({ kind }) => kind === 'mute')) {
    sentences.push(`${nodeName} stopped answering for the addresses.`);
  }
  if (event.kind !== 'started' && effects.some(({ kind }) => kind === 'release')) {
    sentences.push(`${nodeName} released the addresses.`);
  }
  return sentences.length > 0 ? sentences.join(' ') : undefined;
}

function explainTrack(path: PathSetting, isUp: boolean): string {
  const { name, address } = path;
  switch (trackKind(path)) {
    case 'path':
      return `Path ${name} is ${isUp ? 'up' : `down: ${address} does not answer`}.`;
    case 'script':
      return `Script ${name} ${isUp ? 'succeeds' : 'fails'}.`;
    case 'service':
      return `Service ${name} is ${isUp ? 'up' : 'down: too few of its real servers are usable'}.`;
  }
}

/** The facts of a change of office as a clause without a full stop. */
export function explainWhy(why: Why, settings: Names): string {
  const { nodeName, peerName, priority, nodeId, leaseMs, deadMs } = settings;
  switch (why.kind) {
    case 'started':
      return 'the daemon started';
    case 'heard-active-peer':
      return `${peerName} is active`;
    case 'nobody-answered':
      return `nothing was heard from ${peerName} in ${formatMs(why.listenedMs)} of listening (dead ${formatMs(deadMs)})`;
    case 'silence':
      return `nothing was heard from ${peerName} on ${links(why.linkCount)} for ${formatMs(why.silentMs)} (dead ${formatMs(deadMs)})`;
    case 'evidence':
      return `nothing was heard from ${peerName} on ${links(why.linkCount)} for ${formatMs(why.silentMs)}, nobody answered ${why.unansweredCount} probes for the addresses, and ${why.provenBy} answered, so the own cable is whole`;
    case 'contest-over':
      return `${peerName} was silent for ${formatMs(why.silentMs)} and now does not answer for the addresses any more (${why.unansweredCount} probes)`;
    case 'contest-timeout':
      return `${peerName} was silent for ${formatMs(why.silentMs)} and is given no more time, although it still answers for the addresses`;
    case 'lease-lost':
      return `the kernel's lease of the addresses ended (lease ${formatMs(leaseMs)})`;
    case 'peer-resigned':
      return `${peerName} gave the office up${because(why.refusal)}`;
    case 'peer-left-office':
      return `${peerName} left office and is ${why.peerRole} now`;
    case 'vacant-and-better':
      return priority === why.peerPriority
        ? `nobody was active, both have priority ${priority}, and ${nodeName} comes ${nodeId === 1 ? 'first' : 'second'} by name`
        : `nobody was active, and priority ${priority} is higher than the ${why.peerPriority} of ${peerName}`;
    case 'vacant-too-long':
      return `nobody was active for ${formatMs(why.vacantMs)}, although ${peerName} had the first claim`;
    case 'handover-taken':
      return `${peerName} asked it to take over${why.isForced ? ', by force' : ''}`;
    case 'handed-over':
      return `it handed the addresses to ${peerName} within ${formatMs(why.tookMs)}, because ${causeClause(why.cause)}`;
    case 'claim-failed':
      return `the addresses could not be claimed (${why.reason})`;
    case 'overslept':
      return `it woke ${formatMs(why.lateMs)} late (lease ${formatMs(leaseMs)}), so ${peerName} may hold the addresses already`;
    case 'lost-duel':
      return `both were active, and ${duelClause(why, settings)}`;
    case 'left-by-force':
      return `it left office although ${peerName} did not take over, because ${causeClause(why.cause)}`;
    case 'stopped':
      return 'it was stopped';
  }
}

function duelClause(why: Extract<Why, { kind: 'lost-duel' }>, settings: Names): string {
  const { peerName, priority } = settings;
  switch (why.rule) {
    case 'priority':
      return `the ${why.peerPriority} of ${peerName} is the higher priority (configured here: ${priority})`;
    case 'longer-in-office':
      return `${peerName} was in office longer (term ${why.peerTerm})`;
    case 'node-id':
      return `${peerName} comes first by name`;
    case 'slept':
      return `this host had slept, and ${peerName} claimed meanwhile (term ${why.peerTerm})`;
    case 'peer-is-deaf':
      return `${peerName} does not hear this director and so will not yield`;
  }
}

function causeClause(cause: HandoverCause): string {
  switch (cause) {
    case 'operator':
      return 'the operator asked for it';
    case 'maintenance':
      return 'maintenance was asked for';
    case 'stop':
      return 'it was told to stop';
    case 'failback':
      return 'the peer asked for the office';
    case 'path':
      return 'it lost a path, script or carrier that the peer still has';
  }
}

/** What became of a command, as a sentence. */
export function explainOutcome(outcome: CommandOutcome, settings: Names): string {
  if (outcome.ok) {
    return outcome.isChanged ? 'Done.' : 'It was so already.';
  }
  return `Refused: ${explainRefusal(outcome, settings)}.`;
}

/** Why a command was not carried out, as a clause without a full stop. */
export function explainRefusal(
  { reason, refusal = 'none' }: { readonly reason: CommandRefusal; readonly refusal?: Refusal },
  { nodeName, peerName }: Pick<Names, 'nodeName' | 'peerName'>,
): string {
  switch (reason) {
    case 'peer-silent':
      return `nothing is heard from ${peerName}, so it cannot take over`;
    case 'peer-refused':
      return `${peerName} does not take over${because(refusal)}`;
    case 'no-answer':
      return `${peerName} did not take over in time; ${nodeName} stays as it was`;
    case 'nobody-active':
      return 'no director is active, so there is nothing to move';
    case 'starting':
      return `${nodeName} has just started and still listens`;
    case 'stopping':
      return `${nodeName} is stopping`;
    case 'busy':
      return 'another change is under way';
    case 'not-eligible':
      return `${nodeName} cannot hold the addresses${because(refusal)}`;
  }
}

/** What the operator can do about a refusal, as a clause without a full stop. */
export function remedyFor(
  reason: CommandRefusal,
  { nodeName, peerName }: Pick<Names, 'nodeName' | 'peerName'>,
): string {
  switch (reason) {
    case 'peer-silent':
      return `see that vipair runs on ${peerName} and that a link to it works (vipair status)`;
    case 'peer-refused':
      return `mend what ${peerName} names, or override it with --force`;
    case 'no-answer':
      return `look at both (vipair status, vipair events on ${peerName}), then try again`;
    case 'nobody-active':
      return 'wait for the election (vipair status), then try again';
    case 'starting':
    case 'busy':
      return 'try again in a moment';
    case 'stopping':
      return `start vipair on ${nodeName} again`;
    case 'not-eligible':
      return `mend what ${nodeName} names; after maintenance: vipair maintenance off`;
  }
}

function because(refusal: Refusal): string {
  const clause = refusalClause(refusal);
  return clause === undefined ? '' : `: ${clause}`;
}

function refusalClause(refusal: Refusal): string | undefined {
  switch (refusal) {
    case 'none':
      return undefined;
    case 'maintenance':
      return 'it is in maintenance';
    case 'claim-failed':
      return 'it could not claim the addresses a moment ago';
    case 'path-down':
      return 'it lost a required path, script or carrier';
    case 'stopping':
      return 'it is stopping';
    case 'configuration-differs':
      return 'its configuration differs';
    case 'not-in-sync':
      return 'its connections are not in sync';
    case 'starting':
      return 'it is starting';
    case 'unproven':
      return 'it has not proved yet that its heartbeats are its own and new';
  }
}

function commandName(command: Extract<StepRecord['event'], { kind: 'command' }>['command']): string {
  switch (command.kind) {
    case 'failover':
      return command.isForced ? 'a failover by force' : 'a failover';
    case 'take-over':
      return 'this director to take over';
    case 'maintenance':
      return command.isOn ? 'maintenance' : 'the end of maintenance';
  }
}

function isHeardOn(state: DirectorState, index: number): boolean {
  return state.links[index]?.isHeard === true;
}

function links(count: number): string {
  return count === 1 ? 'its only link' : `${count} links`;
}

function list(names: readonly string[]): string {
  const last = names.at(-1) ?? '';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}

/** `301 ms`, `7.3 ms`, `12.5 s`: as many digits as a person reads. */
export function formatMs(ms: number): string {
  if (ms >= 10_000) {
    return `${Math.round(ms / 100) / 10} s`;
  }
  return ms >= 100 || Number.isInteger(ms) ? `${Math.round(ms)} ms` : `${Math.round(ms * 10) / 10} ms`;
}
