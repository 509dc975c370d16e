import { openSync, writeSync } from 'node:fs';
import { type Announcement, type Answer } from './observation.ts';
import { type EyeOptions } from './eye.ts';
import * as system from './system-calls.ts';

/**
 * The measuring process: sends ICMP echo probes from inside several namespaces, asks who owns the floating
 * addresses and notes every announcement, all in one loop that never returns to Node's event loop, so
 * nothing of Node's own comes between a packet and its time stamp. It sits in one process with one clock;
 * each of its sockets belongs to a namespace. Standard input takes a line per command (`peek`, `collect`),
 * and its end ends the program.
 */
const options = JSON.parse(process.argv[2] ?? '{}') as EyeOptions;
const PAUSE_MS = 3;
/** Ten minutes between two collections. */
const MOST_PROBES = 600_000;
const ETHERNET_BYTES = 14;

interface Prober {
  readonly name: string;
  readonly fd: number;
  readonly packet: Uint8Array;
  readonly view: DataView;
  /** Allocated once: a growing list would stop the loop to be copied. NaN: not answered. */
  readonly sentAtMs: Float64Array;
  readonly answeredAtMs: Float64Array;
  count: number;
  /** Number of the first probe that is still kept. */
  base: number;
  lastAnsweredAtMs: number | null;
}

interface Watcher {
  readonly fd: number;
  readonly interfaceName: string;
  readonly mac: Uint8Array;
  readonly questions: readonly Uint8Array[];
}

const home = openSync('/proc/self/ns/net', 'r');
const probers = options.probes.map(openProber);
const watchers = options.watch.map(openWatcher);
const isRealtime = options.realtime && system.scheduleRealtime(60);
let announcements: Announcement[] = [];
let answers: Answer[] = [];
let pauses: { atMs: number; lengthMs: number }[] = [];
const buffer = new Uint8Array(2048);
watchAll();

function watchAll(): void {
  const wait = system.createWaiter([0, ...probers.map(({ fd }) => fd), ...watchers.map(({ fd }) => fd)]);
  let probeAtMs = system.monotonicMs();
  let askAtMs = probeAtMs;
  let lookedAtMs = probeAtMs;
  write({ ready: true });
  for (;;) {
    const nowMs = system.monotonicMs();
    if (nowMs - lookedAtMs > PAUSE_MS) {
      pauses.push({ atMs: lookedAtMs, lengthMs: nowMs - lookedAtMs });
    }
    lookedAtMs = nowMs;
    if (nowMs >= probeAtMs) {
      probers.forEach(probe);
      // A tick that was missed is left out, not made up for: probes keep their distance.
      probeAtMs = Math.max(probeAtMs + options.probePeriodMs, nowMs + options.probePeriodMs / 2);
    }
    if (nowMs >= askAtMs) {
      for (const { fd, questions } of watchers) {
        questions.forEach((question) => system.send(fd, question));
      }
      askAtMs = Math.max(askAtMs + options.askPeriodMs, nowMs + options.askPeriodMs / 2);
    }
    const readable = wait(Math.min(probeAtMs, askAtMs) - system.monotonicMs());
    for (const [at, prober] of probers.entries()) {
      if (readable[1 + at] === true) {
        readEchoes(prober);
      }
    }
    for (const [at, watcher] of watchers.entries()) {
      if (readable[1 + probers.length + at] === true) {
        readArp(watcher);
      }
    }
    if (readable[0] === true && !obey()) {
      process.exit(0);
    }
  }
}

function openProber(probe: EyeOptions['probes'][number], at: number): Prober {
  const fd = system.inNamespace(openSync(`/run/netns/${probe.namespace}`, 'r'), home, () =>
    system.openIcmp(probe.target),
  );
  const packet = new Uint8Array(32);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 8);
  view.setUint16(4, ((process.pid << 2) + at) & 0xffff);
  return {
    name: probe.name,
    fd,
    packet,
    view,
    sentAtMs: new Float64Array(MOST_PROBES),
    answeredAtMs: new Float64Array(MOST_PROBES),
    count: 0,
    base: 0,
    lastAnsweredAtMs: null,
  };
}

function probe(prober: Prober): void {
  if (prober.count === MOST_PROBES) {
    return;
  }
  const number = prober.base + prober.count;
  prober.view.setUint16(6, number & 0xffff);
  prober.view.setUint32(8, number);
  prober.view.setUint16(2, 0);
  prober.view.setUint16(2, internetChecksum(prober.packet));
  prober.sentAtMs[prober.count] = system.monotonicMs();
  prober.answeredAtMs[prober.count] = NaN;
  prober.count += 1;
  system.send(prober.fd, prober.packet);
}

