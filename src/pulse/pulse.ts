/**
 * The pulse: the small process in real time that the pair lives by. It hears and sends heartbeats, runs the
 * core, and carries out what the core decides. Everything that could be slow is in the director process.
 *
 * It begins by checking all that can be wrong while nothing is touched, and ends when the core says so, with
 * nothing held.
 */
import { type HeartbeatLink, openLink } from '../adapters/multicast.ts';
import { enterRealtime } from '../adapters/realtime.ts';
import { setMinimumTtl } from '../adapters/minimum-ttl.ts';
import { type Settings } from '../core/state.ts';
import { isNote } from '../wire/note.ts';
import { type ToPulse } from './channel.ts';
import { startDirectorProcess } from './director-process.ts';
import { createDriver, type Driver } from './driver.ts';
import { createHeartbeats } from './heartbeats.ts';
import { type Host } from './host.ts';
import { createMeter, type Meter } from './meter.ts';
import { createNotes, type Notes } from './notes.ts';
import { createPerformer } from './perform.ts';
import { type Prepared, prepare, type PulseOptions, type StartRefusal } from './prepare.ts';
import { createRecords } from './records.ts';
import { rehearseCore } from './rehearse.ts';
import { createWatch } from './watch.ts';
import { say } from './say.ts';
import { type SnapshotParts, takeSnapshot } from './snapshot.ts';

const realtimePriority = 50;
const refreshMs = 1000;

/** The same numbers as in the table of the command line, which this process does not load. */
const exitCodes: Readonly<Record<StartRefusal, number>> = {
  failed: 1,
  'not-permitted': 77,
  configuration: 78,
};

/** Runs the daemon to its end and returns the exit code of the process. */
export async function runPulse(options: PulseOptions, mainPath: string): Promise<number> {
  const prepared = await prepare(options);
  if (!prepared.ok) {
    process.stderr.write(`vipair: ${prepared.detail ?? prepared.reason}\n`);
    return exitCodes[prepared.reason];
  }
  const { settings, host } = prepared.value;
  const realtimeProblem = enterRealtime(realtimePriority);
  if (realtimeProblem !== undefined) {
    say('warn', 'real-time scheduling was refused', { problem: realtimeProblem });
  }
  const gate = host.gate();
  if (gate.problem !== undefined) {
    const { mode, hooks, problem } = gate;
    say('warn', 'the gate is weaker than configured', { mode, hooks, problem });
  }
  await live(options, mainPath, prepared.value, realtimeProblem);
  say('info', 'the daemon ended', { pair: settings.pair, node: settings.nodeName });
  return 0;
}

async function live(
  options: PulseOptions,
  mainPath: string,
  prepared: Prepared,
  realtimeProblem: string | undefined,
): Promise<void> {
  const { settings, keys } = prepared;
  using _lock = prepared.lock;
  using host = prepared.host;
  using inquiry = prepared.inquiry;
  const nowMs = () => performance.now();
  const meter = createMeter();
  const records = createRecords(Date.now);
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });

  const heartbeats = createHeartbeats({
    settings,
    keys,
    nowMs,
    wallMs: Date.now,
    floatingMacs: () => host.macs(),
    transmit: (link, datagram, onSent) => links[link]?.send(datagram, onSent),
    onAdvertisement: (event) => {
      driver.dispatch(event);
    },
  });
  const notes = createNotes({
    settings,
    keys,
    heartbeats,
    transmit: (link, datagram) => links[link]?.sendUncounted(datagram),
    onNote: (text, bootId) => director.send({ kind: 'note', text, bootId: bootId.toString(16) }),
  });
  const links = await openLinks(prepared, (link, datagram) => {
    const ear = isNote(datagram) ? notes : heartbeats;
    ear.receive(link, datagram);
  });
  await using _links = { [Symbol.asyncDispose]: () => closeAll(links) };

  let isTickDue = false;
  const perform = createPerformer(
    {
      nowMs,
      ...meteredHost(host, meter, nowMs),
      probe({ asksFloating, targets }) {
        inquiry.ask(asksFloating ? [...settings.floating, ...targets] : targets);
      },
      sendAdvertisement(advertisement) {
        const atMs = nowMs();
        heartbeats.send(advertisement, () => {
          if (advertisement.role === 'active') {
            host.heartbeatSent(atMs);
          }
        });
        isTickDue = true;
      },
      answer: (commandId, outcome) => director.send({ kind: 'outcome', commandId, outcome }),
      stop,
      onTrouble: (what, failure) =>
        director.send({ kind: 'trouble', what, detail: failure.detail ?? failure.reason }),
    },
    (event) => {
      driver.dispatch(event);
    },
  );
  using driver = createDriver(settings, {
    nowMs,
    perform,
    onStep(step) {
      const record = records.keep(step);
      if (record !== undefined && !director.send({ kind: 'record', record })) {
        meter.recordsDropped += 1;
      }
      // Here and not with the heartbeat itself: a claim is announced first.
      if (step.effects.some(({ kind }) => kind === 'advertise')) {
        notes.send();
      }
    },
    onIdle() {
      // With every heartbeat, but after the announcement if both are of one claim.
      if (isTickDue) {
        isTickDue = false;
        watch.tick();
      }
    },
    look() {
      watch.look();
    },
    onLate: (lateMs) => {
      meter.lateness.observe(lateMs);
    },
  });
  const watch = createWatch({
    host,
    inquiry,
    meter,
    interfaceNames: [...new Set([...prepared.links, ...prepared.floating].map((on) => on.interfaceName))],
    intervalMs: settings.intervalMs,
    nowMs,
    dispatch: (event) => {
      driver.dispatch(event);
    },
    tell: (message) => director.send(message),
  });
  const parts: SnapshotParts = {
    prepared,
    host,
    links,
    heartbeats,
    notes,
    meter,
    startedWallMs: Date.now(),
    realtimeProblem,
  };
  let lastEnd: string | undefined;
  await using director = startDirectorProcess({
    modulePath: mainPath,
    args: directorArguments(options, settings.nodeName),
    onReady() {
      if (lastEnd !== undefined) {
        director.send({
          kind: 'trouble',
          what: 'director',
          detail: `the last director process ended: ${lastEnd}`,
        });
      }
      records.all().forEach((record) => director.send({ kind: 'record', record }));
    },
    onMessage(message) {
      obey(message, { driver, notes, nowMs, settings }, (id) => {
        const now = { atMs: nowMs(), wallMs: Date.now(), directorRestarts: director.restarts() };
        director.send({ kind: 'snapshot', id, snapshot: takeSnapshot(parts, driver.state(), now) });
      });
    },
    onEnd: (how) => {
      // Told to the next one: nobody else may be writing where our own words could block us.
      lastEnd = how;
    },
  });
  using _refreshing = every(refreshMs, () => {
    host.refresh();
    inquiry.refresh();
    links.forEach((link) => {
      link.refresh();
    });
  });
  using _signals = onSignals(driver, nowMs);

  host.rehearse();
  rehearseCore(settings);
  driver.dispatch({ kind: 'started', atMs: nowMs(), isMaintenance: prepared.isMaintenance });
  say('info', 'the daemon started', {
    pair: settings.pair,
    node: settings.nodeName,
    kernel: host.path,
    gate: host.gateMode,
    hooks: host.gate().hooks,
  });
  await stopped;
  host.close();
}

