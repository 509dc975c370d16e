import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '../../src/api/client.ts';
import { maintenancePath, readMaintenance } from '../../src/pulse/maintenance-file.ts';
import { exchange } from '../api/exchange.ts';
import { heard } from '../observe/samples.ts';
import { type FakePulse, startFakePulse } from './fake-pulse.ts';

describe('director process', function () {
  this.timeout(15_000);
  let pulse: FakePulse;
  /** A director that has just taken over from the silent lvs1. */
  beforeEach(async () => {
    pulse = await startFakePulse();
  });
  afterEach(() => pulse[Symbol.asyncDispose]());
  const client = () => createClient(pulse.socketPath);

  it('shows what the pulse knows', async () => {
    const status = await client().status();
    assert.ok(status.ok);
    const { node, role, term, why } = status.value;
    assert.deepEqual(
      { node, role, term, why },
      {
        node: 'lvs2',
        role: 'active',
        term: 5,
        why: 'nothing was heard from lvs1 on 2 links for 301 ms (dead 300 ms)',
      },
    );
  });

  it('logs the changes of role and keeps them for why', async () => {
    const line = await pulse.waitForLog('role changed');
    assert.equal(line['node'], 'lvs2');
    const changes = await client().events({ limit: 10, rolesOnly: true });
    assert.ok(changes.ok);
    assert.deepEqual(
      changes.value.map(({ from, to }) => `${from} -> ${to}`),
      ['initialize -> backup', 'backup -> active'],
    );
  });

  it('serves metrics that promtool accepts', async function () {
    const { text, code } = await exchange({ port: pulse.port }, { path: '/metrics' });
    assert.equal(code, 200);
    assert.match(text, /^vipair_role\{role="active"\} 1$/m);
    assert.match(text, /^vipair_pulse_up 1$/m);
    assert.match(text, /^vipair_transitions_total\{from="backup",to="active"\} 1$/m);
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    if (checked.error !== undefined) {
      console.log('      promtool is not installed: apt-get install prometheus');
      this.skip();
    }
    assert.equal(checked.stdout + checked.stderr, '');
  });

  it('says within half a second that the pulse is frozen, and shows what it last said', async () => {
    await client().status();
    pulse.freeze(true);
    const began = performance.now();
    const answers = await Promise.all([client().status(), client().status(), client().status()]);
    assert.ok(performance.now() - began < 700);
    assert.deepEqual(
      answers.map((answer) => !answer.ok && answer.error.reason),
      ['pulse-silent', 'pulse-silent', 'pulse-silent'],
    );
    const { text } = await exchange({ port: pulse.port }, { path: '/metrics' });
    assert.match(text, /^vipair_pulse_up 0$/m);
    assert.match(text, /^vipair_term 5$/m);
    pulse.freeze(false);
    assert.ok((await client().status()).ok);
  });

  it('carries a failover to the core and back', async () => {
    const refused = await client().failover({});
    assert.ok(!refused.ok);
    assert.deepEqual(refused.error, {
      error: 'nothing is heard from lvs1, so it cannot take over',
      reason: 'peer-silent',
      remedy: 'see that vipair runs on lvs1 and that a link to it works (vipair status)',
    });
    assert.deepEqual(await done({ to: 'lvs2' }), {
      changed: false,
      message: 'lvs2 already holds the addresses',
    });

    pulse.let(heard(500, 0, { role: 'backup', term: 4 }));
    const moving = done({ to: 'lvs1' });
    await eventually(() => 'handover' in pulse.state().office && pulse.commands.length === 3);
    pulse.let(heard(510, 0, { role: 'active', term: 6 }));
    assert.deepEqual(await moving, { changed: true, message: 'lvs1 holds the addresses now' });
    assert.deepEqual(await done({}), { changed: false, message: 'lvs1 already holds the addresses' });

    async function done(request: { to?: string }) {
      const answer = await client().failover(request);
      assert.ok(answer.ok, JSON.stringify(answer));
      const { changed, message } = answer.value;
      return { changed, message };
    }
  });

  it('waits for an outcome no longer than it was told', async () => {
    pulse.let(heard(500, 0, { role: 'backup', term: 4 }));
    const answer = await client().failover({ timeoutMs: 100 });
    assert.equal(!answer.ok && answer.error.reason, 'no-outcome');
  });

  it('refuses nodes that are not of the pair, and force where it has no meaning', async () => {
    const unknown = await client().failover({ to: 'lvs3' });
    assert.equal(!unknown.ok && unknown.error.reason, 'unknown-node');
    const forced = await client().failover({ to: 'lvs2', force: true });
    assert.equal(!forced.ok && forced.error.reason, 'force-not-here');
    assert.deepEqual(pulse.commands, []);
  });

  it('takes commands over the network from who has the token only', async () => {
    const token = 'a-token-that-is-long-enough';
    await writeFile(join(pulse.directory, 'api.token'), token, { mode: 0o600 });
    const post = (headers: Record<string, string>) =>
      exchange({ port: pulse.port }, { method: 'POST', path: '/failover', headers, body: '{"to":"lvs2"}' });
    assert.equal((await post({})).code, 401);
    assert.equal((await post({ Authorization: `Bearer ${token}` })).code, 200);
  });

  describe('maintenance', () => {
    const isKept = () => readMaintenance(pulse.directory, 'edge', 'lvs2');

    it('is on the disk before the pulse hears of it', async () => {
      pulse.let(heard(500, 0, { role: 'backup', term: 4 }));
      const entering = client().maintenance({ on: true });
      await eventually(() => pulse.commands.length === 1);
      assert.equal(isKept(), true);
      pulse.let(heard(510, 0, { role: 'active', term: 6 }));
      const entered = await entering;
      assert.equal(entered.ok && entered.value.message, 'lvs2 is in maintenance now');
      assert.equal(entered.ok && entered.value.status?.maintenance, true);

      const left = await client().maintenance({ on: false });
      assert.equal(left.ok && left.value.changed, true);
      assert.equal(isKept(), false);
    });

    it('is taken back from the disk when the core refuses it', async () => {
      const refused = await client().maintenance({ on: true });
      assert.equal(!refused.ok && refused.error.reason, 'peer-silent');
      assert.equal(isKept(), false);
    });

    it('is refused when it would not survive a restart', async () => {
      await mkdir(maintenancePath(pulse.directory, 'edge', 'lvs2'));
      const refused = await client().maintenance({ on: true, force: true });
      assert.equal(!refused.ok && refused.error.reason, 'disk-failed');
      assert.deepEqual(pulse.commands, []);
    });
  });

  it('has the events of its earlier life after a crash, each only once', async () => {
    const before = await client().events({ limit: 100 });
    const ended = once(pulse.child, 'exit');
    pulse.child.kill('SIGKILL');
    await ended;
    await pulse.restart();
    const after = await client().events({ limit: 100 });
    assert.ok(before.ok && before.value.length > 3);
    assert.deepEqual(after, before);
  });

  it('goes on when the disk does not take the events, and says so', async () => {
    const path = join(pulse.directory, 'edge.lvs2.events.jsonl');
    const known = await client().events({ limit: 100 });
    // What is being written would make the file again.
    await eventually(
      () => known.ok && readFileSync(path, 'utf8').split('\n').length === known.value.length + 1,
    );
    await rm(path);
    await mkdir(path);
    pulse.let(heard(500, 0, { role: 'backup' }));
    await pulse.waitForLog('events file not written');
    const status = await client().status();
    assert.match(status.ok ? status.value.problems.join() : '', /Events are not kept on disk/);
    assert.match(
      (await exchange({ port: pulse.port }, { path: '/metrics' })).text,
      /journal_failures_total [1-9]/,
    );
  });

  it('ends with the pulse, when it has written what it heard last', async () => {
    const ended = once(pulse.child, 'exit');
    pulse.let({ kind: 'stop', atMs: 600 });
    pulse.child.disconnect();
    assert.deepEqual(await ended, [0, null]);
    const text = await readFile(join(pulse.directory, 'edge.lvs2.events.jsonl'), 'utf8');
    assert.match(text.trim().split('\n').at(-1) ?? '', /lvs2 stopped and holds nothing/);
  });

  it('leaves a ^C of the terminal to the pulse', async () => {
    pulse.child.kill('SIGINT');
    assert.ok((await client().status()).ok);
  });

  it('does not start with a configuration that is wrong', async () => {
    const ended = once(pulse.child, 'exit');
    pulse.child.kill('SIGKILL');
    await ended;
    await chmod(pulse.configPath, 0o600);
    await writeFile(pulse.configPath, 'pair: EDGE\n');
    await assert.rejects(pulse.restart(), /configuration refused/);
    assert.equal(pulse.child.exitCode ?? (await once(pulse.child, 'exit'))[0], 78);
  });
});

async function eventually(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 4000;
  while (!isSo()) {
    assert.ok(performance.now() < deadline, 'it did not come to pass in 4 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
