import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ToDirector, type ToPulse } from '../../src/pulse/channel.ts';
import { startDirectorProcess } from '../../src/pulse/director-process.ts';

/** A stand-in for the director that is a real process on a real channel: it asks, and dies when it is told to. */
const echoes = `
  process.send({ kind: 'snapshot', id: String(process.pid) });
  process.on('message', () => process.exit(3));
`;
const deaf = `process.on('message', () => {}); process.on('disconnect', () => {}); setInterval(() => {}, 1000);`;

describe('director process', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vipair-director-'));
    await writeFile(join(folder, 'echoes.cjs'), echoes);
    await writeFile(join(folder, 'deaf.cjs'), deaf);
  });
  after(() => rm(folder, { recursive: true }));

  function start(module: string, onMessage: (message: ToPulse) => void = () => undefined) {
    const ends: string[] = [];
    const director = startDirectorProcess({
      modulePath: join(folder, module),
      args: [],
      onMessage,
      onReady: () => undefined,
      onEnd: (how) => ends.push(how),
    });
    return { director, ends };
  }

  it('is started again when it ends, and the next one is another process', async () => {
    const pids = new Set<string>();
    let again: () => void = () => undefined;
    const restarted = new Promise<void>((resolve) => {
      again = resolve;
    });
    const { director, ends } = start('echoes.cjs', (message) => {
      if (message.kind === 'snapshot') {
        pids.add(message.id);
        if (pids.size === 2) {
          again();
        }
        director.send({ kind: 'trouble', what: 'test', detail: 'end' });
      }
    });
    await restarted;
    assert.equal(director.restarts(), 1);
    assert.deepEqual(ends.slice(0, 1), ['exit code 3']);
    await director[Symbol.asyncDispose]();
  });

  it('is ended even if it does not listen to the end of the channel', async () => {
    let isThere: () => void = () => undefined;
    const there = new Promise<void>((resolve) => {
      isThere = resolve;
    });
    const director = startDirectorProcess({
      modulePath: join(folder, 'deaf.cjs'),
      args: [],
      onMessage: () => undefined,
      onReady: () => {
        isThere();
      },
      onEnd: () => undefined,
    });
    await there;
    const pid = director.pid();
    assert.ok(pid !== undefined);
    await director[Symbol.asyncDispose]();
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  });

  it('gets no more than a bounded number of messages ahead when it does not read', async () => {
    let isThere: () => void = () => undefined;
    const there = new Promise<void>((resolve) => {
      isThere = resolve;
    });
    const director = startDirectorProcess({
      modulePath: join(folder, 'deaf.cjs'),
      args: [],
      onMessage: () => undefined,
      onReady: () => {
        isThere();
      },
      onEnd: () => undefined,
    });
    await there;
    const pid = director.pid();
    assert.ok(pid !== undefined);
    process.kill(pid, 'SIGSTOP');
    const detail = 'x'.repeat(10_000);
    const many = (message: ToDirector) => Array.from({ length: 2000 }, () => director.send(message));
    const notes = many({ kind: 'note', text: detail, bootId: 'f' });
    const troubles = many({ kind: 'trouble', what: 'test', detail });
    process.kill(pid, 'SIGCONT');
    await director[Symbol.asyncDispose]();
    assert.deepEqual([notes[0], notes.at(-1)], [true, false]);
    assert.deepEqual([troubles[0], troubles.at(-1)], [true, false], 'notes leave room for what is told once');
  });
});
