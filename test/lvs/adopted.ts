import assert from 'node:assert/strict';
import { eventually, nowMs, pause } from '../lab/eventually.ts';
import { publicFloating, realServerAddress, routers, type Router } from '../lab/lab.ts';
import { vipair } from '../lab/vipair.ts';
import { handOver, killDaemon, outlive } from './failover.ts';
import { ipvsadm, tableOf } from './ipvs.ts';
import { ports } from './ports.ts';
import { type Scenario } from './scenario.ts';
import { type Stage } from './stage.ts';
import { realServerHosts, startRealServer } from './topology.ts';

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
];

/** The first real server in the service that answers questions. */
const first = `${realServerAddress}:${ports.ask}`;

function address(port: number): readonly string[] {
  return ['-t', `${publicFloating}:${port}`, '-r', `${realServerAddress}:${port}`];
}

/** On each router, as the kernel says. */
function weightsOf({ lab }: Stage, server: string): readonly (number | undefined)[] {
  return routers.map((router) => {
    const line = tableOf(lab, router).find((rule) => rule.includes(`-r ${server} `));
    const weight = /-w (\d+)/.exec(line ?? '')?.[1];
    return weight === undefined ? undefined : Number(weight);
  });
}

async function untilWeights(stage: Stage, server: string, wanted: readonly number[]): Promise<void> {
  await eventually(
    `the weights of ${server} are ${wanted.join(' and ')}`,
    async () => {
      if (String(weightsOf(stage, server)) === String(wanted)) {
        return true;
      }
      await pause(200);
      return undefined;
    },
    30_000,
    () => String(weightsOf(stage, server)),
  );
}

async function untilHealth(stage: Stage, server: string, wanted: readonly string[]): Promise<void> {
  let last: readonly unknown[] = [];
  await eventually(
    `the checks find ${server} ${wanted.join(' and ')}`,
    async () => {
      last = await Promise.all(routers.map((router) => healthOf(stage, router, server)));
      if (String(last) === String(wanted)) {
        return true;
      }
      await pause(200);
      return undefined;
    },
    30_000,
    () => JSON.stringify(last),
  );
}

async function healthOf({ api }: Stage, router: Router, server: string): Promise<string> {
  const answer = await api(router).services();
  if (!answer.ok) {
    return answer.error.error;
  }
  const found = answer.value.services.flatMap(({ servers }) => servers).find((one) => one.server === server);
  return found?.health ?? JSON.stringify(answer.value.problem);
}

async function startFirst(stage: Stage): Promise<void> {
  const [host] = realServerHosts;
  stage.realServers[host] = await startRealServer(stage.lab, host);
}
