import assert from 'node:assert/strict';
import { configDigest } from '../../src/config/digest.ts';
import { parseConfig } from '../../src/config/load.ts';
import { lvsFrom } from '../../src/config/lvs-settings.ts';
import { settingsFrom } from '../../src/config/settings.ts';
import { USUAL_TIMING } from '../../src/core/check.ts';
import { policyOf } from '../../src/core/pool.ts';
import { textWith } from './text.ts';

function parse(lvs: string) {
  return parseConfig(textWith('lvs:\n  mode: adopt\n', `lvs: ${lvs}\n`), 'vipair.yaml');
}

function configWith(lvs: string) {
  const parsed = parse(lvs);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.detail);
  return parsed.value.config;
}

function problemsWith(lvs: string): string[] {
  const parsed = parse(lvs);
  return parsed.ok
    ? []
    : parsed.problems.map(
        ({ path, message, suggestion }) =>
          `${path.replace('lvs.services[0]', 'service')}: ${message}${suggestion === undefined ? '' : ` (${suggestion}?)`}`,
      );
}

const own = (...services: readonly string[]) =>
  `{ mode: own, services: [${services.map((service) => `{ ${service} }`).join(', ')}] }`;
const adopted = (...services: readonly string[]) =>
  `{ services: [${services.map((service) => `{ ${service} }`).join(', ')}] }`;
const servers = 'servers: [{ address: 10.99.0.11 }, { address: 10.99.0.12 }]';