/** The host as the performer uses it, with what is worth counting counted. */
function meteredHost(host: Host, meter: Meter, nowMs: () => number) {
  let claimBeganMs: number | undefined;
  return {
    claim() {
      meter.claimAttempts += 1;
      claimBeganMs = nowMs();
      return host.claim();
    },
    renew: () => host.renew(),
    mute: () => {
      host.mute();
    },
    release: () => host.release(),
    announce() {
      const announced = host.announce();
      if (!(announced instanceof Promise)) {
        meter.announcementsSent += announced.sent;
      }
      if (claimBeganMs !== undefined) {
        meter.claims.observe(nowMs() - claimBeganMs);
        claimBeganMs = undefined;
      }
      return announced;
    },
  };
}

interface Ear {
  readonly driver: Driver;
  readonly notes: Notes;
  readonly nowMs: () => number;
  readonly settings: Settings;
}

function obey(message: ToPulse, { driver, notes, nowMs, settings }: Ear, answer: (id: string) => void): void {
  switch (message.kind) {
    case 'snapshot':
      answer(message.id);
      return;
    case 'command':
      driver.dispatch({
        kind: 'command',
        atMs: nowMs(),
        commandId: message.commandId,
        command: message.command,
      });
      return;
    case 'sync':
      driver.dispatch({ kind: 'sync-reported', atMs: nowMs(), isCaughtUp: message.isCaughtUp });
      return;
    case 'neighbors':
      driver.dispatch({ kind: 'neighbors-known', atMs: nowMs(), targets: message.targets });
      return;
    case 'report': {
      const { name, isUp } = message;
      const index = settings.paths.findIndex((path) => path.name === name);
      driver.dispatch({ kind: 'path-reported', atMs: nowMs(), index, isUp });
      return;
    }
    case 'note':
      notes.write(message.text);
      return;
  }
}

async function openLinks(
  prepared: Prepared,
  onDatagram: (link: number, datagram: Uint8Array) => void,
): Promise<readonly HeartbeatLink[]> {
  const links: HeartbeatLink[] = [];
  for (const [index, link] of prepared.links.entries()) {
    const opened = await openLink(
      {
        ...link,
        floatingAddresses: prepared.floating.map(({ address }) => address),
        setMinimumTtl,
      },
      (datagram) => {
        onDatagram(index, datagram);
      },
    );
    if (!opened.ok) {
      await closeAll(links);
      throw new Error(`link ${link.name}: ${opened.detail ?? opened.reason}`);
    }
    links.push(opened.value);
  }
  return links;
}

async function closeAll(links: readonly HeartbeatLink[]): Promise<void> {
  await Promise.all(links.map((link) => link[Symbol.asyncDispose]()));
}

function directorArguments(options: PulseOptions, nodeName: string): readonly string[] {
  return [
    'director',
    '--config',
    options.config,
    '--node',
    nodeName,
    '--runtime-dir',
    options.runtimeDir,
    '--state-dir',
    options.stateDir,
  ];
}

function every(periodMs: number, work: () => void): Disposable {
  const timer = setInterval(work, periodMs);
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
    },
  };
}

/** SIGTERM and ^C hand over and end; SIGUSR1 fails over, for scripts. */
function onSignals(driver: Driver, nowMs: () => number): Disposable {
  const stop = () => {
    driver.dispatch({ kind: 'stop', atMs: nowMs() });
  };
  const failover = () => {
    driver.dispatch({
      kind: 'command',
      atMs: nowMs(),
      commandId: undefined,
      command: { kind: 'failover', isForced: false },
    });
  };
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGUSR1', failover);
  return {
    [Symbol.dispose]: () => {
      process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGUSR1', failover);
    },
  };
}
