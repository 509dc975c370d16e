import assert from 'node:assert/strict';
import { configDigest } from '../../src/config/digest.ts';
import { parseConfig } from '../../src/config/load.ts';
import { lvsFrom } from '../../src/config/lvs-settings.ts';
import { type Config } from '../../src/config/schema.ts';
import { settingsFrom } from '../../src/config/settings.ts';
import { describeConfig, describeText } from '../../src/cli/describe.ts';
import { USUAL_TIMING } from '../../src/core/check.ts';
import { textWith } from './text.ts';

const tcp = { ...USUAL_TIMING, kind: 'tcp', port: undefined, sourceAddress: undefined } as const;
const icmp = { ...USUAL_TIMING, kind: 'icmp', sourceAddress: undefined } as const;
const usual = {
  name: undefined,
  check: tcp,
  onFailure: 'quiesce',
  quorum: 1,
  hysteresis: 0,
  sorry: undefined,
} as const;
const plain = {
  forwarding: { method: 'masquerading' },
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
} as const;

/** The lines of the section, each as it stands below `lvs:`. */
function textOf(...lines: readonly string[]): string {
  return textWith('  mode: adopt\n', lines.map((line) => `  ${line}\n`).join(''));
}

function configOf(...lines: readonly string[]): Config {
  const parsed = parseConfig(textOf(...lines), 'vipair.yaml');
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.detail);
  return parsed.value.config;
}

/** Without file and place, which `load.test.ts` proves. */
function problemsOf(...lines: readonly string[]): string[] {
  const parsed = parseConfig(textOf(...lines), 'vipair.yaml');
  return parsed.ok ? [] : (parsed.detail ?? '').split('\n').map(withoutPlace);
}

function warningsOf(...lines: readonly string[]): string[] {
  const parsed = parseConfig(textOf(...lines), 'vipair.yaml');
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.detail);
  return parsed.value.warnings.map(({ path, message }) => `${path}: ${message}`);
}

function withoutPlace(line: string): string {
  return line.replace(/^vipair\.yaml:\d+:\d+: /, '');
}

const services = (...entries: readonly string[]) => [
  'services:',
  ...entries.map((entry) => `  - { ${entry} }`),
];
const adopted = (...entries: readonly string[]) => ['mode: adopt', ...services(...entries)];
const owned = (...entries: readonly string[]) => ['mode: own', ...services(...entries)];
const real = 'servers: [{ address: 10.99.0.11 }]';
const web = `address: 192.0.2.10:80, ${real}`;

