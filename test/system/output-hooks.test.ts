import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { attempt } from '../lab/command.ts';
import { type Daemon } from '../lab/daemon.ts';
import { eventually } from '../lab/eventually.ts';
import { type Eye } from '../lab/eye.ts';
import { type Lab, type Router } from '../lab/lab.ts';
import { flushGate, heldBy, startVipair, statusOf, untilAgreed, untilOwner, vipair } from '../lab/vipair.ts';
import { watchPair } from './watched-pair.ts';

const program = fileURLToPath(new URL('../lab/output-hooks.js', import.meta.url));

describe('a pair of vipair run without the egress hook', function () {
  this.timeout(30_000);
  let lab: Lab;
  let eye: Eye;
  let daemons: Record<Router, Daemon>;

  const start = (of: Lab, router: Router): Daemon => startVipair(of, router, { program });
  const { quiet, seenSince } = watchPair({
    start,
    onOpen: (opened) => {
      ({ lab, eye, daemons } = opened);
    },
  });
  const nft = (router: Router, ...words: readonly string[]) =>
    attempt(['ip', 'netns', 'exec', lab.hosts[router], 'nft', ...words]);

  async function assertUnnoticed(sinceMs: number): Promise<void> {
    const { client, realServer, overlaps } = await seenSince(sinceMs);
    assert.deepEqual([client.lostCount, realServer.lostCount, overlaps], [0, 0, []]);
  }

  it('says so in its status, and renews over many leases without losing a probe', async () => {
    const { active, term, sinceMs } = await quiet();
    const status = await statusOf(lab, active);
    assert.deepEqual([status?.lease.mode, status?.lease.hooks], ['nftables', 'output']);
    await eye.steady(2000);
    await assertUnnoticed(sinceMs);
    assert.equal((await statusOf(lab, active))?.term, term);
  });

  it('moves both addresses by failover without a lost probe', async () => {
    const { active, backup, sinceMs } = await quiet();
    const moved = await vipair(lab, active, ['failover']);
    assert.equal(moved.code, 0, moved.stderr);
    await untilOwner(lab, backup, 1000);
    await untilAgreed(lab);
    const { client, realServer } = await seenSince(sinceMs);
    assert.deepEqual([client.lostCount, realServer.lostCount], [0, 0]);
  });

  for (const what of ['killed', 'frozen'] as const) {
    it(`takes over from an active that is ${what}, and never do two answer`, async () => {
      const { active, backup, sinceMs } = await quiet();
      if (what === 'killed') {
        await daemons[active].kill();
      } else {
        daemons[active].freeze();
      }
      await eventually('the peer holds both', () => (heldBy(lab, backup).every(Boolean) ? true : undefined));
      await eye.steady(500);
      if (what === 'killed') {
        daemons[active] = start(lab, active);
      } else {
        daemons[active].thaw();
      }
      await untilOwner(lab, backup);
      await untilAgreed(lab);
      assert.deepEqual((await seenSince(sinceMs)).overlaps, []);
    });
  }

  it('does not notice that all its tables are flushed, and puts them back', async () => {
    const { active, term, sinceMs } = await quiet();
    const tables = () => nft(active, 'list', 'tables').stdout.trim().split('\n').sort();
    const whole = ['arp', 'inet', 'netdev'].map((family) => `table ${family} vipair_lab`);
    assert.deepEqual(tables(), whole);
    flushGate(lab, active);
    await eventually('the tables are back', () => (tables().length === whole.length ? true : undefined));
    assert.deepEqual(tables(), whole);
    await eye.steady(600);
    await assertUnnoticed(sinceMs);
    assert.equal((await statusOf(lab, active))?.term, term);
  });

  it('leaves no table behind, and falls back loudly where somebody else has one of the name', async () => {
    const { backup } = await quiet();
    await daemons[backup].stop();
    assert.equal(nft(backup, 'list', 'tables').stdout, '');
    nft(backup, 'add', 'table', 'arp', 'vipair_lab');
    daemons[backup] = start(lab, backup);
    await untilAgreed(lab);
    const status = await statusOf(lab, backup);
    assert.deepEqual([status?.lease.mode, status?.lease.hooks], ['address', null]);
    assert.match(status?.lease.problem ?? '', /table arp vipair_lab is not vipair's/);
    assert.match(daemons[backup].log(), /the gate is weaker than configured/);
    assert.equal(nft(backup, 'list', 'tables').stdout.trim(), 'table arp vipair_lab');
  });
});
