import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type StepRecord } from '../../src/core/record.ts';
import { openJournalFile } from '../../src/observe/journal-file.ts';
import { keptEntries, openJournal } from '../../src/observe/journal.ts';
import { play, silenceStory } from './samples.ts';

const story = play(silenceStory);

describe('journal', () => {
  let stateDir = '';
  let problems: (string | undefined)[] = [];
  beforeEach(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'vipair-journal-'));
    problems = [];
  });
  afterEach(() => rm(stateDir, { recursive: true }));

  const open = () =>
    openJournal({ stateDir, pair: 'edge', node: 'lvs2', onProblem: (problem) => problems.push(problem) });
  const path = () => join(stateDir, 'edge.lvs2.events.jsonl');

  it('has after a restart what it had before', async () => {
    const first = await open();
    story.forEach((record) => first.append(record, `number ${record.number}`));
    const before = first.entries();
    await first[Symbol.asyncDispose]();
    const again = await open();
    assert.deepEqual(again.entries(), JSON.parse(JSON.stringify(before)));
    assert.equal(before.length, story.length);
    assert.equal((await stat(path())).mode & 0o777, 0o640);
    await again[Symbol.asyncDispose]();
  });

  it('takes a record only once, for a director that starts again is told of the last ones again', async () => {
    const first = await open();
    story.forEach((record) => first.append(record, ''));
    await first[Symbol.asyncDispose]();
    await using again = await open();
    assert.deepEqual(
      story.map((record) => again.append(record, '')),
      story.map(() => undefined),
    );
    assert.equal(again.entries().length, story.length);
  });

  it('gives ids that rise, also when the clock goes back', async () => {
    await using journal = await open();
    const ids = [5000, 5000, 4000, 6000].map((wallMs, index) => journal.append(at(wallMs, index), '')?.id);
    assert.deepEqual(ids, [5000, 5001, 5002, 6000]);
    assert.deepEqual(
      journal.entries({ sinceId: 5001 }).map(({ id }) => id),
      [5002, 6000],
    );
  });

  it('keeps the newest when there are too many', async () => {
    await using journal = await open();
    for (let number = 1; number <= keptEntries + 5; number += 1) {
      journal.append(at(number, number), '');
    }
    assert.equal(journal.entries().length, keptEntries);
    assert.equal(journal.entries()[0]?.id, 6);
  });

  it('passes over a line that was torn by a crash, and does not tear the next one', async () => {
    const first = await open();
    first.append(at(1, 1), 'whole');
    await first[Symbol.asyncDispose]();
    await appendFile(path(), '{"id":2,"node":"lvs2","sent');
    const second = await open();
    second.append(at(3, 3), 'after');
    await second[Symbol.asyncDispose]();
    await using third = await open();
    assert.deepEqual(
      third.entries().map(({ sentence }) => sentence),
      ['whole', 'after'],
    );
  });

  it('passes over lines that are not its own, whatever they are', async () => {
    await writeFile(path(), ['null', '[]', '7', '{"id":1}', '\u0000', '{"id":"x"}', ''].join('\n'));
    await using journal = await open();
    assert.deepEqual(journal.entries(), []);
  });

  it('keeps everything in memory when the disk does not take it, and says so once', async () => {
    await mkdir(path());
    const journal = await open();
    journal.append(at(1, 1), '');
    journal.append(at(2, 2), '');
    await journal[Symbol.asyncDispose]();
    assert.equal(journal.entries().length, 2);
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? '', /EISDIR/);
    assert.ok(journal.failures() >= 1);
  });

  it('writes what it kept when the disk works again, and says that, too', async () => {
    await mkdir(path());
    let mended = () => {};
    const isMended = new Promise<void>((resolve) => {
      mended = resolve;
    });
    const seen: (string | undefined)[] = [];
    await using file = openJournalFile({
      directory: stateDir,
      name: 'edge.lvs2.events.jsonl',
      retryMs: 5,
      onProblem: (problem) => {
        seen.push(problem);
        if (problem === undefined) {
          mended();
        } else {
          void rm(path(), { recursive: true });
        }
      },
    });
    file.append('one\n');
    file.append('two\n');
    await isMended;
    file.append('three\n');
    await file[Symbol.asyncDispose]();
    assert.deepEqual((await readFile(path(), 'utf8')).split('\n').filter(Boolean), ['one', 'two', 'three']);
    assert.equal(seen.length, 2);
  });

  it('rotates once the file is full, and reads both after a restart', async () => {
    const options = {
      directory: stateDir,
      name: 'edge.lvs2.events.jsonl',
      rotateAtBytes: 100,
      onProblem: (problem: string | undefined) => problems.push(problem),
    };
    for (let number = 0; number < 12; number += 1) {
      const file = openJournalFile(options);
      file.append(`${String(number).padStart(19, '0')}\n`);
      await file[Symbol.asyncDispose]();
    }
    const { size } = await stat(path());
    assert.ok(size <= 100 && size > 0);
    await using file = openJournalFile(options);
    const tail = await file.readTail(7, AbortSignal.timeout(1000));
    assert.deepEqual(tail.map(Number), [5, 6, 7, 8, 9, 10, 11]);
    assert.deepEqual(problems, []);
  });
});

function at(wallMs: number, number: number): StepRecord {
  const [record] = story;
  assert.ok(record);
  return { ...record, wallMs, number };
}
