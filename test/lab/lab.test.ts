import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { attempt } from './command.ts';
import { startDaemon } from './daemon.ts';
import { openEye } from './eye.ts';
import { openLab, publicFloating, type Host, type Lab } from './lab.ts';
import { interruption } from './observation.ts';
import { pause, nowMs } from './eventually.ts';
import { whyNoNamespaces } from './requirements.ts';
import { heal, inject, installSwitchFaults } from './switch.ts';

describe('lab', function () {
  this.timeout(20_000);
  let lab: Lab;

  before(function () {
    const reason = whyNoNamespaces();
    if (reason !== undefined) {
      console.log(`    skipped: ${reason}`);
      this.skip();
    }
    lab = openLab();
    installSwitchFaults(lab);
  });
  // Undefined when it was skipped.
  after(() => (lab as Lab | undefined)?.remove());

  const reaches = (host: Host, address: string) =>
    attempt(['ip', 'netns', 'exec', lab.hosts[host], 'ping', '-c1', '-W1', address]).code === 0;

  it('connects everyone with everyone, and routes between the switches', () => {
    assert.ok(reaches('client', '192.0.2.2'));
    assert.ok(reaches('realServer', '10.99.0.3'));
    assert.ok(reaches('lvs1', '10.98.0.3'));
    assert.ok(!reaches('client', publicFloating));
  });

  it('silences the ports of one router and leaves the other alone', () => {
    inject(lab, ['mute', 'deaf'], ['lvs1']);
    assert.ok(!reaches('client', '192.0.2.2'));
    assert.ok(reaches('client', '192.0.2.3'));
    assert.ok(reaches('lvs1', '10.98.0.3'));
    heal(lab);
    assert.ok(reaches('client', '192.0.2.2'));
  });

  it('starts a program under its own pid, freezes it and ends it', async () => {
    const daemon = startDaemon(lab, 'lvs1', ['sleep', '60'], { name: 'sleep' });
    daemon.freeze();
    daemon.thaw();
    assert.deepEqual(await daemon.kill(), { code: null, signal: 'SIGKILL' });
    assert.ok(!existsSync(`/proc/${daemon.pid}/exe`));
  });

  it('measures how long an address was silent', async function () {
    attempt(['ip', '-n', lab.hosts.lvs1, 'addr', 'add', `${publicFloating}/32`, 'dev', 'eth0']);
    attempt(['ip', '-n', lab.hosts.lvs1, 'addr', 'add', '10.99.0.1/32', 'dev', 'eth1']);
    await using eye = await openEye(lab);
    await eye.steady(100);
    const sinceMs = nowMs();
    inject(lab, ['mute'], ['lvs1'], ['pub']);
    await pause(100);
    heal(lab);
    const healedMs = nowMs();
    await eye.steady(100);
    const seen = await eye.collect();
    const untilMs = nowMs();
    const outage = interruption(seen.probes['client']!, sinceMs, untilMs);
    assert.ok(outage.silenceMs >= 100 && outage.silenceMs <= healedMs - sinceMs + 50, JSON.stringify(outage));
    assert.ok(outage.lostCount >= 80, JSON.stringify(outage));
    const untouched = interruption(seen.probes['realServer']!, sinceMs, untilMs);
    assert.equal(untouched.lostCount, 0);
    assert.ok(seen.answers.length > 0);
  });

  it('leaves nothing behind', async () => {
    const other = openLab({ direct: false });
    const daemon = startDaemon(other, 'client', ['sleep', '60'], { name: 'sleep' });
    other.remove();
    await daemon.ended;
    assert.ok(!attempt(['ip', 'netns', 'list']).stdout.includes(other.name));
    assert.ok(!existsSync(other.directory));
  });
});
