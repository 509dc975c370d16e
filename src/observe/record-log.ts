import { type StepRecord } from '../core/record.ts';
import { statedRole } from '../core/state.ts';
import { type Log } from './log.ts';

/** One line per notable step: the message is constant, `sentence` is for people. */
export function logRecord(log: Log, record: StepRecord, sentence: string): void {
  const { before, after, event } = record;
  const from = statedRole(before.office);
  const to = statedRole(after.office);
  const fields = { number: record.number, term: after.term, sentence };
  if (from !== to) {
    log.info({ ...fields, from, to, why: after.why }, 'role changed');
    return;
  }
  switch (event.kind) {
    case 'address-lost':
      log.warn({ ...fields, address: event.address }, 'floating address removed by somebody else');
      return;
    case 'claim-failed':
      log.error({ ...fields, reason: event.reason }, 'claim failed');
      return;
    case 'command':
      log.info({ ...fields, command: event.command }, 'command received');
      return;
    case 'stop':
      log.info(fields, 'stop requested');
      return;
    case 'started':
      log.info(fields, 'director started');
      return;
    case 'carrier':
      if (event.isUp) {
        log.info({ ...fields, interface: event.interfaceName }, 'carrier came back');
      } else {
        log.warn({ ...fields, interface: event.interfaceName }, 'carrier lost');
      }
      return;
    case 'lease-lost':
    case 'wire-flooded':
    case 'answer-heard':
    case 'path-reported':
    case 'neighbors-known':
    case 'sync-reported':
    case 'deadline':
    case 'advertisement':
    case 'claimed':
      logChange(log, record, fields);
  }
}

/** The role stands and nobody asked for anything: what has become better or worse? */
function logChange(log: Log, record: StepRecord, fields: object): void {
  const { before, after } = record;
  if (before.foreignCount !== after.foreignCount) {
    log.warn({ ...fields, claim: after.foreign }, 'floating address claimed by a stranger');
  } else if (before.contestCount !== after.contestCount) {
    log.warn(fields, 'peer silent but still answering for the addresses');
  } else if (hasLostSight(record)) {
    log.warn(fields, 'sight of the peer lost');
  } else if (after.paths.some(({ isUp }, index) => isUp === false && before.paths[index]?.isUp !== false)) {
    log.warn(fields, 'path lost');
  } else {
    log.info(fields, 'state changed');
  }
}

/** The peer is heard on fewer links than before. */
function hasLostSight({ before, after }: StepRecord): boolean {
  return before.links.some((link, index) => link.isHeard && after.links[index]?.isHeard === false);
}
