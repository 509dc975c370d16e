import { initialState, step } from '../../src/core/director.ts';
import { type StepRecord } from '../../src/core/record.ts';
import {
  type Advertisement,
  type DirectorEvent,
  type DirectorState,
  type Settings,
} from '../../src/core/state.ts';
import { type PulseSnapshot } from '../../src/observe/snapshot.ts';

/** A pair as in the manual, seen by lvs2. */
export const settings: Settings = {
  pair: 'edge',
  nodeName: 'lvs2',
  peerName: 'lvs1',
  nodeId: 2,
  priority: 100,
  intervalMs: 50,
  leaseMs: 200,
  deadMs: 300,
  listenMs: 1000,
  failback: { kind: 'manual' },
  gate: 'nftables',
  links: [
    { name: 'public', interfaceName: 'eth0' },
    { name: 'private', interfaceName: 'eth1' },
  ],
  floating: [
    { address: '192.0.2.10', interfaceName: 'eth0' },
    { address: '10.99.0.1', interfaceName: 'eth1' },
  ],
  paths: [],
  canProbe: false,
  contested: { kind: 'wait' },
  configDigest: 7,
  addressLifetimeSeconds: 3,
};

export const advertisement: Advertisement = {
  role: 'active',
  term: 4,
  priority: 150,
  refusal: 'none',
  isMaintenance: false,
  isResigning: false,
  handoverRequest: 0,
  isHandoverForced: false,
  handoverAnswer: 0,
  handoverRefusal: 'none',
  wantsOffice: false,
  hears: [true, true],
  pathsOk: [],
  configDigest: 7,
};

/** Steps the core through the events and keeps every step as a record. */
export function play(
  events: readonly DirectorEvent[],
  from: DirectorState = initialState(settings),
): readonly StepRecord[] {
  const records: StepRecord[] = [];
  let state = from;
  for (const event of events) {
    const [after, effects] = step(state, event, settings);
    const number = records.length + 1;
    records.push({ number, wallMs: 1_750_000_000_000 + event.atMs, event, before: state, after, effects });
    state = after;
  }
  return records;
}

export function heard(atMs: number, link = 0, said: Partial<Advertisement> = {}): DirectorEvent {
  return {
    kind: 'advertisement',
    atMs,
    link,
    isProven: true,
    advertisement: { ...advertisement, ...said },
    macs: [],
  };
}

/** A backup that hears the active lvs1 at 100 ms on both links, then loses it. */
export const silenceStory: readonly DirectorEvent[] = [
  { kind: 'started', atMs: 0, isMaintenance: false },
  heard(90, 0),
  heard(100, 1),
  ...[50, 100, 150, 200, 250, 300].map((atMs) => ({ kind: 'deadline', atMs: 50 + atMs }) as const),
  { kind: 'deadline', atMs: 401 },
  { kind: 'claimed', atMs: 402 },
];

export function snapshotOf(state: DirectorState, overrides: Partial<PulseSnapshot> = {}): PulseSnapshot {
  const histogram = { boundsMs: [1, 10], counts: [1, 2], sumMs: 6.5, count: 2 };
  return {
    atMs: 120,
    wallMs: 1_750_000_000_120,
    startedWallMs: 1_750_000_000_000,
    bootId: 'c0ffee',
    pid: 4711,
    state,
    links: settings.links.map(({ name }, index) => ({
      name,
      interfaceName: `eth${index}`,
      carrier: true,
      sent: 20,
      sendFailures: 0,
      received: 18,
      lost: 2,
      lastHeardAtMs: 100,
      jitterMs: 0.25,
      roundTripMs: 0.125,
    })),
    floating: settings.floating.map((address) => ({ ...address, held: false })),
    refused: { 'bad-authentication': 3, replayed: 0 },
    notes: { sent: 7, received: 6, dropped: 1, refused: { unproven: 2, replayed: 0 } },
    realtimeProblem: undefined,
    kernelPath: 'syscalls',
    gate: {
      mode: 'nftables',
      hooks: 'egress',
      problem: undefined,
      remainingMs: undefined,
      renewalsLate: 1,
      reinstalled: 2,
    },
    claims: { attempts: 3, failures: 1, durations: histogram },
    announcementsSent: 8,
    addressesLost: 1,
    lateness: histogram,
    directorRestarts: 0,
    recordsDropped: 0,
    isConfigDifferent: false,
    ...overrides,
  };
}
