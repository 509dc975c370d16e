import assert from 'node:assert/strict';
import { privateFloating, publicFloating } from '../lab/lab.ts';
import { startCapture } from './capture.ts';
import { type Answer } from './client.ts';
import { type Method } from './ipvs.ts';
import { type Scenario } from './scenario.ts';
import { macOf, realServerHosts } from './topology.ts';

/** What a client sees while nothing happens. */
export function forwardingScenarios(method: Method): readonly Scenario[] {
  return [
    {
      name: 'balances TCP, HTTP and UDP over both real servers',
      run: async ({ settle, client }) => {
        await settle();
        for (const over of ['tcp', 'http', 'udp'] as const) {
          const names = nameOf(await client.ask(over, 6));
          assert.deepEqual(new Set(names), new Set(['rs1', 'rs2']), `${over}: ${names.join(' ')}`);
        }
        return undefined;
      },
    },
    method === 'masquerading' ? hidesRealServers : answersDirectly,
    {
      name: 'has one MAC that answers for each floating address, the one of the active',
      run: async ({ settle, client, eye, lab }) => {
        const { active } = await settle();
        await client.ask('tcp', 6);
        const { answers } = await eye.collect();
        for (const [address, device] of [
          [publicFloating, 'eth0'],
          [privateFloating, 'eth1'],
        ] as const) {
          const macs = answers.filter((answer) => answer.address === address).map(({ mac }) => mac);
          assert.deepEqual([...new Set(macs)], [macOf(lab, active, device)], address);
        }
        return { answers: answers.length };
      },
    },
  ];
}

const hidesRealServers: Scenario = {
  name: 'shows the client the floating address only, and no MAC but the one of the active',
  run: async ({ settle, client, lab }) => {
    const { active } = await settle();
    const capture = await startCapture(lab, 'client', 'eth0', `tcp and src not ${ownAddress}`);
    await client.ask('tcp', 4);
    const packets = await capture.stop(8);
    assert.deepEqual([...new Set(packets.map(({ source }) => source))], [publicFloating]);
    assert.deepEqual([...new Set(packets.map(({ sourceMac }) => sourceMac))], [macOf(lab, active, 'eth0')]);
    return { packets: packets.length };
  },
};

const answersDirectly: Scenario = {
  name: 'answers from the floating address, by the real servers themselves and past the director',
  run: async ({ settle, client, lab }) => {
    await settle();
    const capture = await startCapture(lab, 'client', 'eth0', `tcp and src not ${ownAddress}`);
    await client.ask('tcp', 4);
    const packets = await capture.stop(8);
    assert.deepEqual([...new Set(packets.map(({ source }) => source))], [publicFloating]);
    assert.deepEqual(
      [...new Set(packets.map(({ sourceMac }) => sourceMac))].toSorted(),
      realServerHosts.map((host) => macOf(lab, host, 'eth1')).toSorted(),
    );
    return { packets: packets.length };
  },
};

const ownAddress = '192.0.2.100';

function nameOf(answers: readonly Answer[]): readonly string[] {
  return answers.map((answer) => ('server' in answer ? answer.server : answer.failed));
}
