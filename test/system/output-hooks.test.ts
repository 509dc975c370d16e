import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { attempt } from '../lab/command.ts';
import { type Daemon } from '../lab/daemon.ts';
import { eventually, nowMs } from '../lab/eventually.ts';
import { openEye, type Eye } from '../lab/eye.ts';
import { openLab, type Lab, type Router } from '../lab/lab.ts';
import { interruption, overlaps } from '../lab/observation.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';
import {
  configurePair,
  flushGate,
  heldBy,
  peerOf,
  startVipair,
  statusOf,
  untilAgreed,
  untilOwner,
  vipair,
} from '../lab/vipair.ts';

const ASK_PERIOD_MS = 5;
const program = fileURLToPath(new URL('../lab/output-hooks.js', import.meta.url));

describe('a pair of vipair run without the egress hook', function () {
  this.timeout(30_000);
  let lab: Lab;
  let eye: Eye;
  let daemons: Record<Router, Daemon>;

  const start = (router: Router): Daemon => startVipair(lab, router, { program });
  const nft = (router: Router, ...words: readonly string[]) =>
    attempt(['ip', 'netns', 'exec', lab.hosts[router], 'nft', ...words]);

  before(async function () {
    const reason = whyNoNamespaces();
    if (reason !== undefined) {
      console.log(`    skipped: ${reason}`);
      this.skip();
    }
    lab = openLab();
    eye = await openEye(lab, { askPeriodMs: ASK_PERIOD_MS });
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
  after(async () => {
    // Undefined when it was skipped.
    await (eye as Eye | undefined)?.[Symbol.asyncDispose]();
    (lab as Lab | undefined)?.remove();
  });

  async function quiet(): Promise<{ active: Router; backup: Router; term: number; sinceMs: number }> {
    const statuses = await untilAgreed(lab, 15_000);
    const active = statuses.lvs1.role === 'active' ? 'lvs1' : 'lvs2';
    await eye.steady(100);
    await eye.collect();
    return { active, backup: peerOf(active), term: statuses[active].term, sinceMs: nowMs() };
  }

  async function seenSince(sinceMs: number) {
    const seen = await eye.collect();
    const lost = ['client', 'realServer'].map(
      (name) =>
        interruption(seen.probes[name] ?? { sentAtMs: [], answeredAtMs: [] }, sinceMs, nowMs()).lostCount,
    );
    return {
      lost,
      bothAnswered: overlaps(seen.answers, ASK_PERIOD_MS).map(({ fromMs, untilMs }) => untilMs - fromMs),
    };
  }

  it('says so in its status, and renews over many leases without losing a probe', async () => {
    const { active, term, sinceMs } = await quiet();
    const status = await statusOf(lab, active);
    assert.deepEqual([status?.lease.mode, status?.lease.hooks], ['nftables', 'output']);
    await eye.steady(2000);
    assert.deepEqual(await seenSince(sinceMs), { lost: [0, 0], bothAnswered: [] });
    assert.equal((await statusOf(lab, active))?.term, term);
  });

  it('moves both addresses by failover without a lost probe', async () => {
    const { active, backup, sinceMs } = await quiet();
    const moved = await vipair(lab, active, ['failover']);
    assert.equal(moved.code, 0, moved.stderr);
    await untilOwner(lab, backup, 1000);
    await untilAgreed(lab);
    const { lost } = await seenSince(sinceMs);
    assert.deepEqual(lost, [0, 0]);
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
        daemons[active] = start(active);
      } else {
        daemons[active].thaw();
      }
      await untilOwner(lab, backup);
      await untilAgreed(lab);
      assert.deepEqual((await seenSince(sinceMs)).bothAnswered, []);
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
    assert.deepEqual(await seenSince(sinceMs), { lost: [0, 0], bothAnswered: [] });
    assert.equal((await statusOf(lab, active))?.term, term);
  });

  it('leaves no table behind, and falls back loudly where somebody else has one of the name', async () => {
    const { backup } = await quiet();
    await daemons[backup].stop();
    assert.equal(nft(backup, 'list', 'tables').stdout, '');
    nft(backup, 'add', 'table', 'arp', 'vipair_lab');
    daemons[backup] = start(backup);
    await untilAgreed(lab);
    const status = await statusOf(lab, backup);
    assert.deepEqual([status?.lease.mode, status?.lease.hooks], ['address', null]);
    assert.match(status?.lease.problem ?? '', /table arp vipair_lab is not vipair's/);
    assert.match(daemons[backup].log(), /the gate is weaker than configured/);
    assert.equal(nft(backup, 'list', 'tables').stdout.trim(), 'table arp vipair_lab');
  });
});
