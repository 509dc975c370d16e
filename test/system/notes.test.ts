import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { type NoteCounts } from '../../src/pulse/channel.ts';
import { startDaemon, type Daemon } from '../lab/daemon.ts';
import { eventually } from '../lab/eventually.ts';
import { openLab, type Lab, type Router } from '../lab/lab.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';
import { commonArguments, configurePair } from '../lab/vipair.ts';

const program = fileURLToPath(new URL('../pulse/note-program.js', import.meta.url));

interface NoteRead {
  readonly noteOf: string;
  readonly count: number;
  readonly bootId: string;
  readonly bytes: number;
}

interface Counted {
  readonly counts: NoteCounts;
  readonly heartbeatsRefused: Readonly<Record<string, number>>;
  readonly ownBootId: string;
}

describe('notes of a pair of pulses', function () {
  this.timeout(30_000);
  let lab: Lab;
  let daemons: Record<Router, Daemon>;

  before(function () {
    const reason = whyNoNamespaces();
    if (reason !== undefined) {
      console.log(`    skipped: ${reason}`);
      this.skip();
    }
    lab = openLab();
    configurePair(lab);
    daemons = { lvs1: start('lvs1'), lvs2: start('lvs2') };
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') {
      for (const daemon of Object.values(daemons)) {
        console.log(`--- log of ${daemon.host}\n${daemon.log().slice(-2000)}`);
      }
    }
  });
  after(() => {
    // Undefined when it was skipped.
    (lab as Lab | undefined)?.remove();
  });

  function start(router: Router): Daemon {
    const argv = [process.execPath, program, 'run', ...commonArguments(lab, router)];
    return startDaemon(lab, router, argv, { name: `notes-${router}` });
  }

  function linesOf(router: Router): readonly object[] {
    return daemons[router]
      .log()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as object);
  }
  const readBy = (router: Router) => linesOf(router).filter((line): line is NoteRead => 'noteOf' in line);
  const countsOf = (router: Router) =>
    linesOf(router)
      .filter((line): line is Counted => 'counts' in line)
      .at(-1);

  /** The notes that come after those that are there already. */
  function untilRead(
    router: Router,
    many: number,
    isWanted: (note: NoteRead) => boolean = () => true,
  ): Promise<readonly NoteRead[]> {
    const already = readBy(router).length;
    return eventually(
      `${router} reads ${many} notes`,
      () => {
        const read = readBy(router).slice(already).filter(isWanted);
        return read.length >= many ? read : undefined;
      },
      10_000,
    );
  }

  it('arrive at both whole, once each and in order, while every heartbeat still counts', async () => {
    await Promise.all([untilRead('lvs1', 30), untilRead('lvs2', 30)]);
    for (const [router, peer] of [
      ['lvs1', 'lvs2'],
      ['lvs2', 'lvs1'],
    ] as const) {
      const read = readBy(router);
      assert.ok(read.every(({ noteOf, bytes }) => noteOf === peer && bytes === 1024));
      assert.deepEqual([...new Set(read.map(({ bootId }) => bootId))], [countsOf(peer)?.ownBootId]);
      const counts = read.map(({ count }) => count);
      assert.deepEqual(
        counts,
        [...new Set(counts)].sort((a, b) => a - b),
      );
      const counted = countsOf(router);
      assert.ok(counted !== undefined && counted.counts.received > 0);
      const isNone = (refused: Readonly<Record<string, number>>) =>
        Object.values(refused).every((many) => many === 0);
      assert.ok(isNone(counted.counts.refused), JSON.stringify(counted));
      assert.ok(isNone(counted.heartbeatsRefused), JSON.stringify(counted));
    }
  });

  it('are dropped while there is no director process to read them, and go on with the next one', async () => {
    const [pulse, director] = daemons.lvs1.family();
    assert.ok(director !== undefined && director !== pulse);
    process.kill(director, 'SIGKILL');
    // The next one begins to count anew, and it reads as it writes.
    const fresh = await untilRead('lvs2', 3, ({ count }) => count < 20);
    assert.deepEqual(fresh.map(({ noteOf }) => noteOf).slice(0, 3), ['lvs1', 'lvs1', 'lvs1']);
    await untilRead('lvs1', 3);
    assert.ok(daemons.lvs1.isRunning() && daemons.lvs2.isRunning());
  });

  it('are of the new boot when the peer was killed and lives again', async () => {
    const before = readBy('lvs1').at(-1)?.bootId;
    await daemons.lvs2.kill();
    daemons.lvs2 = start('lvs2');
    const after = await untilRead('lvs1', 5, ({ bootId }) => bootId !== before);
    assert.equal(after[0]?.bootId, countsOf('lvs2')?.ownBootId);
    await untilRead('lvs2', 5);
  });
});