function readEchoes(prober: Prober): void {
  for (let left = 64; left > 0; left -= 1) {
    const length = system.receive(prober.fd, buffer);
    if (length === 0) {
      return;
    }
    const header = (buffer[0]! & 15) * 4;
    const view = new DataView(buffer.buffer, header);
    const isMine =
      length >= header + 12 && view.getUint8(0) === 0 && view.getUint16(4) === prober.view.getUint16(4);
    const at = isMine ? view.getUint32(8) - prober.base : -1;
    if (at >= 0 && at < prober.count) {
      prober.lastAnsweredAtMs = system.monotonicMs();
      if (Number.isNaN(prober.answeredAtMs[at])) {
        prober.answeredAtMs[at] = prober.lastAnsweredAtMs;
      }
    }
  }
}

function openWatcher(watch: EyeOptions['watch'][number]): Watcher {
  return system.inNamespace(openSync(`/run/netns/${watch.namespace}`, 'r'), home, () => {
    const fd = system.openArp(watch.interfaceName);
    const mac = system.macOf(fd, watch.interfaceName);
    return {
      fd,
      interfaceName: watch.interfaceName,
      mac,
      questions: watch.addresses.map((address) => whoHas(mac, address)),
    };
  });
}

/** RFC 5227 §1.1: a probe has no sender address, so nobody learns from it. */
function whoHas(mac: Uint8Array, address: string): Uint8Array {
  const frame = new Uint8Array(42);
  frame.fill(0xff, 0, 6);
  frame.set(mac, 6);
  frame.set([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1], 12);
  frame.set(mac, 22);
  frame.set(address.split('.').map(Number), 38);
  return frame;
}

function readArp(watcher: Watcher): void {
  for (let left = 64; left > 0; left -= 1) {
    const length = system.receive(watcher.fd, buffer);
    if (length === 0) {
      return;
    }
    const senderMac = buffer.subarray(ETHERNET_BYTES + 8, ETHERNET_BYTES + 14);
    if (length < 42 || senderMac.every((byte, at) => byte === watcher.mac[at])) {
      continue;
    }
    const address = buffer.slice(ETHERNET_BYTES + 14, ETHERNET_BYTES + 18).join('.');
    const target = buffer.slice(ETHERNET_BYTES + 24, ETHERNET_BYTES + 28).join('.');
    const mac = [...senderMac].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
    const style = buffer[ETHERNET_BYTES + 7] === 1 ? 'request' : 'reply';
    if (address === target) {
      announcements.push({
        atMs: round(system.stampMs(watcher.fd)),
        interfaceName: watcher.interfaceName,
        style,
        address,
        mac,
      });
    } else if (style === 'reply' && target === '0.0.0.0') {
      answers.push({ atMs: round(system.monotonicMs()), address, mac });
    }
  }
}

/** False when nobody listens any more. */
function obey(): boolean {
  const length = system.read(0, buffer);
  if (length === 0) {
    return false;
  }
  for (const command of Buffer.from(buffer.subarray(0, length)).toString().trim().split('\n')) {
    if (command === 'peek') {
      write({
        nowMs: system.monotonicMs(),
        lastAnsweredAtMs: Object.fromEntries(
          probers.map(({ name, lastAnsweredAtMs }) => [name, lastAnsweredAtMs]),
        ),
        lastAnswers: lastAnswers(),
      });
    } else if (command === 'collect') {
      collect();
    }
  }
  return true;
}

/** The latest answer of each MAC for each address. */
function lastAnswers(): Answer[] {
  const latest = new Map(answers.slice(-100).map((answer) => [`${answer.address} ${answer.mac}`, answer]));
  return [...latest.values()];
}

/** Hands over what was seen and forgets it. Sorting announcements: two sockets are read one after the other. */
function collect(): void {
  announcements.sort((left, right) => left.atMs - right.atMs);
  write({
    probes: Object.fromEntries(
      probers.map((prober) => [
        prober.name,
        {
          sentAtMs: Array.from(prober.sentAtMs.subarray(0, prober.count), round),
          // JSON has no NaN: it becomes null.
          answeredAtMs: Array.from(prober.answeredAtMs.subarray(0, prober.count), round),
        },
      ]),
    ),
    announcements,
    answers,
    pauses,
    isRealtime,
  });
  for (const prober of probers) {
    prober.base += prober.count;
    prober.count = 0;
  }
  announcements = [];
  answers = [];
  pauses = [];
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function write(message: unknown): void {
  const bytes = Buffer.from(JSON.stringify(message) + '\n');
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) {
        process.exit(0);
      }
    }
  }
}

/** RFC 1071. */
function internetChecksum(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += view.getUint16(at);
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return ~sum & 0xffff;
}
