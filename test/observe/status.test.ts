import assert from 'node:assert/strict';
import { initialState } from '../../src/core/director.ts';
import { statusView } from '../../src/observe/status.ts';
import { play, settings, silenceStory, snapshotOf } from './samples.ts';

const backup = play(silenceStory.slice(0, 4)).at(-1)?.after ?? initialState(settings);
const active = play(silenceStory).at(-1)?.after ?? initialState(settings);

describe('status', () => {
  it('shows the pair as a backup sees it, with the fields of the contract', () => {
    const status = statusView(snapshotOf(backup), settings, { version: '1.2.3' });
    assert.deepEqual(
      { ...status, links: status.links.length, problems: status.problems.length },
      {
        pair: 'edge',
        node: 'lvs2',
        role: 'backup',
        since: new Date(1_750_000_000_090).toISOString(),
        term: 4,
        why: 'lvs1 is active',
        reason: { kind: 'heard-active-peer' },
        priority: 100,
        maintenance: false,
        peer: {
          node: 'lvs1',
          role: 'active',
          lastHeardMs: 20,
          priority: 150,
          refusal: 'none',
          maintenance: false,
          proven: true,
          configDiffers: false,
          macs: [],
        },
        floating: [
          { address: '192.0.2.10', interface: 'eth0', held: false },
          { address: '10.99.0.1', interface: 'eth1', held: false },
        ],
        links: 2,
        paths: [],
        contested: null,
        interfaces: [
          { name: 'eth0', carrier: true, peerCarrier: null },
          { name: 'eth1', carrier: true, peerCarrier: null },
        ],
        foreign: null,
        lease: {
          mode: 'nftables',
          configured: 'nftables',
          hooks: 'egress',
          remainingMs: null,
          lifetimeSeconds: 3,
          renewalsLate: 1,
          reinstalled: 2,
          problem: null,
        },
        timers: { intervalMs: 50, leaseMs: 200, deadMs: 300 },
        problems: 0,
        realtime: true,
        kernelPath: 'syscalls',
        version: '1.2.3',
        pid: 4711,
        bootId: 'c0ffee',
        started: '2025-06-15T15:06:40.000Z',
        at: '2025-06-15T15:06:40.120Z',
      },
    );
    assert.deepEqual(status.links[0], {
      name: 'public',
      interface: 'eth0',
      carrier: true,
      hears: true,
      heard_by_peer: true,
      lastHeardMs: 20,
      sent: 20,
      sendFailures: 0,
      received: 18,
      lost: 2,
      jitterMs: 0.25,
      roundTripMs: 0.125,
    });
  });

  it('survives the process channel: what is undefined or infinite there becomes null or is left out', () => {
    const snapshot = snapshotOf(initialState(settings));
    const sent = JSON.parse(JSON.stringify(snapshot)) as typeof snapshot;
    assert.deepEqual(
      JSON.parse(JSON.stringify(statusView(sent, settings, { version: '1' }))),
      JSON.parse(JSON.stringify(statusView(snapshot, settings, { version: '1' }))),
    );
  });

  it('believes nothing of a peer that is silent', () => {
    const snapshot = snapshotOf(backup, { atMs: 100 + settings.deadMs, wallMs: 1 });
    const { peer, links } = statusView(snapshot, settings, { version: '1' });
    assert.deepEqual(
      { role: peer.role, priority: peer.priority, lastHeardMs: peer.lastHeardMs },
      { role: 'unknown', priority: null, lastHeardMs: 300 },
    );
    assert.deepEqual(
      links.map(({ hears, heard_by_peer }) => [hears, heard_by_peer]),
      [
        [false, false],
        [false, false],
      ],
    );
  });

  it('shows a service that can move the office', () => {
    const web = { interfaceName: '', address: '', source: 'reported', isRequired: true, score: 0 } as const;
    const paths: typeof settings.paths = [{ ...web, name: 'web', isService: true }];
    const snapshot = snapshotOf({ ...backup, paths: [{ answeredAtMs: 5, isUp: false }] });
    const status = statusView(snapshot, { ...settings, paths }, { version: '1' });
    assert.deepEqual(
      status.paths.map(({ kind, target, interface: via }) => [kind, target, via]),
      [['service', null, null]],
    );
    assert.ok(status.problems.includes('Service web: too few of its real servers are usable.'));
  });

  it('shows paths, a contest and who else claims an address', () => {
    const paths: typeof settings.paths = [
      { name: 'disk', interfaceName: '', address: '', source: 'reported', isRequired: false, score: 60 },
      {
        name: 'far',
        interfaceName: 'eth1',
        address: '9.9.9.9',
        source: 'reported',
        isRequired: true,
        score: 0,
      },
      {
        name: 'upstream',
        interfaceName: 'eth0',
        address: '192.0.2.1',
        source: 'wire' as const,
        isRequired: true,
        score: 0,
      },
    ];
    const { office, peer } = backup;
    assert.ok(office.role === 'backup' && peer !== undefined);
    const snapshot = snapshotOf({
      ...backup,
      peer: {
        ...peer,
        advertisement: { ...peer.advertisement, pathsOk: [true, false, true, true, false] },
      },
      downInterfaces: ['eth0'],
      office: { ...office, contestedAtMs: 110 },
      paths: [
        { answeredAtMs: 5, isUp: false },
        { answeredAtMs: undefined, isUp: undefined },
        { answeredAtMs: 10, isUp: false },
      ],
      foreign: { address: '192.0.2.10', mac: '02:00:00:00:00:99', atMs: 115 },
    });
    const complaints = new Map([['disk', '/check ended with exit code 1: full']]);
    const status = statusView(snapshot, { ...settings, paths }, { version: '1', complaints });
    assert.deepEqual(status.paths, [
      {
        name: 'disk',
        kind: 'script',
        interface: null,
        target: null,
        up: false,
        peerUp: true,
        required: false,
        score: 60,
        detail: '/check ended with exit code 1: full',
      },
      {
        name: 'far',
        kind: 'icmp',
        interface: 'eth1',
        target: '9.9.9.9',
        up: null,
        peerUp: false,
        required: true,
        score: 0,
        detail: null,
      },
      {
        name: 'upstream',
        kind: 'arp',
        interface: 'eth0',
        target: '192.0.2.1',
        up: false,
        peerUp: true,
        required: true,
        score: 0,
        detail: null,
      },
    ]);
    assert.deepEqual(status.interfaces, [
      { name: 'eth0', carrier: false, peerCarrier: true },
      { name: 'eth1', carrier: true, peerCarrier: false },
    ]);
    assert.equal(status.contested, '2025-06-15T15:06:40.110Z');
    assert.deepEqual(status.foreign, {
      address: '192.0.2.10',
      mac: '02:00:00:00:00:99',
      at: '2025-06-15T15:06:40.115Z',
    });
    assert.deepEqual(status.problems, [
      'Script disk: /check ended with exit code 1: full.',
      'Path upstream: 192.0.2.1 does not answer.',
      'eth0, which floating addresses are on, has no carrier.',
      '02:00:00:00:00:99, which is not of the pair, claimed 192.0.2.10 5 ms ago: find that host and take the address from it.',
      'Contested: lvs1 is silent but still answers for the addresses.',
    ]);
  });

  it('names what is not as it should be', () => {
    const behind = { ...active, isBehind: true };
    const snapshot = snapshotOf(behind, {
      atMs: 500,
      realtimeProblem: 'no CAP_SYS_NICE',
      isConfigDifferent: true,
    });
    const status = statusView(snapshot, settings, { version: '1', extraProblems: ['The disk is full.'] });
    assert.deepEqual(status.problems, [
      'Nothing is heard from lvs1 since 400 ms.',
      'The configuration of lvs1 differs: make both files the same.',
      'Not in sync: lvs1 knows connections that this director does not, so it will not take over by choice before it has caught up.',
      '192.0.2.10 is not on eth0, although this director is active.',
      '10.99.0.1 is not on eth1, although this director is active.',
      'Not in real time: no CAP_SYS_NICE',
      'The disk is full.',
    ]);
  });
});
