/**
 * The director process: everything that may be slow, beside the pulse. It shows what the pulse does and
 * carries the operator's words to it; the pair does not depend on it. When the pulse ends, so does it.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type EventView } from '../api/contract.ts';
import { type ApiPorts } from '../api/ports.ts';
import { refused, served, type Served } from '../api/refusal.ts';
import { serveApi } from '../api/server.ts';
import { loadConfig } from '../config/load.ts';
import { type LvsOptions, lvsFrom } from '../config/lvs-settings.ts';
import {
  type ApiSettings,
  apiFrom,
  reportedFrom,
  type ReportedTrack,
  settingsFrom,
} from '../config/settings.ts';
import { explain } from '../core/explain.ts';
import { type Role, type Settings, statedRole } from '../core/state.ts';
import { type Journal, openJournal } from '../observe/journal.ts';
import { createLog, type Log } from '../observe/log.ts';
import { createMetrics } from '../observe/metrics.ts';
import { logRecord } from '../observe/record-log.ts';
import { type Status, statusView } from '../observe/status.ts';
import { type LvsSample } from '../observe/metric-docs.ts';
import { type Services, servicesView } from '../observe/services.ts';
import { createTally } from '../observe/tally.ts';
import { type ToDirector, type ToPulse } from '../pulse/channel.ts';
import { maintenancePath } from '../pulse/maintenance-file.ts';
import { createFanOut } from './fan-out.ts';
import { eventView, selectEvents } from './event-view.ts';
import { watchLoopLag } from './loop-lag.ts';
import { watchNeighbors } from './neighbors.ts';
import { type LvsRunner, startLvs } from './lvs.ts';
import { createLvsOperator } from './lvs-operator.ts';
import { createOperator } from './operator.ts';
import { createStateWriter } from './state-writer.ts';
import { createPulseLine, type ProcessChannel, type PulseLine } from './pulse-line.ts';
import { findOut, type Tracks, watchTracks } from './tracks.ts';
import { readVersion } from './version.ts';

export interface DirectorOptions {
  readonly settings: Settings;
  readonly tracks: readonly ReportedTrack[];
  readonly api: ApiSettings;
  readonly lvs: LvsOptions;
  /** Names by which this host may be asked over the network. */
  readonly hostNames: readonly string[];
  readonly runtimeDir: string;
  readonly stateDir: string;
}

/** Less than what the pulse waits before it kills. */
const closeGraceMs = 500;

/** Starts the process that the pulse forked with these arguments. It ends with the channel. */
export async function runDirector(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: 'string', default: '' },
      node: { type: 'string', default: '' },
      'runtime-dir': { type: 'string', default: '' },
      'state-dir': { type: 'string', default: '' },
    },
  });
  // A ^C in a terminal reaches the whole group: the pulse decides when it is over.
  process.on('SIGINT', () => undefined);
  process.on('SIGHUP', () => undefined);
  const loaded = await loadConfig(values.config);
  if (!loaded.ok) {
    createLog().error({ detail: loaded.detail }, 'configuration refused');
    process.exit(78);
  }
  const { config } = loaded.value;
  await startDirector({
    settings: settingsFrom(config, values.node),
    tracks: reportedFrom(config, values.node),
    api: apiFrom(config, values.node),
    lvs: lvsFrom(config, values.node),
    hostNames: [hostname(), values.node, config.nodes[values.node]?.host ?? hostname()].map((name) =>
      name.toLowerCase(),
    ),
    runtimeDir: values['runtime-dir'],
    stateDir: values['state-dir'],
  });
}

/** Everything behind the configuration; returns when the API is being opened. */
export async function startDirector(options: DirectorOptions): Promise<void> {
  const { settings, stateDir } = options;
  const { pair, nodeName } = settings;
  const log = createLog({
    fields: { pair, node: nodeName },
    hasPriorities: process.env['JOURNAL_STREAM'] !== undefined,
  });
  const version = readVersion();
  // Messages wait in the channel until somebody listens, so nothing is missed while the journal is read.
  const journal = await openJournal({
    stateDir,
    pair,
    node: nodeName,
    onProblem: (problem) => {
      if (problem === undefined) {
        log.info('events file written again');
      } else {
        log.error({ problem }, 'events file not written');
      }
    },
  });
  const tally = createTally();
  const events = createFanOut<EventView>();
  let role: Role = 'initialize';
  const line = createPulseLine({
    channel: processChannel(),
    onRecord(record) {
      tally.count(record);
      role = statedRole(record.after.office);
      const entry = journal.append(record, explain(record, settings));
      if (entry !== undefined) {
        logRecord(log, record, entry.sentence);
        events.send(eventView(entry));
      }
    },
    onTrouble: (what, detail) => {
      log.warn({ what, detail }, 'trouble at the rim');
    },
    onNote: (text, bootId) => {
      lvs?.hear(text, bootId);
    },
  });
  const tracks = watchTracks({
    tracks: options.tracks,
    find: (track, signal) => findOut(track, { pair, node: nodeName, role }, signal),
    onVerdict(track, isUp, detail) {
      line.report(track.name, isUp);
      logVerdict(log, track, isUp, detail);
    },
    onUnable({ name }, detail) {
      if (detail === undefined) {
        log.info({ track: name }, 'track can be looked at again');
      } else {
        log.error({ track: name, detail }, 'track cannot be looked at');
      }
    },
  });
  const lvs =
    options.lvs.mode === 'off'
      ? undefined
      : await startLvs({
          lvs: options.lvs,
          pair,
          node: nodeName,
          stateDir,
          floating: settings.floating,
          gate: settings.gate,
          intervalMs: settings.intervalMs,
          line,
          log,
        });
  const api = serveApi({
    ports: createPorts({
      options,
      lvs,
      line,
      journal,
      version,
      events,
      tally,
      tracks,
      apiProblems: () => api.problems(),
    }),
    socketPath: join(options.runtimeDir, `${pair}.sock`),
    listen: options.api.listen,
    tokenFile: options.api.tokenFile,
    hostNames: options.hostNames,
    ...reportTo(log),
  });
  if (!settings.paths.some(({ source }) => source === 'wire')) {
    watchNeighbors(settings, (targets) => {
      line.tellNeighbors(targets);
    });
  }
  process.on('message', (message) => {
    // The parent is this program in the same version: its messages have the type it was compiled with.
    line.receive(message as ToDirector);
  });
  endWithPulse([api, journal, ...(lvs === undefined ? [] : [lvs])], tracks);
  log.info({ version }, 'director process started');
}

