import { createSocket, type Socket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { openArpProbe } from '../../src/adapters/arp-probe.ts';
import { openGate, type Gate } from '../../src/adapters/gate.ts';
import { type GateOptions } from '../../src/adapters/gate-options.ts';
import { openLibc } from '../../src/adapters/libc.ts';
import { openNeighborProbe } from '../../src/adapters/neighbor-probe.ts';
import { type Probe, type ProbeOptions, type Sighting } from '../../src/adapters/probe.ts';
import { ok } from '../../src/core/result.ts';
import { type Role } from '../../src/core/state.ts';
import { openHost, type Host, type HostOptions } from '../../src/pulse/host.ts';
import { formatHeartbeat, pairIdOf } from '../../src/wire/heartbeat.ts';
import { createKey } from '../../src/wire/key.ts';

/**
 * Gate and probes inside a namespace: reads `{method, parameters}` line by line, answers `{value}` or
 * `{error}`. Instants are milliseconds of CLOCK_MONOTONIC, which all processes of the host share.
 */

/** A real heartbeat on a real socket. */
export interface Beat {
  readonly pair: string;
  readonly role: Role;
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  /** Where a group is sent to. */
  readonly interfaceName?: string;
}

export interface Heard extends Sighting {
  readonly onMs: number;
}

let gate: Gate | undefined;
let host: Host | undefined;
let probe: Probe | undefined;
let beating: { readonly socket: Socket; readonly timer: NodeJS.Timeout } | undefined;
let lastBeatMs = 0;

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

const gateOf = (): Gate => {
  if (gate === undefined) {
    throw new Error('no gate was opened');
  }
  return gate;
};

const hostOf = (): Host => {
  if (host === undefined) {
    throw new Error('no host was opened');
  }
  return host;
};

const methods: Record<string, (...parameters: never[]) => unknown> = {
  nowMs,
  openGate: (options: GateOptions) => {
    const opened = openGate(options);
    gate = opened.ok ? opened.value : undefined;
    return opened.ok ? { ok: true } : opened;
  },
  openGateWithoutEgress: (options: GateOptions) => {
    const opened = openGate(options, withoutEgress());
    gate = opened.ok ? opened.value : undefined;
    return opened.ok ? { hooks: opened.value.hooks } : opened;
  },
  open: () => gateOf().open(),
  mute: () => gateOf().mute(),
  close: () => gateOf().close(),
  remaining: () => gateOf().remaining(),
  tampered: () => gateOf().tampered(),
  isIntact: () => gateOf().isIntact(),
  reinstall: () => gateOf().reinstall(),
  refresh: () => gateOf().refresh(),
  weakness: () => gateOf().weakness(),
  /** As after a heartbeat that was given to the kernel so long ago; what is left then, too. */
  renew: (agoMs: number) => {
    const isRenewed = gateOf().renew(performance.now() - agoMs);
    return { isRenewed, left: gateOf().remaining() };
  },
  renewNow: () => gateOf().renew(performance.now()),
  hooks: () => gateOf().hooks,
  remove: () => gateOf().remove(),
  leave: () => {
    gateOf()[Symbol.dispose]();
  },
  openHost: async (options: HostOptions) => {
    const opened = await openHost(options);
    host = opened.ok ? opened.value : undefined;
    return opened.ok ? { ok: true } : opened;
  },
  claim: () => hostOf().claim(),
  announce: () => hostOf().announce(),
  /** What is left after the word that a heartbeat was sent so long ago. */
  heartbeatSent: (agoMs: number) => {
    hostOf().heartbeatSent(performance.now() - agoMs);
    return hostOf().gate().remainingMs;
  },
  /** Sends one heartbeat and returns what is left of the lease after it. */
  beatOnce: async (beat: Beat) => {
    const socket = await socketFor(beat);
    await send(socket, beat);
    socket.close();
    return gateOf().remaining();
  },
  /** Sends any bytes as a heartbeat is sent, and returns what is left of the lease after them. */
  sendOnce: async (beat: Beat, hex: string) => {
    const socket = await socketFor(beat);
    await sendBytes(socket, beat, Buffer.from(hex, 'hex'));
    socket.close();
    return gateOf().remaining();
  },
  startBeats: async (beat: Beat, everyMs: number) => {
    const socket = await socketFor(beat);
    await send(socket, beat);
    beating = { socket, timer: setInterval(() => void send(socket, beat), everyMs) };
  },
  stopBeats: () => {
    clearInterval(beating?.timer);
    beating?.socket.close();
    beating = undefined;
    return lastBeatMs;
  },
  openProbe: (kind: 'arp' | 'neighbor', options: ProbeOptions) => {
    const opened = kind === 'arp' ? openArpProbe(options) : openNeighborProbe(options);
    probe = opened.ok ? opened.value : undefined;
    return opened.ok ? { ok: true } : opened;
  },
  refreshProbe: () => probe?.refresh(),
  sendProbe: (target: string) => probe?.sendProbe(target),
  /** So many questions at once. */
  flood: (target: string, count: number) => {
    for (let sent = 0; sent < count; sent += 1) {
      probe?.sendProbe(target);
    }
  },
  poll: () => {
    const seen = probe?.poll();
    return { count: seen?.sightings.length, isDrained: seen?.isDrained };
  },
  /** Probes for the target every 2 ms for a while, and returns all that was seen. */
  ask: async (target: string, forMs: number) => {
    const heard: Heard[] = [];
    const endMs = nowMs() + forMs;
    while (nowMs() < endMs) {
      probe?.sendProbe(target);
      await sleep(2);
      const seen = probe?.poll();
      heard.push(...(seen?.sightings ?? []).map((sighting) => ({ ...sighting, onMs: nowMs() })));
    }
    return heard;
  },
  /** Blocks the whole process, as a frozen one is. */
  freeze: (forMs: number) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
  },
  /** Median microseconds of one call. */
  measure: (method: string, rounds: number) => {
    const micros = Array.from({ length: rounds }, () => {
      const start = process.hrtime.bigint();
      methods[method]?.();
      return Number(process.hrtime.bigint() - start) / 1000;
    });
    return micros.sort((a, b) => a - b)[Math.floor(rounds / 2)];
  },
};