describe('virtual services of the configuration', () => {
  it('need no word: what is there is adopted and checked', () => {
    const { mode, settings, tracks, sync, sysctls } = lvsFrom(configWith('{}'), 'lvs1');
    assert.deepEqual(
      { mode, tracks, sync, sysctls },
      { mode: 'adopt', tracks: [], sync: undefined, sysctls: 'check' },
    );
    const kinds = [
      policyOf(settings.policies, { kind: 'address', protocol: 'tcp', address: '192.0.2.10', port: 80 }),
      policyOf(settings.policies, { kind: 'address', protocol: 'udp', address: '192.0.2.10', port: 53 }),
      policyOf(settings.policies, { kind: 'fwmark', mark: 1, family: 4 }),
    ].map(({ check, onFailure, quorum }) => `${check.kind} ${onFailure} ${quorum}`);
    assert.deepEqual(kinds, ['tcp quiesce 1', 'icmp quiesce 1', 'icmp quiesce 1']);
  });

  it('are a table in mode own, with what is not written as the kernel has it', () => {
    const config = configWith(`{
      mode: own, on_failure: remove, sync: { interface: { lvs1: eth1, lvs2: ens4 }, id: 10 }, sysctls: set,
      services: [
        { name: web, address: "192.0.2.10:80", persistence: { netmask: 255.255.255.0 }, sorry: { address: 10.99.0.9 },
          check: { kind: http, path: /health }, quorum: 2, hysteresis: 0, required: true,
          servers: [{ address: "10.99.0.11:8080", weight: 3 }, { address: 10.99.0.12, upper_threshold: 9, lower_threshold: 5 }] },
        { fwmark: 7, family: ipv6, scheduler: mh, scheduler_flags: [mh-port], forwarding: tunnelling,
          tunnel: { type: gue, port: 6080 }, servers: [{ address: "2001:db8::11" }] },
        { address: "192.0.2.10:53", protocol: udp, one_packet: true, forwarding: direct, servers: [{ address: 10.99.0.11 }] } ] }`);
    const lvs = lvsFrom(config, 'lvs2');
    const masquerading = { method: 'masquerading' } as const;
    const plain = { weight: 1, upperThreshold: 0, lowerThreshold: 0 };
    assert.deepEqual(lvs.settings.table, [
      {
        at: { kind: 'address', protocol: 'tcp', address: '192.0.2.10', port: 80 },
        scheduler: 'wlc',
        schedulerFlags: [],
        persistence: { timeoutSeconds: 300, netmask: '255.255.255.0', engine: undefined },
        isOnePacket: false,
        servers: [
          { ...plain, address: '10.99.0.11', port: 8080, forwarding: masquerading, weight: 3 },
          {
            ...plain,
            address: '10.99.0.12',
            port: 80,
            forwarding: masquerading,
            upperThreshold: 9,
            lowerThreshold: 5,
          },
        ],
      },
      {
        at: { kind: 'fwmark', mark: 7, family: 6 },
        scheduler: 'mh',
        schedulerFlags: ['mh-port'],
        persistence: undefined,
        isOnePacket: false,
        servers: [
          {
            ...plain,
            address: '2001:db8::11',
            port: 0,
            forwarding: { method: 'tunnelling', tunnel: { type: 'gue', port: 6080, checksum: 'nocsum' } },
          },
        ],
      },
      {
        at: { kind: 'address', protocol: 'udp', address: '192.0.2.10', port: 53 },
        scheduler: 'wlc',
        schedulerFlags: [],
        persistence: undefined,
        isOnePacket: true,
        servers: [{ ...plain, address: '10.99.0.11', port: 53, forwarding: { method: 'direct' } }],
      },
    ]);
    const [web] = lvs.settings.policies.services;
    assert.deepEqual(
      { ...web, check: web?.check.kind },
      {
        key: 'tcp 192.0.2.10:80',
        name: 'web',
        check: 'http',
        onFailure: 'remove',
        quorum: 2,
        hysteresis: 0,
        sorry: { ...plain, address: '10.99.0.9', port: 80, forwarding: masquerading },
      },
    );
    assert.deepEqual(lvs.sync, { interfaceName: 'ens4', ownId: 11, peerId: 10 });
    assert.deepEqual(lvs.tracks, [{ service: 'tcp 192.0.2.10:80', track: 'web' }]);
    assert.deepEqual(settingsFrom(config, 'lvs2').paths.at(-1), {
      name: 'web',
      interfaceName: '',
      address: '',
      source: 'reported',
      isService: true,
      peerLagMs: USUAL_TIMING.fall * USUAL_TIMING.intervalMs + USUAL_TIMING.timeoutMs,
      isRequired: true,
      score: 0,
    });
  });

  it('are the same for both directors, or it is seen', () => {
    const web = (weight: number) =>
      configDigest(
        configWith(own(`address: "192.0.2.10:80", servers: [{ address: 10.99.0.11, weight: ${weight} }]`)),
      );
    assert.notEqual(web(1), web(2));
  });

  const rows: readonly [string, string, string][] = [
    ['neither address nor mark', own(servers), 'service: must have either an address or a fwmark'],
    [
      'both',
      own(`address: "192.0.2.10:80", fwmark: 1, ${servers}`),
      'service: must have either an address or a fwmark',
    ],
    [
      'an address without a port',
      own(`address: 192.0.2.10, ${servers}`),
      'service.address: is not an address and a port, such as 192.0.2.10:80 or [2001:db8::10]:80',
    ],
    [
      'a table where one is adopted',
      adopted('address: "192.0.2.10:80", scheduler: rr'),
      'service: "scheduler" belongs to mode own: in mode adopt the table says it',
    ],
    ['no servers', own('address: "192.0.2.10:80"'), 'service: must have servers in mode own'],
    [
      'a mapped port by direct routing',
      own('address: "192.0.2.10:80", forwarding: direct, servers: [{ address: "10.99.0.11:8080" }]'),
      'service.servers[0].address: must have the port 80 of the service: only masquerading can map ports',
    ],
    [
      'another family',
      own('address: "192.0.2.10:80", servers: [{ address: "2001:db8::11" }]'),
      'service.servers[0].address: is of another family than the service, which only a tunnel can bridge',
    ],
    [
      'a server twice',
      own('address: "192.0.2.10:80", servers: [{ address: 10.99.0.11 }, { address: "10.99.0.11:80" }]'),
      'service.servers[1].address: is the same real server as 1',
    ],
    [
      'a service twice',
      own(`address: "192.0.2.10:80", ${servers}`, `address: "192.0.2.10:80", ${servers}`),
      'lvs.services[1]: is the same service as 1',
    ],
    [
      'every port without persistence',
      own(`address: "192.0.2.10:0", ${servers}`),
      'service.address: takes every port, which the kernel allows with persistence only',
    ],
    [
      'one packet of TCP',
      own(`address: "192.0.2.10:80", one_packet: true, ${servers}`),
      'service.one_packet: is for UDP only',
    ],
    [
      'an unknown scheduler',
      own(`address: "192.0.2.10:80", scheduler: wlcc, ${servers}`),
      'service.scheduler: must be rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf or twos (wlc?)',
    ],
    [
      'a netmask that is none',
      own(`address: "192.0.2.10:80", persistence: { netmask: 255.0.255.0 }, ${servers}`),
      'service.persistence.netmask: is not a netmask, such as 255.255.255.0',
    ],
    [
      'a quorum of more than there are',
      own(`address: "192.0.2.10:80", quorum: 2, hysteresis: 1, ${servers}`),
      'service.quorum: needs 3 real servers to be up again, and there are 2',
    ],
    [
      'a hysteresis that never ends',
      adopted('address: "192.0.2.10:80", quorum: 1, hysteresis: 1'),
      'service.hysteresis: must be less than the quorum of 1, or the service is never down',
    ],
    [
      'a limit upside down',
      own('address: "192.0.2.10:80", servers: [{ address: 10.99.0.11, lower_threshold: 5 }]'),
      'service.servers[0].lower_threshold: must not be above the upper_threshold',
    ],
    [
      'a sorry server that is none',
      own(`address: "192.0.2.10:80", sorry: { address: 10.99.0.11 }, ${servers}`),
      'service.sorry.address: is one of the servers already',
    ],
    [
      'a track without a name',
      adopted('address: "192.0.2.10:80", required: true'),
      'service: needs a name to move the office: it is shown by that',
    ],
    [
      'a name that a path has',
      adopted('name: upstream, address: "192.0.2.10:80", score: 9'),
      'service.name: is already the name of path 1',
    ],
    [
      'an unknown key',
      adopted('address: "192.0.2.10:80", chek: tcp'),
      'service: unknown key "chek" (check?)',
    ],
    [
      'an unknown kind of check',
      adopted('address: "192.0.2.10:80", check: htp'),
      'service.check: must be tcp, http, https, grpc, dns, smtp, expect, udp, icmp, redis, script or none (http?)',
    ],
    [
      'a sync interface of a stranger',
      '{ sync: { interface: { lvs1: eth1, lvs3: eth1 } } }',
      'lvs.sync.interface: "lvs3" is not a node (lvs2?)',
    ],
  ];
  for (const [what, lvs, problem] of rows) {
    it(`refuse ${what}`, () => {
      // The value that is complained of stands between.
      const [path = '', ...words] = problem.split(': ');
      const found = problemsWith(lvs);
      assert.ok(
        found.some((line) => line.startsWith(`${path}: `) && line.endsWith(words.join(': '))),
        found.join('\n'),
      );
    });
  }
});
