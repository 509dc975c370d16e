import { type Log } from '../observe/log.ts';
import { type ServicesNews } from './services.ts';

/** What becomes of the virtual services, as lines of the log. */
export function logServices(log: Log): ServicesNews {
  return {
    verdict(id, { verdict, last }) {
      if (verdict.isUp === true) {
        log.info({ server: id }, 'real server well');
      } else {
        const why = last?.ok === false ? { reason: last.reason, detail: last.detail } : {};
        log.warn({ server: id, ...why }, 'real server failed');
      }
    },
    changed(changes) {
      log.info({ count: changes.length, changes: changes.slice(0, mostShown) }, 'table changed');
    },
    problem(problem) {
      if (problem === undefined) {
        log.info('table read and changed again');
      } else {
        log.error({ reason: problem.reason, detail: problem.detail }, 'table neither read nor changed');
      }
    },
    notRemembered({ reason, detail }) {
      log.error({ reason, detail }, 'what was changed in the table is not kept on disk');
    },
    quorum(service, isUp, isNews) {
      if (!isNews) {
        return;
      }
      if (isUp) {
        log.info({ service }, 'service has its quorum');
      } else {
        log.warn({ service }, 'service has too few real servers');
      }
    },
    drains(drains) {
      for (const { server, service, isOn, by } of drains) {
        log.info({ server, service: service ?? 'all', by }, isOn ? 'real server drained' : 'drain ended');
      }
    },
  };
}

/** The whole of a large table is no line of a log. */
const mostShown = 10;
