import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventsCommand } from '../../src/cli/events.ts';
import { failoverCommand } from '../../src/cli/failover.ts';
import { maintenanceCommand } from '../../src/cli/maintenance.ts';
import { type CommonOptions, type Io } from '../../src/cli/run-options.ts';
import { statusCommand } from '../../src/cli/status.ts';
import { whyCommand } from '../../src/cli/why.ts';
import { type FakePulse, startFakePulse } from '../director/fake-pulse.ts';
import { heard } from '../observe/samples.ts';

describe('commands that ask the daemon', function () {
  this.timeout(15_000);
  let pulse: FakePulse;
  let options: CommonOptions;
  before(async () => {
    pulse = await startFakePulse();
    options = { config: pulse.configPath, runtimeDir: pulse.directory, stateDir: pulse.directory };
  });
  after(() => pulse[Symbol.asyncDispose]());

  it('status: says who is what, since when and why, in lines that fit', async () => {
    for (const columns of [40, 80]) {
      const { io, out, lines } = terminal({ columns });
      assert.equal(await statusCommand({ ...options, json: false, watch: false }, io), 0);
      assert.match(out(), /^lvs2 of pair edge is active$/m);
      assert.match(out(), /silence|nothing was/);
      assert.match(out(), /192\.0\.2\.10 +eth0 +not held/);
      assert.match(out(), /peer lvs1: silent, last heard/);
      assert.deepEqual(
        lines().filter((line) => line.length > columns),
        [],
      );
    }
  });

  it('status --json: prints the contract', async () => {
    const { io, out } = terminal();
    assert.equal(await statusCommand({ ...options, json: true, watch: false }, io), 0);
    const status = JSON.parse(out()) as Record<string, unknown>;
    for (const key of [
      'pair',
      'node',
      'role',
      'since',
      'term',
      'why',
      'peer',
      'floating',
      'links',
      'lease',
    ]) {
      assert.ok(key in status, key);
    }
  });

  it('status --watch: shows a change at once and ends by ^C without a mark on the terminal', async () => {
    const { io, out, untilOut } = terminal({ isTty: true });
    const ended = statusCommand({ ...options, json: false, watch: true }, io);
    await untilOut(/is active/);
    pulse.let(heard(480, 0, { role: 'backup', term: 4 }));
    await untilOut(/peer lvs1: backup/);
    process.emit('SIGINT');
    assert.equal(await ended, 0);
    assert.ok(out().endsWith('\u001b[?25h'));
  });

  it('why: tells the last changes with the facts that decided', async () => {
    const { io, out } = terminal();
    assert.equal(await whyCommand({ ...options, json: false, limit: 1 }, io), 0);
    assert.match(out(), /^lvs2 became active: nothing was heard from lvs1 on 2 links for 301 ms/);
    assert.match(out(), /backup -> active {2}term 5/);
    assert.match(out(), /silence: silentMs 301, linkCount 2, peer active, peer term 4, peer priority 150/);
  });

  it('events --json: prints one event a line', async () => {
    const { io, lines } = terminal();
    assert.equal(await eventsCommand({ ...options, json: true, follow: false, limit: 2 }, io), 0);
    assert.equal(lines().length, 2);
    assert.ok(lines().every((line) => 'sentence' in (JSON.parse(line) as object)));
  });

  it('events --follow: goes on until ^C', async () => {
    const { io, untilOut } = terminal();
    const ended = eventsCommand({ ...options, json: false, follow: true, limit: 1 }, io);
    await untilOut(/\n/);
    pulse.let({ kind: 'address-lost', atMs: 490, address: '10.99.0.1' });
    await untilOut(/Somebody else removed 10\.99\.0\.1/);
    process.emit('SIGINT');
    assert.equal(await ended, 0);
  });

  const failover = { json: false, force: false, timeoutMs: 2000 };

  it('failover: is done when the peer holds the addresses, and harmless when it already does', async () => {
    pulse.let(heard(500, 0, { role: 'backup', term: 4 }));
    const moving = run((io) => failoverCommand({ ...options, ...failover }, io));
    while (pulse.commands.length === 0) {
      await once(pulse.child, 'message');
    }
    pulse.let(heard(505, 0, { role: 'active', term: 6 }));
    const moved = await moving;
    assert.equal(moved.code, 0);
    assert.match(moved.out, /^lvs1 holds the addresses now \([\d.]+ ms\)\.\n$/);
    assert.deepEqual(await run((io) => failoverCommand({ ...options, ...failover, to: 'lvs1' }, io)), {
      code: 0,
      out: 'lvs1 already holds the addresses.\n',
      err: '',
    });
  });

  it('failover: says why it is refused, what to do, and by its exit code whether to try again', async () => {
    pulse.answerWith({ ok: false, reason: 'peer-refused', refusal: 'maintenance' });
    assert.deepEqual(await run((io) => failoverCommand({ ...options, ...failover }, io)), {
      code: 75,
      out: '',
      err: 'vipair: lvs1 does not take over: it is in maintenance. Remedy: mend what lvs1 names, or override it with --force\n',
    });
    pulse.answerWith(undefined);
    const unknown = await run((io) => failoverCommand({ ...options, ...failover, to: 'lvs9' }, io));
    assert.equal(unknown.code, 64);
    assert.match(unknown.err, /there is no node lvs9.*the nodes are lvs2 and lvs1/);
  });

  it('maintenance: goes on and off', async () => {
    const on = await run((io) =>
      maintenanceCommand({ ...options, json: false, force: false, isOn: true }, io),
    );
    assert.deepEqual(on, { code: 0, out: 'lvs2 is in maintenance now.\n', err: '' });
    const off = await run((io) =>
      maintenanceCommand({ ...options, json: true, force: false, isOn: false }, io),
    );
    assert.equal(off.code, 0);
    assert.equal((JSON.parse(off.out) as { changed: unknown }).changed, true);
  });

  it('asks the daemon that runs even while its configuration is broken', async () => {
    const broken = join(pulse.directory, 'broken.yaml');
    await writeFile(broken, 'pair: [');
    const { io } = terminal();
    assert.equal(await statusCommand({ ...options, config: broken, json: true, watch: false }, io), 0);
    await rm(broken);
  });

  it('says by its exit code that no daemon runs, or that the configuration is wrong', async () => {
    const elsewhere = { ...options, runtimeDir: join(pulse.directory, 'none') };
    const stopped = await run((io) => statusCommand({ ...elsewhere, json: false, watch: false }, io));
    assert.equal(stopped.code, 69);
    assert.match(stopped.err, /no daemon answers at .*Remedy: start it/);
    const wrong = await run((io) =>
      statusCommand({ ...elsewhere, config: '/nonexistent', json: false, watch: false }, io),
    );
    assert.equal(wrong.code, 78);
  });

  it('says that the pulse is frozen', async () => {
    pulse.freeze(true);
    const frozen = await run((io) => statusCommand({ ...options, json: false, watch: false }, io));
    pulse.freeze(false);
    assert.equal(frozen.code, 69);
    assert.match(frozen.err, /the pulse does not answer/);
  });
});

async function run(command: (io: Io) => Promise<number>) {
  const { io, out, err } = terminal();
  const code = await command(io);
  return { code, out: out(), err: err() };
}

function terminal({ columns = 80, isTty = false } = {}) {
  let out = '';
  let err = '';
  const waiting: (() => void)[] = [];
  const io: Io = {
    out(text) {
      out += text;
      waiting.splice(0).forEach((wake) => {
        wake();
      });
    },
    err(text) {
      err += text;
    },
    isTty,
    columns,
    useColor: false,
  };
  return {
    io,
    out: () => out,
    err: () => err,
    lines: () => out.trimEnd().split('\n'),
    untilOut: async (pattern: RegExp) => {
      while (!pattern.test(out)) {
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}