/**
 * This kernel as one before Linux 5.16: the hook number that it does not know yet becomes one that this
 * kernel does not know either, and the refusal is the kernel's own.
 */
function withoutEgress(): ReturnType<typeof openLibc> {
  const libc = openLibc();
  return libc.ok
    ? ok({
        ...libc.value,
        sendto: (descriptor, bytes, address) => libc.value.sendto(descriptor, asUnknown(bytes), address),
      })
    : libc;
}

/** Of a chain's hook: number 1, priority -500 and the name of an interface, which only netdev has. */
function asUnknown(bytes: Uint8Array): Uint8Array {
  const egress = Buffer.from('080001000000000108000200fffffe0c', 'hex');
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(egress); at !== -1; at = copy.indexOf(egress, at + 1)) {
    if (copy.readUInt16LE(at + egress.length + 2) === 3) {
      copy.writeUInt32BE(7, at + 4);
    }
  }
  return copy;
}

async function socketFor(beat: Beat): Promise<Socket> {
  const socket = createSocket(beat.source.includes(':') ? 'udp6' : 'udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, beat.source, resolve);
  });
  if (beat.interfaceName !== undefined) {
    socket.setMulticastInterface(beat.source.includes(':') ? `::%${beat.interfaceName}` : beat.source);
  }
  return socket;
}

async function send(socket: Socket, beat: Beat): Promise<void> {
  const key = createKey(1, new Uint8Array(32));
  const datagram = formatHeartbeat(
    {
      pairId: pairIdOf(beat.pair),
      nodeId: 1,
      bootId: 1n,
      sequence: 1,
      link: 0,
      intervalMs: 50,
      leaseMs: 200,
      deadMs: 300,
      advertisement: {
        role: beat.role,
        term: 1,
        priority: 100,
        refusal: 'none',
        isMaintenance: false,
        isResigning: false,
        handoverRequest: 0,
        isHandoverForced: false,
        handoverAnswer: 0,
        handoverRefusal: 'none',
        wantsOffice: false,
        hears: [true],
        pathsOk: [],
        configDigest: 0,
      },
      acknowledged: undefined,
      floatingMacs: [],
      sentAtUs: 0,
    },
    key,
  );
  lastBeatMs = nowMs();
  const sentAtMs = performance.now();
  await sendBytes(socket, beat, datagram);
  if (beat.role === 'active') {
    gate?.renew(sentAtMs);
  }
}

async function sendBytes(socket: Socket, beat: Beat, datagram: Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.send(datagram, beat.port, beat.destination, (error) => {
      if (error === null) {
        resolve();
      } else {
        reject(error);
      }
    });
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const { method, parameters } = JSON.parse(line) as { method: string; parameters: never[] };
  let answer: { value?: unknown; error?: string };
  try {
    answer = { value: (await methods[method]?.(...parameters)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
clearInterval(beating?.timer);
beating?.socket.close();
gate?.[Symbol.dispose]();
host?.[Symbol.dispose]();
probe?.[Symbol.dispose]();
