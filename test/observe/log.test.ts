import assert from 'node:assert/strict';
import { explain } from '../../src/core/explain.ts';
import { createLog } from '../../src/observe/log.ts';
import { logRecord } from '../../src/observe/record-log.ts';
import { play, settings, silenceStory } from './samples.ts';

describe('log', () => {
  it('writes one JSON object a line, with constant messages', () => {
    const lines: string[] = [];
    const log = createLog({ fields: { pair: 'edge' } }, { write: (line) => lines.push(line) });
    const took = play(silenceStory).at(-1);
    assert.ok(took);
    logRecord(log, took, explain(took, settings));
    const { time, ...line } = JSON.parse(lines.join('')) as Record<string, unknown>;
    assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
    assert.deepEqual(line, {
      level: 'info',
      pair: 'edge',
      number: took.number,
      term: 5,
      sentence: 'lvs2 became active: nothing was heard from lvs1 on 2 links for 301 ms (dead 300 ms).',
      from: 'backup',
      to: 'active',
      why: { kind: 'silence', silentMs: 301, linkCount: 2 },
      msg: 'role changed',
    });
  });

  it('begins its lines with the syslog priority for the journal', () => {
    const lines: string[] = [];
    const log = createLog({ hasPriorities: true, level: 'debug' }, { write: (line) => lines.push(line) });
    log.error('a');
    log.warn('b');
    log.info('c');
    log.debug('d');
    assert.deepEqual(
      lines.map((line) => line.slice(0, 4)),
      ['<3>{', '<4>{', '<6>{', '<7>{'],
    );
  });
});
