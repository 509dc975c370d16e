import assert from 'node:assert/strict';
import { nowMs } from '../lab/eventually.ts';
import { type Router } from '../lab/lab.ts';
import { overlaps } from '../lab/observation.ts';
import { inject, plugDirect } from '../lab/switch.ts';
import { startSync, stopSync, untilConnections } from './ipvs.ts';
import { type Measured } from './report.ts';
import { type Scenario } from './scenario.ts';
import { type Stage } from './stage.ts';

/** Connections over a change of office, with the kernels' connection sync and, to compare, without. */
export const failoverScenarios: readonly Scenario[] = [
  {
    name: 'resets connections at a planned failover without connection sync',
    run: async (stage) => {
      stopSync(stage.lab);
      const { measured, streams, silent } = await outlive(stage, handOver, 'none');
      assert.ok(
        streams.every(({ ended }) => ended !== null),
        JSON.stringify(streams),
      );
      assert.ok(
        silent.every((answer) => 'failed' in answer),
        JSON.stringify(silent),
      );
      return measured;
    },
  },
  {
    name: 'resets what was silent since its handshake with the default threshold of connection sync',
    run: async (stage) => {
      stopSync(stage.lab);
      startSync(stage.lab, '3 50');
      const { measured, streams, silent } = await outlive(stage, handOver, 'streams');
      assert.ok(
        streams.every(({ ended }) => ended === null),
        JSON.stringify(streams),
      );
      assert.ok(
        silent.every((answer) => 'failed' in answer),
        JSON.stringify(silent),
      );
      return measured;
    },
  },
  ...(
    [
      ['a planned failover', handOver, 3000],
      ['a failover from a killed daemon', killDaemon, 8000],
      ['a failover from a host that is cut off', cutOff, 5000],
    ] as const
  ).map(([what, strike, mostSilenceMs]): Scenario => ({
    name: `keeps streams, and connections silent since their handshake, over ${what}`,
    run: async (stage) => {
      stopSync(stage.lab);
      startSync(stage.lab, '2 50');
      const { measured, streams, silent } = await outlive(stage, strike, 'all');
      assert.ok(
        streams.every(({ ended }) => ended === null),
        JSON.stringify(streams),
      );
      assert.ok(
        silent.every((answer) => 'server' in answer),
        JSON.stringify(silent),
      );
      assert.ok(
        streams.every(({ silenceMs }) => silenceMs < mostSilenceMs),
        JSON.stringify(streams),
      );
      return measured;
    },
  })),
];

const CONNECTIONS = 4;

/** Holds connections of both kinds over what `strike` does to the active. */
export async function outlive(
  stage: Stage,
  strike: (stage: Stage, active: Router) => Promise<void>,
  /** Which connections the backup must know before. */
  told: 'none' | 'streams' | 'all',
) {
  const { client, eye, holdings } = stage;
  const { active, backup } = await stage.settle();
  const streamPorts = await client.open('stream', CONNECTIONS);
  const silentPorts = await client.open('silent', CONNECTIONS);
  await client.lines(20);
  if (told !== 'none') {
    const ports = told === 'all' ? [...streamPorts, ...silentPorts] : streamPorts;
    await untilConnections(stage.daemons[backup].pid, ports);
  }
  const fromMs = nowMs();
  await strike(stage, active);
  const heldAtMs = await holdings.untilHeld(backup);
  await client.lines(20);
  const streams = await client.streams(fromMs);
  const silent = await client.speak();
  const { answers } = await eye.collect();
  const both = overlaps(answers, 20).map(({ fromMs: from, untilMs }) => untilMs - from);
  const measured: Measured = {
    untilHeldMs: heldAtMs - fromMs,
    streamsSilentMs: Math.max(...streams.map(({ silenceMs }) => silenceMs)),
    bothAnsweredMs: Math.max(0, ...both),
  };
  return { measured, streams, silent };
}

export async function handOver(stage: Stage, active: Router): Promise<void> {
  const answer = await stage.api(active).failover({});
  assert.ok(answer.ok, JSON.stringify(answer));
}

export async function killDaemon(stage: Stage, active: Router): Promise<void> {
  await stage.daemons[active].kill();
}

/** Every port falls silent while all carriers stay up, the cable between the two is out. */
function cutOff({ lab }: Stage, active: Router): Promise<void> {
  inject(lab, ['mute', 'deaf'], [active]);
  plugDirect(lab, false);
  return Promise.resolve();
}