/** The end of the channel is the end of the pulse. What was heard last is written, if the disk takes it soon. */
function endWithPulse(closing: readonly AsyncDisposable[], tracks: Disposable): void {
  // Scripts have groups of their own, which would outlive this process.
  process.once('exit', () => {
    tracks[Symbol.dispose]();
  });
  const end = () => {
    tracks[Symbol.dispose]();
    setTimeout(() => process.exit(), closeGraceMs);
    void Promise.all(closing.map((open) => open[Symbol.asyncDispose]())).then(() => process.exit());
  };
  if (process.connected) {
    process.once('disconnect', end);
  } else {
    end();
  }
}

function logVerdict(log: Log, { name }: ReportedTrack, isUp: boolean, detail: string): void {
  if (isUp) {
    log.info({ track: name }, 'track works');
  } else {
    log.warn({ track: name, detail }, 'track failed');
  }
}

function processChannel(): ProcessChannel {
  return {
    get connected() {
      return process.connected;
    },
    send(message: ToPulse) {
      // The channel may close at any moment; then this process ends by itself.
      process.send?.(message, undefined, undefined, () => undefined);
    },
  };
}

function reportTo(log: Log) {
  return {
    onListening: (where: string) => {
      log.info({ where }, 'api listening');
    },
    onProblem: (where: string, problem: string) => {
      log.error({ where, problem }, 'api not listening');
    },
    onBug: (error: unknown) => {
      log.error({ err: error }, 'request failed by a bug');
    },
  };
}

interface Sources {
  readonly options: DirectorOptions;
  readonly lvs: LvsRunner | undefined;
  readonly line: PulseLine;
  readonly journal: Journal;
  readonly version: string;
  readonly events: Pick<ApiPorts, 'subscribe'>;
  readonly tally: ReturnType<typeof createTally>;
  readonly tracks: Tracks;
  readonly apiProblems: () => readonly string[];
}

/** What the API is answered from. */
function createPorts(sources: Sources): ApiPorts {
  const { options, line, journal, version, events, tally } = sources;
  const { settings, stateDir } = options;
  const { pair, nodeName } = settings;
  const metrics = createMetrics();
  const services = sources.lvs?.services;
  const lvs = createLvsOperator(options.lvs, services);
  const lag = watchLoopLag();

  async function status(): Promise<Served<Status>> {
    const snapshot = await line.snapshot();
    if (!snapshot.ok) {
      return refused(
        503,
        snapshot.reason,
        'the pulse does not answer',
        'it may have just started, be frozen or starved; see journalctl -u vipair',
      );
    }
    const journalProblem = journal.problem();
    return served(
      statusView(snapshot.value, settings, {
        version,
        complaints: sources.tracks.complaints(),
        extraProblems: [
          ...sources.apiProblems(),
          ...(journalProblem === undefined ? [] : [`Events are not kept on disk: ${journalProblem}.`]),
          ...lvsProblems(await lvs.services()),
          ...(sources.lvs?.problems() ?? []),
        ],
      }),
    );
  }

  async function lvsSample(): Promise<LvsSample | undefined> {
    const snapshot = await services?.snapshot();
    return snapshot === undefined
      ? undefined
      : { snapshot, services: servicesView(snapshot, options.lvs.mode, options.lvs.settings) };
  }

  return {
    status,
    async metrics() {
      const snapshot = await line.snapshot();
      const text = await metrics.render({
        settings,
        version,
        nodeVersion: process.version,
        snapshot: snapshot.ok ? snapshot.value : line.lastSnapshot(),
        isPulseUp: snapshot.ok,
        transitions: tally.transitions(),
        eventLoopLagSeconds: lag.seconds(),
        journalFailures: journal.failures(),
        lvs: await lvsSample(),
      });
      return { contentType: metrics.contentType, text };
    },
    ...lvs,
    events: (query) => selectEvents(journal.entries({ sinceId: query.since }), query),
    subscribe: (listener) => events.subscribe(listener),
    ...createOperator({
      settings,
      line,
      status,
      writeMaintenance: createStateWriter(maintenancePath(stateDir, pair, nodeName)),
    }),
  };
}

/** What is not as it should be with the virtual services, as the status says it. */
function lvsProblems(services: Served<Services>): readonly string[] {
  if (!services.ok) {
    return [];
  }
  const { problem } = services.value;
  const down = services.value.services.filter(({ up }) => !up);
  return [
    ...(problem === null ? [] : [`The IPVS table cannot be read or changed: ${problem.detail}.`]),
    ...down.map(
      ({ service, name, usable, quorum }) =>
        `The virtual service ${name ?? service} has ${usable} usable real servers and needs ${quorum}.`,
    ),
  ];
}
