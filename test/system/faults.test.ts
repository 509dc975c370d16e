import assert from 'node:assert/strict';
import { attempt, ipBatch } from '../lab/command.ts';
import { eventually, nowMs, pause } from '../lab/eventually.ts';
import { type Eye } from '../lab/eye.ts';
import {
  privateFloating,
  publicFloating,
  realServerAddress,
  routers,
  type Lab,
  type Router,
} from '../lab/lab.ts';
import {
  giveSwitchAnAddress,
  heal,
  inject,
  installSwitchFaults,
  part,
  plug,
  plugDirect,
  switchAddress,
} from '../lab/switch.ts';
import { flushGate, heldBy, ownerOf, statusOf, untilAgreed, untilOwner } from '../lab/vipair.ts';
import { ASK_PERIOD_MS, longestMs, type Quiet, watchPair } from './watched-pair.ts';

/** Longer than `dead` of the profile, and than what a pair does then. */
const LONG_MS = 600;

const sides = [
  ['public', 'pub'],
  ['private', 'priv'],
] as const;

/** What happens to a pair, beyond the death of one of the two; for that see `pair.test.ts`. */
describe('a pair of vipair run whose network fails', function () {
  this.timeout(20_000);
  let lab: Lab;
  let eye: Eye;

  const { quiet: quietPair, seenSince } = watchPair({
    prepare: (empty) => {
      installSwitchFaults(empty);
      giveSwitchAnAddress(empty);
    },
    pair: {
      extra: `paths:
  - { name: upstream, interface: eth0, target: ${switchAddress}, required: true }
  - { name: inside, interface: eth1, target: ${realServerAddress}, required: true }
`,
    },
    onOpen: (opened) => {
      ({ lab, eye } = opened);
    },
  });
  // One that failed must not fail the next.
  afterEach(() => {
    repair();
  });

  function repair(): void {
    heal(lab);
    plugDirect(lab, true);
    for (const router of routers) {
      plug(lab, router, 'pub', true);
      plug(lab, router, 'priv', true);
    }
  }

  async function quiet(cables: { readonly direct: boolean } = { direct: true }): Promise<Quiet> {
    if (!cables.direct) {
      plugDirect(lab, false);
    }
    return quietPair(() =>
      eventually('both see all paths up', async () => {
        const agreed = await untilAgreed(lab);
        return agreed.lvs1.paths.every(({ up, peerUp }) => up === true && peerUp === true)
          ? agreed
          : undefined;
      }),
    );
  }

  /** The peer takes over under the fault, stays in office when it has gone, and never do two answer. */
  async function assertMoves(
    before: { readonly active: Router; readonly backup: Router; readonly sinceMs: number },
    strike: () => void,
    mostMs = ASK_PERIOD_MS,
  ): Promise<void> {
    strike();
    await eventually('the peer holds both', () =>
      heldBy(lab, before.backup).every(Boolean) ? true : undefined,
    );
    await eye.steady(300);
    repair();
    await untilOwner(lab, before.backup);
    await eye.steady(200);
    assert.equal(ownerOf(lab), before.backup);
    const { overlaps } = await seenSince(before.sinceMs);
    assertNoSecondOwner(overlaps, mostMs);
  }

  /** A hand-over on a loss that is no death: both may answer one question, as in a planned one. */
  function assertNoSecondOwner(
    found: readonly { fromMs: number; untilMs: number }[],
    mostMs = ASK_PERIOD_MS,
  ): void {
    const bothMs = longestMs(found);
    assert.ok(bothMs <= mostMs, `both answered for ${bothMs} ms`);
  }

  /** Nothing moves, neither under the fault nor when it has gone, and nobody notices. */
  async function assertStays(
    before: { readonly active: Router; readonly term: number; readonly sinceMs: number },
    strike: () => void,
  ): Promise<void> {
    strike();
    await pause(LONG_MS);
    assert.equal(ownerOf(lab), before.active);
    repair();
    const statuses = await untilAgreed(lab);
    assert.equal(statuses[before.active].role, 'active');
    assert.equal(statuses[before.active].term, before.term);
    const { client, realServer, overlaps } = await seenSince(before.sinceMs);
    assert.deepEqual(overlaps, []);
    assert.equal(client.lostCount + realServer.lostCount, 0);
  }

  for (const [name, side] of sides) {
    it(`moves when the active loses the carrier of its ${name} cable`, async () => {
      const before = await quiet();
      await assertMoves(before, () => {
        plug(lab, before.active, side, false);
      });
    });

    it(`moves when the active's ${name} port is silent with its carrier up`, async () => {
      const before = await quiet();
      await assertMoves(before, () => {
        inject(lab, ['mute', 'deaf'], [before.active], [side]);
      });
    });

    it(`stays when it is the backup's ${name} cable that is out`, async () => {
      const before = await quiet();
      await assertStays(before, () => {
        plug(lab, before.backup, side, false);
      });
    });

    it(`stays when it is the backup's ${name} port that is silent`, async () => {
      const before = await quiet();
      await assertStays(before, () => {
        inject(lab, ['mute', 'deaf'], [before.backup], [side]);
      });
    });
  }

  it('stays when the direct cable is out', async () => {
    await assertStays(await quiet(), () => {
      plugDirect(lab, false);
    });
  });

  it('moves when nothing that the active sends is carried, which goes as soon as it is sure not to be heard', async () => {
    const before = await quiet({ direct: false });
    inject(lab, ['mute'], [before.active]);
    await untilOwner(lab, before.backup);
    repair();
    await untilAgreed(lab);
    assert.equal(ownerOf(lab), before.backup);
    assertNoSecondOwner((await seenSince(before.sinceMs)).overlaps);
  });

  it('moves when nothing is carried to the active, which answers no longer than two intervals when it hears again', async () => {
    const before = await quiet({ direct: false });
    // Deaf, it cannot know of the takeover before the next heartbeat that it hears.
    await assertMoves(
      before,
      () => {
        inject(lab, ['deaf'], [before.active]);
      },
      100,
    );
  });

  it('stays when only the heartbeats of the active are lost', async () => {
    const before = await quiet({ direct: false });
    await assertStays(before, () => {
      inject(lab, ['beatless'], [before.active]);
    });
  });

  it('stays when only the heartbeats of the backup are lost', async () => {
    const before = await quiet({ direct: false });
    await assertStays(before, () => {
      inject(lab, ['beatless'], [before.backup]);
    });
  });

  it('is contested when all heartbeats are lost, says so until they are back, and has no second owner', async () => {
    const before = await quiet({ direct: false });
    inject(lab, ['beatless'], routers);
    await eventually('the backup says that it is contested', async () => {
      const status = await statusOf(lab, before.backup);
      return status !== undefined && status.contested !== null ? true : undefined;
    });
    await assertStays(before, () => undefined);
    await eventually('the contest is over', async () =>
      (await statusOf(lab, before.backup))?.contested === null ? true : undefined,
    );
  });

  it('has two owners in a full partition, and one within 100 ms of its end', async () => {
    const before = await quiet({ direct: false });
    part(lab);
    await eventually('both hold both', () =>
      routers.every((router) => heldBy(lab, router).every(Boolean)) ? true : undefined,
    );
    await pause(200);
    const healedAtMs = nowMs();
    heal(lab);
    await untilOwner(lab);
    await pause(200);
    const { overlaps } = await seenSince(before.sinceMs);
    assert.ok(overlaps.length > 0, 'a full partition is one');
    const lastMs = Math.max(...overlaps.map(({ untilMs }) => untilMs - healedAtMs));
    assert.ok(lastMs <= 100, `both answered until ${lastMs} ms after the heal`);
    await untilAgreed(lab);
  });

  it('does not notice that its gate is flushed, and puts it back', async () => {
    const before = await quiet();
    const tables = () =>
      attempt(['ip', 'netns', 'exec', lab.hosts[before.active], 'nft', 'list', 'tables']).stdout;
    assert.match(tables(), /vipair/);
    await assertStays(before, () => {
      flushGate(lab, before.active);
    });
    assert.match(tables(), /vipair/);
  });

  it('has one owner again, and announces it, when somebody removed all addresses', async () => {
    const { active, sinceMs } = await quiet();
    ipBatch(lab.hosts[active], [
      `addr del ${publicFloating}/32 dev eth0`,
      `addr del ${privateFloating}/32 dev eth1`,
    ]);
    await untilOwner(lab, undefined, 2000);
    await eye.steady(100);
    await untilAgreed(lab);
    const { overlaps, announcements } = await seenSince(sinceMs);
    assertNoSecondOwner(overlaps);
    for (const floating of [publicFloating, privateFloating]) {
      assert.ok(
        announcements.some(({ address, atMs }) => address === floating && atMs >= sinceMs),
        floating,
      );
    }
  });
});
