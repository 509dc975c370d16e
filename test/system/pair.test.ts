import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../lab/command.ts';
import { type Daemon } from '../lab/daemon.ts';
import { eventually, nowMs, pause } from '../lab/eventually.ts';
import { type Eye } from '../lab/eye.ts';
import { publicFloating, type Lab, type Router } from '../lab/lab.ts';
import { heal, inject, installSwitchFaults, plugDirect } from '../lab/switch.ts';
import {
  commonArguments,
  configurePair,
  disagreement,
  heldBy,
  mainFile,
  ownerOf,
  startVipair,
  statusOf,
  untilAgreed,
  untilOwner,
  vipair,
} from '../lab/vipair.ts';
import { ASK_PERIOD_MS, longestMs, watchPair } from './watched-pair.ts';

/** Of the balanced profile. */
const INTERVAL_MS = 50;

describe('a pair of vipair run', function () {
  this.timeout(40_000);
  let lab: Lab;
  let eye: Eye;
  let daemons: Record<Router, Daemon>;

  const { quiet, seenSince } = watchPair({
    prepare: installSwitchFaults,
    onOpen: (opened) => {
      ({ lab, eye, daemons } = opened);
    },
  });

  async function assertNothingMoved(before: { active: Router; term: number; sinceMs: number }) {
    const statuses = await untilAgreed(lab);
    assert.equal(statuses[before.active].role, 'active');
    assert.equal(statuses[before.active].term, before.term);
    const { client, realServer, overlaps } = await seenSince(before.sinceMs);
    assert.equal(client.lostCount + realServer.lostCount, 0);
    assert.deepEqual(overlaps, []);
  }

  it('has one active that holds both addresses, and status says what `ip addr` says', async () => {
    const statuses = await untilAgreed(lab, 15_000);
    assert.deepEqual([statuses.lvs1.role, statuses.lvs2.role].sort(), ['active', 'backup']);
    assert.equal(disagreement(lab, 'lvs1', statuses.lvs1), undefined);
    assert.equal(disagreement(lab, 'lvs2', statuses.lvs2), undefined);
  });

  it('moves both addresses by failover without a lost probe, and again is no change', async () => {
    const { active, backup, sinceMs } = await quiet();
    const first = await vipair(lab, active, ['failover']);
    assert.equal(first.code, 0, first.stderr);
    // The old one may still serve, mute, what is on its way: it lets go within one lease.
    assert.deepEqual(heldBy(lab, backup), [true, true]);
    const again = await vipair(lab, active, ['failover']);
    assert.equal(again.code, 0, again.stderr);
    await untilOwner(lab, backup, 1000);
    await pause(100);
    const { client, realServer, overlaps } = await seenSince(sinceMs);
    assert.equal(client.lostCount + realServer.lostCount, 0);
    // Under a millisecond while nothing else runs, which the benchmark measures; here the processors are shared,
    // and what must hold is that the old owner goes with the first heartbeat that it hears.
    const bothMs = longestMs(overlaps);
    assert.ok(bothMs <= ASK_PERIOD_MS + INTERVAL_MS, `both answered for ${bothMs} ms`);
    const statuses = await untilAgreed(lab);
    assert.equal(statuses[backup].role, 'active');
  });

  it('moves them back by failover --to', async () => {
    const { active, backup } = await quiet();
    const done = await vipair(lab, active, ['failover', '--to', backup]);
    assert.equal(done.code, 0, done.stderr);
    await untilOwner(lab, backup);
  });

  it('hands over on SIGUSR1', async () => {
    const { active, backup, sinceMs } = await quiet();
    daemons[active].signal('SIGUSR1');
    await untilOwner(lab, backup);
    await untilAgreed(lab);
    const { client, realServer } = await seenSince(sinceMs);
    assert.equal(client.lostCount + realServer.lostCount, 0);
  });

  it('does not notice when its director process is killed, and starts it again', async () => {
    const before = await quiet();
    const [pulse, director] = daemons[before.active].family();
    assert.ok(director !== undefined, 'the director process is a child of the daemon');
    process.kill(director, 'SIGKILL');
    await eventually('a new director process', () =>
      daemons[before.active].family().find((pid) => pid !== pulse && pid !== director),
    );
    await assertNothingMoved(before);
  });

  it('puts an address back that somebody removed, and announces it', async () => {
    const { active, term } = await quiet();
    const removedAtMs = nowMs();
    const removed = attempt([
      'ip',
      '-n',
      lab.hosts[active],
      'addr',
      'del',
      `${publicFloating}/32`,
      'dev',
      'eth0',
    ]);
    assert.equal(removed.code, 0, removed.stderr);
    await eventually(
      'the address is back',
      () => (heldBy(lab, active).every(Boolean) ? true : undefined),
      2000,
    );
    const statuses = await untilAgreed(lab);
    const { announcements } = await seenSince(removedAtMs);
    assert.ok(announcements.some(({ address, atMs }) => address === publicFloating && atMs >= removedAtMs));
    assert.equal(statuses[active].role, 'active');
    assert.ok(statuses[active].term >= term);
  });

  it('is not disturbed by a flood of garbage on its group and port', async function () {
    const before = await quiet();
    const refusedBefore = await metricSum(before.backup, 'vipair_heartbeats_refused_total');
    const flood = attempt(['ip', 'netns', 'exec', lab.hosts.client, process.execPath, '-e', FLOOD]);
    assert.equal(flood.code, 0, flood.stderr);
    await assertNothingMoved(before);
    const refused = await metricSum(before.backup, 'vipair_heartbeats_refused_total');
    assert.ok(refused > refusedBefore, `refused ${refused}, before ${refusedBefore}`);
  });

  it('does not claim when heartbeats are lost but the active still answers on the wire', async () => {
    const before = await quiet();
    plugDirect(lab, false);
    inject(lab, ['beatless'], ['lvs1', 'lvs2']);
    await pause(1500);
    assert.equal(ownerOf(lab), before.active);
    const { client, realServer, overlaps } = await seenSince(before.sinceMs);
    heal(lab);
    plugDirect(lab, true);
    assert.equal(client.lostCount + realServer.lostCount, 0);
    assert.deepEqual(overlaps, []);
    await assertNothingMoved({ ...before, sinceMs: nowMs() });
  });

  it('takes over when the active is cut off, and has one owner again when the cables are back', async () => {
    const { active, backup, sinceMs } = await quiet();
    inject(lab, ['mute', 'deaf'], [active]);
    plugDirect(lab, false);
    await eventually('the peer holds both', () => (heldBy(lab, backup).every(Boolean) ? true : undefined));
    await eye.steady(100);
    const cut = await seenSince(sinceMs);
    assert.deepEqual(cut.overlaps, []);
    heal(lab);
    plugDirect(lab, true);
    await untilOwner(lab);
    await untilAgreed(lab);
  });

  for (const [what, strike] of [
    ['killed', (daemon: Daemon) => daemon.kill()],
    [
      'frozen',
      (daemon: Daemon) => {
        daemon.freeze();
      },
    ],
  ] as const) {
    it(`takes over from an active that is ${what}, and never do two answer`, async () => {
      const { active, backup, sinceMs } = await quiet();
      await strike(daemons[active]);
      await eventually('the peer holds both', () => (heldBy(lab, backup).every(Boolean) ? true : undefined));
      await eye.steady(500);
      if (what === 'frozen') {
        daemons[active].thaw();
      } else {
        daemons[active] = startVipair(lab, active);
      }
      await untilOwner(lab, backup);
      await untilAgreed(lab);
      const { overlaps } = await seenSince(sinceMs);
      assert.deepEqual(overlaps, []);
    });
  }

  it('keeps out of office in maintenance, also after a restart', async () => {
    const { active, backup } = await quiet();
    const on = await vipair(lab, active, ['maintenance', 'on']);
    assert.equal(on.code, 0, on.stderr);
    await untilOwner(lab, backup);
    assert.deepEqual(await daemons[active].stop(), { code: 0, signal: null });
    daemons[active] = startVipair(lab, active);
    const status = await eventually('the restarted daemon answers', () => statusOf(lab, active));
    assert.equal(status.maintenance, true);
    const refused = await vipair(lab, backup, ['failover']);
    assert.ok(refused.code !== 0, 'a peer in maintenance takes no office');
    assert.equal(ownerOf(lab), backup);
    const off = await vipair(lab, active, ['maintenance', 'off']);
    assert.equal(off.code, 0, off.stderr);
    await untilAgreed(lab);
  });

  it('refuses a second daemon for the same node and leaves the first alone', async () => {
    const before = await quiet();
    const second = await vipair(lab, before.active, ['run']);
    assert.ok(second.code !== 0);
    assert.match(second.stderr, /vipair: /);
    await assertNothingMoved(before);
  });

  it('hands over on SIGTERM, ends with 0 and leaves nothing behind', async () => {
    const { active, backup, sinceMs } = await quiet();
    assert.deepEqual(await daemons[active].stop(), { code: 0, signal: null });
    await untilOwner(lab, backup);
    await eye.steady(100);
    const { client, realServer } = await seenSince(sinceMs);
    assert.equal(client.lostCount + realServer.lostCount, 0);
    const rules = attempt(['ip', 'netns', 'exec', lab.hosts[active], 'nft', 'list', 'tables']).stdout;
    assert.doesNotMatch(rules, /vipair/);
    assert.equal((await vipair(lab, active, ['status', '--json'])).code, 69);
    daemons[active] = startVipair(lab, active);
    await untilAgreed(lab);
  });

  it('ends both on SIGTERM at the same moment, with nothing held', async () => {
    await quiet();
    const endings = await Promise.all(Object.values(daemons).map((daemon) => daemon.stop()));
    assert.deepEqual(endings, [
      { code: 0, signal: null },
      { code: 0, signal: null },
    ]);
    assert.deepEqual([...heldBy(lab, 'lvs1'), ...heldBy(lab, 'lvs2')], [false, false, false, false]);
  });

  describe('started wrongly', () => {
    const key = () => join(lab.directory, 'heartbeat.key');
    const config = () => join(lab.directory, 'vipair.yaml');
    const runs = (...argv: string[]) =>
      attempt(['ip', 'netns', 'exec', lab.hosts.lvs1, process.execPath, mainFile, ...argv]);

    afterEach(() => {
      configurePair(lab);
    });

    it('ends with 78 and names line and column of what is wrong in the configuration', () => {
      writeFileSync(config(), 'pair: lab\nnodes:\n  lvs1: { priorty: 150 }\n  lvs2: {}\n');
      const done = runs('run', ...commonArguments(lab, 'lvs1'));
      assert.equal(done.code, 78);
      assert.match(done.stderr, /vipair\.yaml:3:11: .*priorty/);
    });

    it('ends with 78 when the key file is missing or others may read it', () => {
      chmodSync(key(), 0o644);
      const readable = runs('run', ...commonArguments(lab, 'lvs1'));
      assert.equal(readable.code, 78);
      assert.match(readable.stderr, /chmod 0600/);
    });

    it('ends with 78 when the node is none of the two', () => {
      const done = runs('run', '--config', config(), '--node', 'lvs9', '--runtime-dir', lab.directory);
      assert.equal(done.code, 78);
      assert.match(done.stderr, /lvs9/);
    });

    it('ends with 77 without the privileges it needs', function () {
      if (attempt(['setpriv', '--version']).code === 127) {
        console.log('      skipped: setpriv is missing. Remedy: apt-get install util-linux');
        this.skip();
      }
      const drop = ['setpriv', '--bounding-set', '-net_admin,-net_raw', '--inh-caps', '-all'];
      const argv = [process.execPath, mainFile, 'run', ...commonArguments(lab, 'lvs1')];
      const done = attempt(['ip', 'netns', 'exec', lab.hosts.lvs1, ...drop, ...argv]);
      assert.equal(done.code, 77, done.stderr);
      assert.match(done.stderr, /CAP_NET_ADMIN|root/);
    });

    it('ends with 64 for a command that does not exist', () => {
      assert.equal(runs('failovr').code, 64);
    });

    it('ends with 69 when no daemon answers', () => {
      const done = runs('status', ...commonArguments(lab, 'lvs1'));
      assert.equal(done.code, 69);
      assert.notEqual(done.stderr, '');
    });
  });

  /** The sum of one metric over its labels, as a real scrape sees it. */
  async function metricSum(router: Router, name: string): Promise<number> {
    const fetched = attempt(['ip', 'netns', 'exec', lab.hosts[router], process.execPath, '-e', SCRAPE]);
    assert.equal(fetched.code, 0, fetched.stderr);
    const lines = fetched.stdout.split('\n').filter((line) => line.startsWith(name));
    return Promise.resolve(lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0));
  }
});

const SCRAPE = `fetch('http://127.0.0.1:10112/metrics').then((r) => r.text()).then((t) => process.stdout.write(t))`;

/** 20,000 datagrams of random size and content to the group and to both routers, as fast as they go. */
const FLOOD = `
const { randomBytes } = require('node:crypto');
const socket = require('node:dgram').createSocket('udp4');
socket.bind(0, '192.0.2.100', async () => {
  socket.setMulticastInterface('192.0.2.100');
  for (let n = 0; n < 20000; n += 1) {
    const target = ['239.192.112.1', '192.0.2.2', '192.0.2.3'][n % 3];
    const datagram = randomBytes(n % 5 === 0 ? 224 : n % 1400);
    await new Promise((done) => socket.send(datagram, 3694, target, () => done()));
  }
  socket.close();
});
`;
