import { eventually, pause } from '../lab/eventually.ts';
import { routers, type Router } from '../lab/lab.ts';
import { tableOf } from './ipvs.ts';
import { type Stage } from './stage.ts';
import { realServerHosts, startRealServer } from './topology.ts';

/** What the checks of both directors make of a real server; `server` is its address and port. */

/** On each router, as the kernel says. */
export function weightsOf({ lab }: Stage, server: string): readonly (number | undefined)[] {
  return routers.map((router) => {
    const line = tableOf(lab, router).find((rule) => rule.includes(`-r ${server} `));
    const weight = /-w (\d+)/.exec(line ?? '')?.[1];
    return weight === undefined ? undefined : Number(weight);
  });
}

export async function untilWeights(stage: Stage, server: string, wanted: readonly number[]): Promise<void> {
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

export async function untilHealth(stage: Stage, server: string, wanted: readonly string[]): Promise<void> {
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

/** Starts the first real server again. */
export async function startFirst(stage: Stage): Promise<void> {
  const [host] = realServerHosts;
  stage.realServers[host] = await startRealServer(stage.lab, host);
}
