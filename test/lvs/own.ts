import assert from 'node:assert/strict';
import { eventually, nowMs, pause } from '../lab/eventually.ts';
import { startKeepalivedChecker } from '../lab/keepalived.ts';
import { publicFloating, realServer2Address, realServerAddress, routers } from '../lab/lab.ts';
import { startFirst, untilHealth, untilWeights, weightsOf } from './health.ts';
import { ipvsadm, loadTable, tableOf } from './ipvs.ts';
import { ports } from './ports.ts';
import { type Scenario } from './scenario.ts';
import { type Stage } from './stage.ts';

/** Both real servers in every service, as the configuration writes it. */
const servers = `[${[realServerAddress, realServer2Address].map((address) => `{ address: ${address} }`).join(', ')}]`;
const services = [
  `{ name: web, address: '${publicFloating}:${ports.http}', scheduler: rr, check: { kind: http, path: / }, servers: ${servers} }`,
  `{ name: ask, address: '${publicFloating}:${ports.ask}', scheduler: wrr, servers: ${servers} }`,
];
export const ownLvs = `{ mode: own, sysctls: set, services: [${services.join(', ')}] }`;

/** The same in the words of `ipvsadm -Sn`, while all is well. */
const expected = (
  [
    [ports.http, 'rr'],
    [ports.ask, 'wrr'],
  ] as const
).flatMap(([port, scheduler]) => [
  `-A -t ${publicFloating}:${port} -s ${scheduler}`,
  ...[realServerAddress, realServer2Address].map(
    (address) => `-a -t ${publicFloating}:${port} -r ${address}:${port} -m -w 1`,
  ),
]);

const web = `${realServerAddress}:${ports.http}`;
const ask = `${realServerAddress}:${ports.ask}`;

/** A table that is the configuration's alone. */
export const ownScenarios: readonly Scenario[] = [
  {
    name: 'is what the configuration says, whatever stood there, and is again after somebody changed it',
    run: async (stage) => {
      await stage.settle();
      await untilTable(stage);
      await untilHealth(stage, web, ['up', 'up']);
      const names = (await stage.client.ask('tcp', 4)).map((answer) => 'server' in answer && answer.server);
      assert.deepEqual(names.toSorted(), ['rs1', 'rs1', 'rs2', 'rs2']);
      ipvsadm(stage.lab, 'lvs1', ['-D', '-t', `${publicFloating}:${ports.ask}`]);
      loadTable(stage.lab, 'lvs2', `-A -t ${publicFloating}:9 -s lc`);
      const changedAtMs = nowMs();
      await untilTable(stage);
      const mendedMs = nowMs() - changedAtMs;
      for (const router of routers) {
        const answer = await stage.api(router).services();
        assert.ok(answer.ok && answer.value.counts.drifts > 0, router);
      }
      return { untilMendedMs: mendedMs };
    },
  },
  {
    name: 'quiesces a real server that hangs where the check asks something of it, and not where it only connects',
    run: async (stage) => {
      await stage.settle();
      await untilHealth(stage, web, ['up', 'up']);
      await untilHealth(stage, ask, ['up', 'up']);
      const frozenAtMs = nowMs();
      stage.realServers.realServer.freeze();
      await untilWeights(stage, web, [0, 0]);
      const quiescedMs = nowMs() - frozenAtMs;
      assert.deepEqual(weightsOf(stage, ask), [1, 1], 'its kernel still connects');
      const answers = await stage.client.ask('http', 4);
      assert.deepEqual(
        answers.map((answer) => 'server' in answer && answer.server),
        ['rs2', 'rs2', 'rs2', 'rs2'],
      );
      stage.realServers.realServer.thaw();
      await untilWeights(stage, web, [1, 1]);
      return { untilQuiescedMs: quiescedMs };
    },
  },
  {
    name: 'quiesces a real server that dies; keepalived beside it looks as often',
    run: async (stage) => {
      await stage.settle();
      await untilHealth(stage, ask, ['up', 'up']);
      const { lab } = stage;
      // A table of its own, in the other real server's namespace: nothing is sent by it.
      const rival = startKeepalivedChecker(lab, 'realServer2', {
        address: realServerAddress,
        port: ports.ask,
      });
      const rivalWeight = () =>
        /-w (\d+)/.exec(tableOf(lab, 'realServer2').find((rule) => rule.startsWith('-a')) ?? '')?.[1];
      await until(
        'keepalived finds the real server well',
        () => rivalWeight() === '1',
        () => rival.log(),
      );
      const diedAtMs = nowMs();
      await stage.realServers.realServer.kill();
      const [vipairMs, keepalivedMs] = await Promise.all([
        untilWeights(stage, ask, [0, 0]).then(() => nowMs() - diedAtMs),
        until(
          'keepalived quiesces it',
          () => rivalWeight() === '0',
          () => rival.log(),
        ).then(() => nowMs() - diedAtMs),
      ]);
      await rival.stop();
      await startFirst(stage);
      await untilWeights(stage, ask, [1, 1]);
      return { vipairMs, keepalivedMs };
    },
  },
];

async function untilTable(stage: Stage): Promise<void> {
  const tables = () => routers.map((router) => tableOf(stage.lab, router).toSorted());
  const wanted = expected.toSorted();
  await until(
    'both tables are those of the configuration',
    () => tables().every((table) => String(table) === String(wanted)),
    () => JSON.stringify(tables()),
  );
}

async function until(what: string, isSo: () => boolean, last: () => string): Promise<void> {
  await eventually(
    what,
    async () => {
      await pause(100);
      return isSo() || undefined;
    },
    30_000,
    last,
  );
}
