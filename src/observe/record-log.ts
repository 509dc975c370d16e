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
    case 'deadline':
    case 'advertisement':
    case 'claimed':
      if (hasLostSight(record)) {
        log.warn(fields, 'sight of the peer lost');
      } else {
        log.info(fields, 'state changed');
      }
  }
}

/** The peer is heard on fewer links than before. */
function hasLostSight({ before, after }: StepRecord): boolean {
  return before.links.some((link, index) => link.isHeard && after.links[index]?.isHeard === false);
}
