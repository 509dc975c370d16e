/**
 * All that this director does for the virtual services: the table and its checks, what is told to the peer and
 * heard from it, the settings of the kernel, and connection sync.
 */
import { networkInterfaces } from 'node:os';
import { runCheck } from '../adapters/checks.ts';
import { openIpvs } from '../adapters/ipvs.ts';
import { startSync, stopSync } from '../adapters/ipvs-sync.ts';
import { type LvsOptions } from '../config/lvs-settings.ts';
import { ownServerProblems } from '../core/own-servers.ts';
import { type GateMode, type Target } from '../core/state.ts';
import { isCaughtUp } from '../core/sync.ts';
import { neededSysctls } from '../core/sysctls.ts';
import { floatingInterfaces } from '../core/tracks.ts';
import { type Log } from '../observe/log.ts';
import { createExchange } from './exchange.ts';
import { logServices } from './lvs-log.ts';
import { openLvsMemory } from './lvs-memory-file.ts';
import { type PulseLine } from './pulse-line.ts';
import { type ServicesRunner, startServices } from './services.ts';
import { keepSysctls } from './sysctls.ts';

export interface LvsRunnerOptions {
  readonly lvs: LvsOptions;
  readonly pair: string;
  readonly node: string;
  readonly stateDir: string;
  readonly floating: readonly Target[];
  readonly gate: GateMode;
  /** Of heartbeats. */
  readonly intervalMs: number;
  readonly line: Pick<PulseLine, 'report' | 'reportSync' | 'tellPeer'>;
  readonly log: Log;
}

export interface LvsRunner extends AsyncDisposable {
  readonly services: ServicesRunner;
  /** What the peer's director process wrote. */
  hear(text: string, bootId: string): void;
  /** What is wrong beside the services themselves, one sentence each. */
  problems(): readonly string[];
}

const turnMs = 1000;
/** The settings of the kernel are looked at once in so many turns. */
const sysctlTurns = 10;

export async function startLvs(options: LvsRunnerOptions): Promise<LvsRunner> {
  const { lvs, log, line } = options;
  const { sync } = lvs;
  const end = new AbortController();
  const interfaces = floatingInterfaces(options);
  const startedMs = performance.now();
  const sysctls = keepSysctls(lvs.mode === 'observe' && lvs.sysctls === 'set' ? 'check' : lvs.sysctls);
  const trackOf = new Map(lvs.tracks.map(({ service, track }) => [service, track]));
  const news = logServices(log);
  let connectionCount: number | undefined;
  let syncProblem: string | undefined;
  let turns = 0;

  const exchange = createExchange({
    tellPeer: (text) => {
      line.tellPeer(text);
    },
    failed: () => services.failed(),
    drains: () => services.drains(),
    connections: () => connectionCount,
    intervalMs: options.intervalMs,
    onDrain: (drain) => {
      services.hearDrains([drain]);
    },
    nowMs: () => performance.now(),
  });
  const services = await startServices({
    settings: lvs.settings,
    nodeName: options.node,
    ipvs: openIpvs(),
    memory: openLvsMemory(options, (path, detail) => {
      log.error({ path, detail }, 'what was kept of the virtual services cannot be read');
    }),
    check: runCheck,
    peerFindings: (id) => exchange.peerFindings(id),
    news: {
      ...news,
      quorum(service, isUp, isNews) {
        news.quorum(service, isUp, isNews);
        const track = trackOf.get(service);
        if (track !== undefined) {
          line.report(track, isUp);
        }
      },
      drains(drains) {
        news.drains(drains);
        drains.forEach((drain) => {
          exchange.tellDrain(drain);
        });
      },
    },
    nowMs: () => performance.now(),
    wallMs: Date.now,
  });

  async function turn(): Promise<void> {
    if (turns % sysctlTurns === 0) {
      await sysctls.look(neededSysctls(services.base(), { interfaces, isSynced: sync !== undefined }));
      await keepSync();
    }
    turns += 1;
    if (sync !== undefined) {
      connectionCount = (await services.snapshot()).activeConnections;
      line.reportSync(
        isCaughtUp(connectionCount ?? 0, exchange.peerConnections(), performance.now() - startedMs),
      );
    }
    exchange.tell();
  }

  /** Started once; where that fails it is tried again, for the kernel's module may come later. */
  let isSyncing = false;
  async function keepSync(): Promise<void> {
    if (sync === undefined || isSyncing || lvs.mode === 'observe') {
      return;
    }
    const started = await startSync(sync, end.signal);
    isSyncing = started.ok;
    const problem = started.ok ? undefined : (started.detail ?? started.reason);
    if (started.ok) {
      log.info({ ...sync }, 'connection sync started');
    } else if (problem !== syncProblem) {
      log.error({ detail: problem }, 'connection sync not started');
    }
    syncProblem = problem;
  }

  let isTurning = false;
  const timer = setInterval(() => {
    if (!isTurning) {
      isTurning = true;
      turn()
        .catch((error: unknown) => {
          log.error({ detail: String(error) }, 'a turn of the virtual services failed');
        })
        .finally(() => {
          isTurning = false;
        });
    }
  }, turnMs);

  return {
    services,
    hear: (text, bootId) => {
      exchange.hear(text, bootId);
    },
    problems: () => [
      ...ownServerProblems(services.base(), {
        addresses: ownAddresses(options.floating),
        gate: options.gate,
        nodeName: options.node,
      }),
      ...sysctls.problems(),
      ...(syncProblem === undefined ? [] : [`Connections are not synchronised: ${syncProblem}.`]),
    ],
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      end.abort();
      await services[Symbol.asyncDispose]();
      if (isSyncing) {
        await stopSync(AbortSignal.timeout(stopPatienceMs));
      }
      await sysctls[Symbol.asyncDispose]();
    },
  };
}

function ownAddresses(floating: readonly Target[]): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .map(({ address }) => address)
    .filter((own) => !floating.some(({ address }) => address === own));
}

const stopPatienceMs = 400;
