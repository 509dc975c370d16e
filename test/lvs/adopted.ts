import assert from 'node:assert/strict';
import { eventually, nowMs, pause } from '../lab/eventually.ts';
import { publicFloating, realServerAddress, routers } from '../lab/lab.ts';
import { heal, inject } from '../lab/switch.ts';
import { vipair } from '../lab/vipair.ts';
import { handOver, killDaemon, outlive } from './failover.ts';
import { startFirst, untilHealth, untilWeights, weightsOf } from './health.ts';
import { ipvsadm, tableOf, untilConnections } from './ipvs.ts';
import { ports } from './ports.ts';
import { type Scenario } from './scenario.ts';

/** A table that was there before, real servers that fail and return, and an operator at the shell. */
export const adoptedScenarios: readonly Scenario[] = [
  {
    name: 'is checked by both directors and left as it was while all is well',
    run: async (stage) => {
      await stage.settle();
      const before = routers.map((router) => tableOf(stage.lab, router));
      await untilHealth(stage, first, ['up', 'up']);
      assert.deepEqual(
        routers.map((router) => tableOf(stage.lab, router)),
        before,
      );
      return undefined;
    },
  },
  {
    name: 'has a real server quiesced on both directors when it dies, and put back when it returns',
    run: async (stage) => {
      await stage.settle();
      await untilHealth(stage, first, ['up', 'up']);
      const diedAtMs = nowMs();
      await stage.realServers.realServer.kill();
      await untilWeights(stage, first, [0, 0]);
      const quiescedMs = nowMs() - diedAtMs;
      const names = (await stage.client.ask('tcp', 4)).map((answer) => 'server' in answer && answer.server);
      assert.deepEqual(names, ['rs2', 'rs2', 'rs2', 'rs2']);
      await startFirst(stage);
      const backAtMs = nowMs();
      await untilWeights(stage, first, [1, 1]);
      return { untilQuiescedMs: quiescedMs, untilBackMs: nowMs() - backAtMs };
    },
  },
  {
    name: 'has a real server, drained by one word to either director, keep its streams and get no new connections, also after a failover',
    run: async (stage) => {
      const { active, backup } = await stage.settle();
      await untilHealth(stage, first, ['up', 'up']);
      await stage.client.open('stream', 4);
      const drained = await vipair(stage.lab, backup, ['drain', realServerAddress]);
      assert.equal(drained.code, 0, drained.stderr);
      await untilWeights(stage, first, [0, 0]);
      const names = (await stage.client.ask('tcp', 4)).map((answer) => 'server' in answer && answer.server);
      assert.deepEqual(names, ['rs2', 'rs2', 'rs2', 'rs2']);
      await stage.client.lines(10);
      const streams = await stage.client.streams(nowMs());
      assert.deepEqual(new Set(streams.map(({ server }) => server)), new Set(['rs1', 'rs2']));
      assert.ok(streams.every(({ ended }) => ended === null));
      await stage.daemons[active].stop();
      await stage.holdings.untilHeld(backup);
      await stage.settle();
      assert.deepEqual(weightsOf(stage, first), [0, 0], 'a restart forgets no drain');
      const undrained = await vipair(stage.lab, active, ['undrain', realServerAddress]);
      assert.equal(undrained.code, 0, undrained.stderr);
      await untilWeights(stage, first, [1, 1]);
      return undefined;
    },
  },
  {
    name: 'has its connections told to the peer, so that all survive a failover of either kind',
    run: async (stage) => {
      const planned = await outlive(stage, handOver, 'all');
      const unplanned = await outlive(stage, killDaemon, 'all');
      for (const { streams, silent } of [planned, unplanned]) {
        assert.ok(
          streams.every(({ ended }) => ended === null),
          JSON.stringify(streams),
        );
        assert.ok(
          silent.every((answer) => 'server' in answer),
          JSON.stringify(silent),
        );
      }
      return {
        plannedSilentMs: planned.measured['streamsSilentMs'] ?? 0,
        killedSilentMs: unplanned.measured['streamsSilentMs'] ?? 0,
      };
    },
  },
  {
    name: 'keeps what is changed in it by hand, also over a failure of the real server',
    run: async (stage) => {
      await stage.settle();
      await untilHealth(stage, first, ['up', 'up']);
      for (const router of routers) {
        ipvsadm(stage.lab, router, ['-e', ...address(ports.ask), '-m', '-w', '7']);
      }
      await stage.realServers.realServer.kill();
      await untilWeights(stage, first, [0, 0]);
      await startFirst(stage);
      await untilWeights(stage, first, [7, 7]);
      return undefined;
    },
  },
  {
    name: 'keeps the office where the connections are known, as long as a peer that has just come is not told of them',
    run: async (stage) => {
      const before = await stage.settle();
      // Only a director that has just come may be behind: later, what it does not know it never will.
      await stage.daemons[before.backup].stop();
      const { active, backup } = await stage.settle();
      inject(stage.lab, ['syncless'], [active], ['priv']);
      const streamPorts = await stage.client.open('stream', 24);
      // Each tells the other once a second how many it knows.
      await eventually(
        'the backup says that it is behind',
        async () => {
          const status = await stage.api(backup).status();
          await pause(200);
          return (
            (status.ok && status.value.problems.some((problem) => problem.startsWith('Not in sync'))) ||
            undefined
          );
        },
        20_000,
      );
      const refusal = await stage.api(active).failover({});
      assert.ok(!refusal.ok, 'it must not go there');
      heal(stage.lab);
      await untilConnections(stage.daemons[backup].pid, streamPorts);
      await eventually(
        'a failover is taken',
        async () => {
          const answer = await stage.api(active).failover({});
          await pause(answer.ok ? 0 : 500);
          return answer.ok || undefined;
        },
        20_000,
      );
      await stage.holdings.untilHeld(backup);
      await stage.client.lines(20);
      const streams = await stage.client.streams(nowMs());
      assert.ok(
        streams.every(({ ended }) => ended === null),
        JSON.stringify(streams),
      );
      return { refusal: refusal.error.error };
    },
  },
  {
    name: 'is explained to a director that stands in it as a real server itself',
    run: async (stage) => {
      await stage.settle();
      const problemsOf = async () => {
        const answer = await stage.api('lvs2').status();
        await pause(200);
        return answer.ok ? answer.value.problems : [];
      };
      const itself = ['-t', `${publicFloating}:${ports.ask}`, '-r', `10.99.0.3:${ports.ask}`];
      ipvsadm(stage.lab, 'lvs2', ['-a', ...itself, '-g', '-w', '0']);
      const said = await eventually(
        'the director says that it is a real server, too',
        async () => (await problemsOf()).find((problem) => problem.includes('is lvs2 itself')),
        20_000,
      );
      assert.match(
        said,
        /^Real server 10\.99\.0\.3:7001 of tcp 192\.0\.2\.10:7001 is lvs2 itself: .* Remedy: /,
      );
      ipvsadm(stage.lab, 'lvs2', ['-d', ...itself]);
      await eventually(
        'the problem is gone',
        async () => ((await problemsOf()).some((problem) => problem.includes('itself')) ? undefined : true),
        20_000,
      );
      return undefined;
    },
  },
];

/** The first real server in the service that answers questions. */
const first = `${realServerAddress}:${ports.ask}`;

function address(port: number): readonly string[] {
  return ['-t', `${publicFloating}:${port}`, '-r', `${realServerAddress}:${port}`];
}