describe('the lvs section', () => {
  it('is to adopt the table: tcp for streams, icmp for datagrams and marks', () => {
    const options = {
      mode: 'adopt',
      settings: {
        mode: 'adopt',
        table: [],
        policies: {
          services: [],
          stream: usual,
          datagram: { ...usual, check: icmp },
          mark: { ...usual, check: icmp },
        },
      },
      tracks: [],
      sync: undefined,
      sysctls: 'check',
    };
    assert.deepEqual(lvsFrom(configOf('mode: adopt'), 'lvs1'), options);
    const off = lvsFrom(configOf("mode: 'off'"), 'lvs1');
    assert.deepEqual([off.mode, off.settings.mode], ['off', 'observe']);
  });

  it('says for all services how they are checked, and what becomes of who fails', () => {
    const { settings, sysctls } = lvsFrom(
      configOf(
        'check: { kind: tcp, interval: 1s, source: { lvs1: 10.0.0.2, lvs2: 10.0.0.3 } }',
        'on_failure: remove',
        'sysctls: set',
        ...services('address: 192.0.2.10:53, protocol: udp', 'fwmark: 7, family: ipv6, check: none'),
      ),
      'lvs2',
    );
    const check = { ...tcp, intervalMs: 1000, sourceAddress: '10.0.0.3' };
    const policy = { ...usual, check, onFailure: 'remove' };
    assert.deepEqual(settings.policies, {
      services: [
        { ...policy, key: 'udp 192.0.2.10:53' },
        { ...policy, key: 'fwmark 7 IPv6', check: { ...USUAL_TIMING, kind: 'none' } },
      ],
      stream: policy,
      datagram: policy,
      mark: policy,
    });
    assert.equal(sysctls, 'set');
  });

  it('says of a service of the table what is special about it', () => {
    const [policy] = lvsFrom(
      configOf(
        ...adopted(
          'name: web, address: 192.0.2.10:80, on_failure: remove, quorum: 3, hysteresis: 1, check: icmp, sorry: { address: 10.99.0.9 }',
        ),
      ),
      'lvs1',
    ).settings.policies.services;
    assert.deepEqual(policy, {
      key: 'tcp 192.0.2.10:80',
      name: 'web',
      check: icmp,
      onFailure: 'remove',
      quorum: 3,
      hysteresis: 1,
      sorry: { ...plain, address: '10.99.0.9', port: 80 },
    });
  });

  it('is the table in mode own, with what the kernel would say of it', () => {
    const { settings } = lvsFrom(
      configOf(
        ...owned(
          web,
          'address: "[2001:DB8::1]:0", protocol: sctp, scheduler: sh, scheduler_flags: [sh-port, sh-fallback], persistence: { timeout: 10m, netmask: 64 }, forwarding: direct, servers: [{ address: "2001:db8::2", weight: 0, upper_threshold: 9, lower_threshold: 3 }]',
          'fwmark: 1, one_packet: true, forwarding: tunnelling, tunnel: { type: gue, port: 6080 }, servers: [{ address: 10.99.0.11 }, { address: 10.99.0.12, tunnel: { type: gre, checksum: csum } }, { address: 10.99.0.13:8080, forwarding: masquerading }]',
          'address: 192.0.2.10:5060, protocol: udp, persistence: { netmask: 255.255.255.255, engine: sip }, servers: [{ address: 10.99.0.11:5070 }]',
        ),
      ),
      'lvs1',
    );
    const usualService = {
      scheduler: 'wlc',
      schedulerFlags: [],
      persistence: undefined,
      isOnePacket: false,
    };
    const address = (protocol: string, text: string, port: number) =>
      ({ kind: 'address', protocol, address: text, port }) as const;
    assert.deepEqual(settings.table, [
      {
        ...usualService,
        at: address('tcp', '192.0.2.10', 80),
        servers: [{ ...plain, address: '10.99.0.11', port: 80 }],
      },
      {
        at: address('sctp', '2001:db8::1', 0),
        scheduler: 'sh',
        schedulerFlags: ['sh-fallback', 'sh-port'],
        persistence: { timeoutSeconds: 600, netmask: '64', engine: undefined },
        isOnePacket: false,
        servers: [
          {
            address: '2001:db8::2',
            port: 0,
            forwarding: { method: 'direct' },
            weight: 0,
            upperThreshold: 9,
            lowerThreshold: 3,
          },
        ],
      },
      {
        ...usualService,
        at: { kind: 'fwmark', mark: 1, family: 4 },
        isOnePacket: true,
        servers: [
          {
            ...plain,
            address: '10.99.0.11',
            port: 0,
            forwarding: { method: 'tunnelling', tunnel: { type: 'gue', port: 6080, checksum: 'nocsum' } },
          },
          {
            ...plain,
            address: '10.99.0.12',
            port: 0,
            forwarding: { method: 'tunnelling', tunnel: { type: 'gre', checksum: 'csum' } },
          },
          { ...plain, address: '10.99.0.13', port: 8080 },
        ],
      },
      {
        ...usualService,
        at: address('udp', '192.0.2.10', 5060),
        persistence: { timeoutSeconds: 300, netmask: undefined, engine: 'sip' },
        servers: [{ ...plain, address: '10.99.0.11', port: 5070 }],
      },
    ]);
  });

  it('makes tracks of the services that count, after scripts', () => {
    const config = configOf(
      'check: { kind: tcp, interval: 3s, fall: 4 }',
      ...services(
        'name: web, address: 192.0.2.10:80, required: true',
        'name: dns, address: 192.0.2.10:53, protocol: udp, score: 60, check: { kind: udp, interval: 500ms, timeout: 250ms }',
        'name: idle, address: 192.0.2.10:25, required: false',
      ),
    );
    const track = { interfaceName: '', address: '', source: 'reported', isService: true } as const;
    assert.deepEqual(settingsFrom(config, 'lvs1').paths.slice(1), [
      { ...track, name: 'web', isRequired: true, score: 0, peerLagMs: 13_000 },
      { ...track, name: 'dns', isRequired: false, score: 60, peerLagMs: 1250 },
    ]);
    assert.deepEqual(lvsFrom(config, 'lvs1').tracks, [
      { service: 'tcp 192.0.2.10:80', track: 'web' },
      { service: 'udp 192.0.2.10:53', track: 'dns' },
    ]);
    const off: Config = { ...config, lvs: { ...config.lvs, mode: 'off' } };
    assert.equal(settingsFrom(off, 'lvs1').paths.length, 1);
  });

  it('lets each node send its connections with an id of its own, which the other takes in', () => {
    const config = configOf('sync: { interface: { lvs2: ens3, lvs1: eth1 }, id: 10 }');
    assert.deepEqual(
      ['lvs1', 'lvs2'].map((node) => lvsFrom(config, node).sync),
      [
        { interfaceName: 'eth1', ownId: 10, peerId: 11 },
        { interfaceName: 'ens3', ownId: 11, peerId: 10 },
      ],
    );
  });

  it('is part of what both must share, whether a default was written or not', () => {
    const digestOf = (...lines: readonly string[]) => configDigest(configOf(...lines));
    const others = [
      owned(web),
      owned(web.replace('.11', '.12')),
      owned(`${web}, scheduler: rr`),
      owned(`${web}, on_failure: remove`),
      owned(`${web}, name: web`),
      owned(`${web}, name: web, score: 3`),
      owned(`${web}, name: web, score: 4`),
      ['sysctls: set'],
      ["mode: 'off'"],
      ['mode: observe'],
      ['sync: { interface: eth1, id: 1 }'],
    ].map((lines) => digestOf(...lines));
    assert.equal(new Set(others).size, others.length);
    assert.equal(
      digestOf(
        ...owned(
          'address: 192.0.2.10:80, protocol: tcp, check: { kind: tcp }, scheduler: wlc, forwarding: masquerading, quorum: 1, servers: [{ address: 10.99.0.11:80, weight: 1 }]',
        ),
      ),
      digestOf(...owned(web)),
    );
  });

  describe('says what is wrong:', () => {
    const [first, second] = ['lvs.services[0]', 'lvs.services[1]'];
    const server = `${first}.servers[0]`;
    const withServer = (text: string, more = '') =>
      owned(`address: 192.0.2.10:80, servers: [{ address: ${text} }]${more}`);
    const rows: readonly (readonly [lines: readonly string[], complaint: string])[] = [
      [adopted('address: 192.0.2.10:80, fwmark: 1'), `${first}: must have an address or a fwmark, not both`],
      [adopted('check: tcp'), `${first}: must have an address or a fwmark`],
      [
        adopted('fwmark: 1, protocol: udp'),
        `${first}: "protocol" belongs to an address: a fwmark does not say it`,
      ],
      [
        adopted('address: 192.0.2.10:80, family: ipv4'),
        `${first}: "family" belongs to a fwmark: the address says it`,
      ],
      [
        adopted('address: 192.0.2.10'),
        `${first}.address: "192.0.2.10" is not an address and a port, such as 192.0.2.10:80 or "[2001:db8::1]:80"`,
      ],
      [
        adopted('address: 192.0.2.10:65536'),
        `${first}.address: "192.0.2.10:65536" is not an address and a port, such as 192.0.2.10:80 or "[2001:db8::1]:80"`,
      ],
      [
        adopted('address: 192.0.2.10:80, schedular: rr'),
        `${first}: unknown key "schedular"; did you mean "scheduler"?`,
      ],
      ...['scheduler: rr', 'forwarding: direct', 'one_packet: false', real, 'persistence: {}'].map(
        (text) =>
          [
            adopted(`address: 192.0.2.10:80, ${text}`),
            `${first}: "${text.replace(/:.*/, '')}" belongs to mode own, and this is mode adopt`,
          ] as const,
      ),
      [
        ['mode: observe', ...services('fwmark: 1, scheduler_flags: []')],
        `${first}: "scheduler_flags" belongs to mode own, and this is mode observe`,
      ],
      [owned('address: 192.0.2.10:80'), `${first}: "servers" is missing, and mode own needs one at least`],
      [owned('address: 192.0.2.10:80, servers: []'), `${first}.servers: must have at least 1 entry`],
      [['mode: own'], 'lvs: "services" is missing, and mode own would empty the table'],
      [
        withServer('10.99.0.11:8080', ', forwarding: direct'),
        `${server}.address: "10.99.0.11:8080" must have the port 80 of the service: direct leaves the port as it is, only masquerading can map ports`,
      ],
      [
        withServer('10.99.0.11:81, forwarding: tunnelling'),
        `${server}.address: "10.99.0.11:81" must have the port 80 of the service: tunnelling leaves the port as it is, only masquerading can map ports`,
      ],
      [
        owned('fwmark: 1, forwarding: direct, servers: [{ address: 10.99.0.11:80 }]'),
        `${server}.address: "10.99.0.11:80" must have no port: direct leaves the port as it is, only masquerading can map ports`,
      ],
      [
        withServer('"2001:db8::1"'),
        `${server}.address: "2001:db8::1" must be an IPv4 address as that of the service; only tunnelling leads to the other family`,
      ],
      [
        owned(`fwmark: 1, family: ipv6, ${real}`),
        `${server}.address: "10.99.0.11" must be an IPv6 address as that of the service; only tunnelling leads to the other family`,
      ],
      [
        adopted('address: 192.0.2.10:80', 'address: 192.0.2.10:80, protocol: tcp'),
        `${second}: is the same as service 1`,
      ],
      [
        withServer('10.99.0.11 }, { address: 10.99.0.11:80'),
        `${first}.servers[1].address: "10.99.0.11:80" is already real server 1 of this service`,
      ],
      [
        owned(`address: 192.0.2.10:0, ${real}`),
        `${first}.address: "192.0.2.10:0" is of all ports (port 0), which needs persistence`,
      ],
      [owned(`${web}, one_packet: true`), `${first}.one_packet: true is for protocol: udp only`],
      [
        owned(`${web}, scheduler: wcl`),
        `${first}.scheduler: "wcl" must be rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf or twos; did you mean "wlc"?`,
      ],
      [
        owned(`${web}, scheduler_flags: [sh-port]`),
        `${first}.scheduler_flags[0]: "sh-port" is not a flag of wlc: only sh and mh have flags`,
      ],
      [
        owned(`${web}, scheduler: mh, scheduler_flags: [sh-port]`),
        `${first}.scheduler_flags[0]: "sh-port" is not a flag of mh; did you mean "mh-port"?`,
      ],
      ...['24', '255.0.255.0', '0.0.0.0', 'ffff::'].map(
        (mask) =>
          [
            owned(`${web}, persistence: { netmask: "${mask}" }`),
            `${first}.persistence.netmask: "${mask}" is not a netmask of an IPv4 service, such as 255.255.255.0`,
          ] as const,
      ),
      [
        owned(
          'fwmark: 1, family: ipv6, persistence: { netmask: 129 }, servers: [{ address: "2001:db8::2" }]',
        ),
        `${first}.persistence.netmask: 129 is not a prefix length of an IPv6 service: 1 to 128`,
      ],
      [
        owned(`${web}, persistence: { timeout: 1500ms }`),
        `${first}.persistence.timeout: "1500ms" must be whole seconds`,
      ],
      [
        owned(`${web}, persistence: { engine: sip }`),
        `${first}.persistence.engine: "sip" is for protocol: udp only`,
      ],
      [
        owned(`${web}, quorum: 2`),
        `${first}: must have a quorum of at most the number of its servers: 2 > 1`,
      ],
      [
        withServer('10.99.0.11 }, { address: 10.99.0.12', ', quorum: 2, hysteresis: 1'),
        `${first}: must have a quorum and hysteresis of at most the number of its servers, or it never comes back: 2 + 1 > 2`,
      ],
      [
        adopted('fwmark: 1, quorum: 2, hysteresis: 2'),
        `${first}: must have a hysteresis (2) less than its quorum (2)`,
      ],
      [
        withServer('10.99.0.11, upper_threshold: 3, lower_threshold: 4'),
        `${server}.lower_threshold: 4 must be at most the upper_threshold of 3`,
      ],
      [
        withServer('10.99.0.11, lower_threshold: 4'),
        `${server}.lower_threshold: 4 must not be without an upper_threshold`,
      ],
      [
        owned(`${web}, sorry: { address: 10.99.0.11:80 }`),
        `${first}.sorry.address: "10.99.0.11:80" is real server 1 of this service: a sorry server must be another`,
      ],
      [
        adopted('address: 192.0.2.10:80, sorry: { address: 10.99.0.9:81, forwarding: direct }'),
        `${first}.sorry.address: "10.99.0.9:81" must have the port 80 of the service: direct leaves the port as it is, only masquerading can map ports`,
      ],
      [owned(`${web}, tunnel: { type: ipip }`), `${first}: "tunnel" belongs to forwarding: tunnelling`],
      [
        withServer('10.99.0.11, tunnel: { type: ipip }'),
        `${server}: "tunnel" belongs to forwarding: tunnelling`,
      ],
      [
        owned(`${web}, forwarding: tunnelling, tunnel: { type: gre, checksum: remcsum }`),
        `${first}.tunnel.checksum: "remcsum" must be nocsum or csum`,
      ],
      [
        owned(`${web}, forwarding: tunnelling, tunnel: { type: ipip, port: 1 }`),
        `${first}.tunnel: "port" is not for type: ipip, only for gue`,
      ],
      [
        adopted('fwmark: 1, score: 3'),
        `${first}: "name" is missing, and a service that can move the office needs one`,
      ],
      [
        adopted('fwmark: 1, name: web, required: true, score: 3'),
        `${first}: is either required or has a score, not both`,
      ],
      [
        adopted('name: web, fwmark: 1', 'name: web, fwmark: 2'),
        `${second}.name: "web" is already the name of service 1`,
      ],
      [
        adopted('name: upstream, fwmark: 1, score: 1'),
        `${first}.name: "upstream" is already the name of path 1`,
      ],
      [
        adopted(
          ...Array.from({ length: 14 }, (_, index) => `name: s${index}, fwmark: ${index + 1}, score: 1`),
        ),
        'paths: must be at most 16 together with scripts, services that count, and the interfaces of floating addresses, and there are 17',
      ],
      [
        adopted(...Array.from({ length: 257 }, (_, index) => `fwmark: ${index + 1}`)),
        'lvs.services: must have at most 256 entries',
      ],
      [
        owned(
          ...Array.from(
            { length: 2 },
            (_, mark) =>
              `fwmark: ${mark + 1}, servers: [${Array.from({ length: 5001 - mark }, (_, index) => `{ address: 10.1.${index >> 8}.${index & 255} }`).join(', ')}]`,
          ),
        ),
        'lvs.services: must have at most 10000 real servers in all, and there are 10001',
      ],
      [['sync: { interface: { lvs1: eth1 }, id: 1 }'], 'lvs.sync.interface: has no value for the node lvs2'],
      [['sync: { interface: eth1, id: 255 }'], 'lvs.sync.id: 255 must be at most 254'],
      [
        adopted('fwmark: 1, check: { kind: icmp, source: { lvs1: 10.0.0.2 } }'),
        `${first}.check.source: has no value for the node lvs2`,
      ],
      [
        ['check: { kind: icmp, source: { lvs1: 10.0.0.2 } }'],
        'lvs.check.source: has no value for the node lvs2',
      ],
      [
        adopted('fwmark: 1, check: { kind: tcp, path: /x }'),
        `${first}.check: "path" is not for kind: tcp, only for http and https`,
      ],
    ];
    for (const [lines, complaint] of rows) {
      it(complaint, () => {
        assert.deepEqual(problemsOf(...lines), [complaint]);
      });
    }
  });

  it('takes a name twice where neither the service nor the other is moved by it', () => {
    assert.deepEqual(problemsOf(...adopted('name: upstream, fwmark: 1')), []);
  });

  it('takes ten thousand real servers, in time', function () {
    this.timeout(20_000);
    const lines = owned(
      ...Array.from(
        { length: 100 },
        (_, mark) =>
          `fwmark: ${mark + 1}, servers: [${Array.from({ length: 100 }, (_, index) => `{ address: 10.1.${mark}.${index + 1}:8080, weight: 100 }`).join(', ')}]`,
      ),
    );
    const config = configOf(...lines);
    assert.equal(lvsFrom(config, 'lvs1').settings.table.flatMap(({ servers }) => servers).length, 10_000);
  });

  describe('warns of what is probably not meant:', () => {
    const rows: readonly (readonly [lines: readonly string[], warnings: readonly string[]])[] = [
      [adopted('address: 192.0.2.10:80'), []],
      [
        adopted('address: 192.0.2.77:80', 'fwmark: 3'),
        [
          'lvs.services[0].address: "192.0.2.77:80" is not at a floating address of this pair: it does not move with the office',
        ],
      ],
      [
        owned(web),
        ['lvs.mode: "own" removes every virtual service from the IPVS table that is not in this file'],
      ],
      [
        adopted('name: a, fwmark: 1, check: none, score: 1', 'name: b, fwmark: 2, check: none'),
        ['lvs.services[0]: counts for the office, and its real servers are not checked'],
      ],
      [
        ["mode: 'off'", ...services('fwmark: 1')],
        ['lvs.services: are not looked at in mode off, and move nothing'],
      ],
    ];
    for (const [lines, warnings] of rows) {
      it(warnings.join('; ') || 'nothing', () => {
        assert.deepEqual(warningsOf(...lines), warnings);
      });
    }

    it('a masqueraded service without a gateway for its real servers', () => {
      const text = textOf(...owned(web)).replace('interface: eth1, label: "eth1:1"', 'interface: eth0');
      const parsed = parseConfig(text, 'vipair.yaml');
      assert.ok(parsed.ok);
      const [, gateway] = parsed.value.warnings;
      assert.equal(
        gateway?.message,
        'is masqueraded, and there is no floating IPv4 address on another interface that its real servers could have as their gateway',
      );
      const direct = parseConfig(text.replace('servers:', 'forwarding: direct, servers:'), 'vipair.yaml');
      assert.equal(direct.ok && direct.value.warnings.length, 1);
    });
  });

  it('is told to people, a service a line', () => {
    const config = configOf(
      'mode: own',
      'sync: { interface: eth1, id: 10 }',
      ...services(
        `name: web, ${web}, check: http, required: true, sorry: { address: 10.99.0.9 }`,
        `fwmark: 1, scheduler: rr, on_failure: remove, check: none, ${real}`,
      ),
    );
    const lines = describeText(config, 'f', { node: undefined, hooks: undefined }).split('\n');
    const from = lines.findIndex((line) => /^ +lvs /.test(line));
    assert.deepEqual(
      lines.slice(from, from + 3).map((line) => line.trim()),
      [
        'lvs       own; check tcp, icmp where that is not TCP; failed: quiesce; sysctls: check; sync on eth1 with ids 10 and 11',
        'services  web  tcp 192.0.2.10:80  wlc, 1 real server  http every 2s, fall 2  sorry 10.99.0.9  required',
        '               fwmark 1           rr, 1 real server   not checked            remove',
      ].map((line) => line.trim()),
    );
    assert.equal(describeConfig(config).services[1]?.counts, '');
  });
});
