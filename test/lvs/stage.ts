import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createClient, type ApiClient } from '../../src/api/client.ts';
import { type Status } from '../../src/observe/status.ts';
import { type Daemon } from '../lab/daemon.ts';
import { eventually, nowMs, pause } from '../lab/eventually.ts';
import { openEye, type Eye } from '../lab/eye.ts';
import { type Lab, type RealServerHost, type Router, routers } from '../lab/lab.ts';
import { heal, plugDirect } from '../lab/switch.ts';
import { configurePair, directoriesOf, peerOf, startVipair } from '../lab/vipair.ts';
import { startClient, type Client } from './client.ts';
import { watchHoldings, type Holdings } from './holdings.ts';
import { loadTable, type Method, tableText } from './ipvs.ts';
import { openTopology, realServerHosts, startRealServer } from './topology.ts';

/** Everything that a scenario plays with: one lab, its hosts running, and who watches them. */
export interface Stage extends AsyncDisposable {
  readonly method: Method;
  readonly lab: Lab;
  readonly client: Client;
  /** Asks both wires every 20 ms who has the floating addresses. */
  readonly eye: Eye;
  readonly holdings: Holdings;
  /** A scenario that ends one puts its successor here. */
  readonly realServers: Record<RealServerHost, Daemon>;
  /** `vipair run` of each router; a scenario that ends one puts its successor here. */
  readonly daemons: Record<Router, Daemon>;
  readonly api: (router: Router) => ApiClient;
  /**
   * Mends what scenarios break: heals the network, starts daemons that ended, drops the client's connections,
   * and waits until one director holds all and the other is ready to follow.
   */
  readonly settle: () => Promise<Settled>;
  /** The last words of every program. */
  readonly logs: () => string;
}

export interface Settled {
  readonly active: Router;
  readonly backup: Router;
  readonly status: Status;
  readonly atMs: number;
}

/** One processor serves all hosts: a daemon may wait 700 ms for it, so the pair's times are relaxed ones. */
const WATCH_PERIOD_MS = 20;
const LOG_CHARACTERS = 8000;

export async function openStage(method: Method, lvs = '{ mode: off }'): Promise<Stage> {
  const lab = openTopology(method);
  const holdings = await watchHoldings(lab);
  configurePair(lab, { lvs, profile: 'relaxed' });
  for (const router of routers) {
    loadTable(lab, router, tableText(method));
  }
  const daemons: Record<Router, Daemon> = { lvs1: startVipair(lab, 'lvs1'), lvs2: startVipair(lab, 'lvs2') };
  const [realServer, realServer2] = await Promise.all([
    startRealServer(lab, realServerHosts[0]),
    startRealServer(lab, realServerHosts[1]),
  ]);
  const realServers = { realServer, realServer2 };
  const client = await startClient(lab);
  const eye = await openEye(lab, { askPeriodMs: WATCH_PERIOD_MS, probePeriodMs: WATCH_PERIOD_MS });
  const api = (router: Router) => {
    const [, runtimeDirectory = ''] = directoriesOf(lab, router);
    return createClient(join(runtimeDirectory, 'lab.sock'));
  };
  const stage: Stage = {
    method,
    lab,
    client,
    eye,
    holdings,
    realServers,
    daemons,
    api,
    settle: () => settle(stage),
    logs: () =>
      [...Object.values(daemons), realServer, realServer2]
        .map((daemon) => `--- ${daemon.host}\n${daemon.log().slice(-LOG_CHARACTERS)}`)
        .join('\n'),
    [Symbol.asyncDispose]: async () => {
      await eye[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
      holdings[Symbol.dispose]();
      lab.remove();
    },
  };
  return stage;
}

async function settle(stage: Stage): Promise<Settled> {
  const { lab, daemons, holdings, client, eye } = stage;
  await client.close();
  heal(lab);
  plugDirect(lab, true);
  for (const router of routers) {
    if (!daemons[router].isRunning()) {
      daemons[router] = startVipair(lab, router);
    }
  }
  const { active, status } = await untilAgreed(stage);
  await holdings.untilSole(active);
  await eye.collect();
  return { active, backup: peerOf(active), status, atMs: nowMs() };
}

/** One active, one backup that may follow, and every link hears. */
async function untilAgreed({ api }: Stage): Promise<{ active: Router; status: Status }> {
  let last: unknown;
  return eventually(
    'one director is active and the other ready to follow',
    async () => {
      const answers = await Promise.all(routers.map((router) => api(router).status()));
      last = answers.map((answer) =>
        answer.ok ? [answer.value.role, answer.value.peer, answer.value.links] : answer.reason,
      );
      const found = answers.flatMap((answer) => (answer.ok ? [answer.value] : []));
      const status = found.find(({ role }) => role === 'active');
      const other = found.find(({ role }) => role === 'backup');
      const isWhole =
        status?.peer.role === 'backup' &&
        (status.peer.priority ?? 0) > 0 &&
        other?.peer.role === 'active' &&
        [...status.links, ...other.links].every(({ hears }) => hears);
      if (isWhole) {
        const active = routers.find((router) => router === status.node);
        assert.ok(active !== undefined);
        return { active, status };
      }
      await pause(200);
      return undefined;
    },
    20_000,
    () => JSON.stringify(last),
  );
}
