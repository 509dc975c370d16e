import { adoptedScenarios } from './adopted.ts';
import { type Method } from './ipvs.ts';
import { failoverScenarios } from './failover.ts';
import { forwardingScenarios } from './forwarding.ts';
import { ownLvs, ownScenarios } from './own.ts';
import { type Suite } from './scenario.ts';
import { openStage } from './stage.ts';

/** All that is played beside a kernel with IPVS. A new scenario goes into one of the lists. */
export const suites: readonly Suite[] = [
  suite('masquerading', 'NAT'),
  suite('direct', 'direct routing'),
  {
    name: 'an adopted IPVS table',
    limitMs: 240_000,
    open: () => openStage('masquerading', '{ mode: adopt, sync: { interface: eth1, id: 5 }, sysctls: set }'),
    scenarios: adoptedScenarios,
  },
  {
    name: 'an IPVS table of the configuration',
    limitMs: 240_000,
    open: () => openStage('masquerading', ownLvs),
    scenarios: ownScenarios,
  },
];

function suite(method: Method, words: string): Suite {
  return {
    name: `IPVS with ${words}`,
    limitMs: 240_000,
    open: () => openStage(method),
    scenarios: [...forwardingScenarios(method), ...failoverScenarios],
  };
}
