import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { repository } from '../repository.ts';
import { rightText, textWith } from './text.ts';

describe('configuration file', () => {
  it('takes the configuration of the design without a word', () => {
    const parsed = parse(rightText);
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.value.warnings, []);
    assert.equal(parsed.value.config.heartbeat.port, 3694);
    assert.equal(parsed.value.config.gate, 'nftables');
    assert.deepEqual(parsed.value.config.floating[0]?.address, { address: '192.0.2.10', prefixLength: 32 });
  });

  it('takes the example that is delivered', async () => {
    const loaded = await loadConfig(join(repository, 'deploy', 'vipair.example.yaml'));
    assert.deepEqual(loaded.ok ? loaded.value.warnings : loaded.detail, []);
  });

  describe('says what is wrong, where, and what was probably meant:', () => {
    const rows: readonly (readonly [part: string, replacement: string, complaint: string])[] = [
      ['interface: eth1, label', 'devv: eth1, label', '14:5: floating[1]: "interface" is missing'],
      [
        'interface: eth1, label',
        'devv: eth1, label',
        '14:28: floating[1]: unknown key "devv"; did you mean "interface"?',
      ],
      ['pair: edge', 'pair: Edge', '1:7: pair: "Edge" must be 1 to 32 of a-z 0-9 _ -'],
      ['priority: 150', 'priority: 255', '3:21: nodes.lvs1.priority: 255 must be at most 254'],
      ['priority: 150', 'priority: 1.5', '3:21: nodes.lvs1.priority: 1.5 must be a whole number'],
      [
        'priority: 150',
        'prioritty: 150',
        '3:11: nodes.lvs1: unknown key "prioritty"; did you mean "priority"?',
      ],
      ['  lvs2: { priority: 100 }\n', '', '3:3: nodes: must be exactly two, and there is one'],
      [
        'profile: balanced',
        'profile: fsat',
        '6:12: heartbeat.profile: "fsat" must be balanced, fast or relaxed; did you mean "fast"?',
      ],
      [
        'profile: balanced',
        'interval: 50',
        '6:13: heartbeat.interval: 50 must be a duration with its unit, such as 50ms, 1.5s or 1m',
      ],
      [
        'profile: balanced',
        'interval: 50msec',
        '6:13: heartbeat.interval: "50msec" is not a duration: write a number and its unit, such as 50ms, 1.5s or 1m',
      ],
      [
        'profile: balanced',
        'interval: 1.5ms',
        '6:13: heartbeat.interval: "1.5ms" must be whole milliseconds',
      ],
      ['profile: balanced', 'interval: 1h', '6:13: heartbeat.interval: "1h" must be between 5ms and 10s'],
      [
        'profile: balanced',
        'lease: 300ms',
        '6:3: heartbeat: times must keep dead >= lease + interval + 30 ms: 300 < 300 + 50 + 30 = 380 ms',
      ],
      [
        'profile: balanced',
        'interval: 100ms',
        '6:3: heartbeat: times must keep lease >= 3 x interval: 200 < 3 x 100 = 300 ms',
      ],
      [
        'profile: balanced',
        'advert_int: 1s',
        '6:3: heartbeat: unknown key "advert_int"; did you mean "interval"?',
      ],
      [
        'profile: balanced',
        'group: 10.0.0.1',
        '6:10: heartbeat.group: "10.0.0.1" is not a multicast group: 224.0.0.0 to 239.255.255.255, or ff00::/8',
      ],
      [
        'profile: balanced',
        'group: 239.255.255.255',
        '10:7: heartbeat.links[1]: has no multicast group: 239.255.255.255 plus 1 is none; set heartbeat.group lower or a group here',
      ],
      [
        'key_file: /etc/vipair/heartbeat.key',
        'key_file: heartbeat.key',
        '7:13: heartbeat.key_file: "heartbeat.key" must be an absolute path of a file',
      ],
      [
        'name: private',
        'name: public',
        '10:15: heartbeat.links[1].name: "public" is already the name of link 1',
      ],
      [
        'interface: eth1 }',
        'interface: eth1, group: 239.192.112.1 }',
        '10:7: heartbeat.links[1]: has the multicast group 239.192.112.1 of link 1; each link needs one of its own',
      ],
      [
        'lvs2: 10.98.0.3',
        'lvs3: 10.98.0.3',
        '11:48: heartbeat.links[2].peers: has no value for the node lvs2',
      ],
      [
        'lvs2: 10.98.0.3',
        'lvs3: 10.98.0.3',
        '11:67: heartbeat.links[2].peers: "lvs3" is not a node; did you mean "lvs2"?',
      ],
      [
        'lvs2: 10.98.0.3',
        'lvs2: 10.98.0.2',
        '11:48: heartbeat.links[2].peers: must be two different addresses',
      ],
      [
        'lvs2: 10.98.0.3',
        'lvs2: "fe80::1"',
        '11:48: heartbeat.links[2].peers: must be both IPv4 or both IPv6',
      ],
      [
        'eth2, peers',
        'eth2, group: 239.1.1.1, peers',
        '11:7: heartbeat.links[2]: is either multicast with a group or unicast with peers, not both',
      ],
      [
        'address: 192.0.2.10',
        'address: 192.0.2.010',
        '13:16: floating[0].address: "192.0.2.010" is not an address of a host, with or without a /prefix',
      ],
      [
        'address: 192.0.2.10',
        'address: 192.0.2.255/24',
        '13:16: floating[0].address: "192.0.2.255/24" is the broadcast address of its /24, not that of a host',
      ],
      [
        'address: 192.0.2.10',
        'address: 192.0.2.0/24',
        '13:16: floating[0].address: "192.0.2.0/24" is the network address of its /24, not that of a host',
      ],
      [
        'address: 192.0.2.10',
        'address: 10.99.0.1',
        '14:16: floating[1].address: "10.99.0.1" is already floating address 1',
      ],
      [
        'address: 192.0.2.10',
        'address: 10.98.0.2',
        '13:16: floating[0].address: "10.98.0.2" is the own address of lvs1: a floating address belongs to no node',
      ],
      [
        'label: "eth0:1"',
        'label: "eth1:9"',
        '13:52: floating[0].label: "eth1:9" must begin with the interface and a colon: "eth0:…"',
      ],
      [
        'label: "eth0:1"',
        'label: "eth0:1234567890a"',
        '13:52: floating[0].label: "eth0:1234567890a" is not a label: 1 to 15 characters without space or slash',
      ],
      [
        'address: 192.0.2.10',
        'address: "2001:db8::1"',
        '13:55: floating[0].label: "eth0:1" is only for IPv4: the kernel knows no labels of IPv6 addresses',
      ],
      [
        'interface: eth0, target',
        'interface: { lvs1: eth0 }, target',
        '16:34: paths[0].interface: has no value for the node lvs2',
      ],
      [
        'target: 192.0.2.1,',
        'target: 10.99.0.1,',
        '16:48: paths[0].target: "10.99.0.1" must be a neighbour, and 10.99.0.1 is a floating address of this pair',
      ],
      [
        'required: true',
        'required: true, score: 10',
        '16:5: paths[0]: is either required or has a score, not both',
      ],
      ['required: true', 'required: maybe', '16:69: paths[0].required: "maybe" must be true or false'],
      [
        'failback: manual',
        'failback: auto',
        '17:11: failback: "auto" must be manual or, for instance, { auto: 60s }',
      ],
      [
        'failback: manual',
        'failback: { after: 60s }',
        '17:13: failback: unknown key "after"; did you mean "auto"?',
      ],
      ['failback: manual', 'preempt: true', '17:1: unknown key "preempt"; did you mean "failback"?'],
      [
        'failback: manual',
        'address_lifetime: 1500ms',
        '17:19: address_lifetime: "1500ms" must be whole seconds',
      ],
      ['failback: manual', 'gate:', '17:6: gate: is empty and must be nftables, address or off'],
      [
        'listen: 127.0.0.1:10112',
        'listen: localhost:80',
        '21:11: api.listen: "localhost:80" is not an address and a port, such as 127.0.0.1:10112 or [::1]:10112',
      ],
      ['nodes:', 'pair: other\nnodes:', '2:1: this key stands here twice'],
      [
        'pair: edge',
        'pair: [edge',
        '2:1: Flow sequence in block collection must be sufficiently indented and end with a ]',
      ],
      ['pair: edge', 'pair: &p edge\nx: *p', '2:4: alias *p: write the value out, aliases are not taken'],
      [
        'failback: manual',
        '---\nfailback: manual',
        '17:1: a second document begins here; the file holds one',
      ],
    ];
    for (const [part, replacement, complaint] of rows) {
      it(complaint, () => {
        const parsed = parse(textWith(part, replacement));
        assert.ok(!parsed.ok);
        assert.ok(
          parsed.detail?.split('\n').includes(`vipair.yaml:${complaint}`),
          `not said; instead:\n${parsed.detail ?? ''}`,
        );
      });
    }
  });

  it('reports every problem at once, in the order of the file', () => {
    const parsed = parse(
      textWith('priority: 150', 'priority: 0')
        .replace('name: private', 'name: public')
        .replace('devv', 'interface')
        .replace('address: 10.99.0.1', 'address: 10.99.0'),
    );
    assert.ok(!parsed.ok);
    assert.deepEqual(
      parsed.problems.map(({ path, line }) => [line, path]),
      [
        [3, 'nodes.lvs1.priority'],
        [10, 'heartbeat.links[1].name'],
        [14, 'floating[1].address'],
      ],
    );
  });

  it('refuses times that are one millisecond short, and takes those that just fit', () => {
    const withDead = (dead: string) => parse(textWith('profile: balanced', `dead: ${dead}`));
    assert.equal(withDead('280ms').ok, true);
    assert.equal(withDead('279ms').ok, false);
    for (const profile of ['balanced', 'fast', 'relaxed']) {
      assert.equal(parse(textWith('profile: balanced', `profile: ${profile}`)).ok, true, profile);
    }
  });

  it('warns of what is allowed and probably not meant', () => {
    const rows: readonly (readonly [string, string, RegExp])[] = [
      ['failback: manual', 'gate: off', /until somebody removes/],
      ['failback: manual', 'gate: address', /up to 3 s, and the other claims after 300 ms/],
      [
        'listen: 127.0.0.1:10112\n  token_file: /etc/vipair/api.token',
        'listen: 0.0.0.0:10112',
        /read by everyone/,
      ],
      ['interface: eth0, target', 'interface: eth7, target', /neither a link nor a floating address/],
    ];
    for (const [part, replacement, expected] of rows) {
      const parsed = parse(textWith(part, replacement.replace('gate: off', "gate: 'off'")));
      assert.ok(parsed.ok, parsed.ok ? '' : parsed.detail);
      assert.match(parsed.value.warnings.map(({ message }) => message).join('\n'), expected);
    }
  });

  it('takes a value per node where nodes may differ', () => {
    const parsed = parse(
      textWith(
        'address: 192.0.2.10, interface: eth0, label: "eth0:1"',
        'address: 192.0.2.10, interface: { lvs1: eth0, lvs2: ens3 }, label: { lvs1: "eth0:1", lvs2: "ens3:1" }',
      ),
    );
    assert.equal(parsed.ok, true);
  });

  it('refuses nesting that would exhaust the parser, wherever it hides', () => {
    const texts = [
      `a: ${'['.repeat(100_000)}`,
      '{a: '.repeat(20_000),
      '- '.repeat(100_000),
      '? '.repeat(100_000),
      'a: '.repeat(80_000),
      Array.from({ length: 700 }, (_, level) => `${' '.repeat(level)}a:`).join('\n'),
      Array.from({ length: 700 }, (_, level) => `${' '.repeat(level)}-`).join('\n'),
      `a: "]]]]" ${'["]", '.repeat(20_000)}`,
    ];
    for (const text of texts) {
      const parsed = parse(text);
      assert.match((parsed.ok ? '' : parsed.detail) ?? '', /nests deeper than 64 levels/);
    }
  });

  it('never throws, whatever the text', function () {
    this.timeout(30_000);
    const line = fc.constantFrom(
      ...rightText.split('\n'),
      '- ',
      '? x',
      ': ',
      '*a',
      '&a b',
      '!!set',
      '%YAML 1.1',
      '---',
      '\t',
      '<<: {}',
      '__proto__: 1',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(line).map((lines) => lines.join('\n')),
        ),
        (text) => {
          assert.equal(typeof parse(text).ok, 'boolean');
        },
      ),
      { numRuns: 200 },
    );
  });

  it('never throws, whatever the values', function () {
    this.timeout(30_000);
    const value = fc.anything({ maxDepth: 2, withNullPrototype: false });
    const keys = [
      'pair',
      'nodes',
      'heartbeat',
      'floating',
      'paths',
      'failback',
      'api',
      'lvs',
      'links',
      'peers',
      'interface',
      'address',
      'label',
      'target',
      'listen',
      'lvs1',
    ];
    const mapping = fc.dictionary(
      fc.constantFrom(...keys),
      fc.oneof(
        value,
        fc.array(fc.dictionary(fc.constantFrom(...keys), value), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...keys), value),
      ),
    );
    fc.assert(
      fc.property(mapping, (config) => {
        const parsed = parse(jsonText(config));
        assert.equal(parsed.ok, false);
      }),
      { numRuns: 200 },
    );
  });

  it('is not slow on a file that is wrong in twenty thousand places', function () {
    this.timeout(30_000);
    const startedAtMs = performance.now();
    const parsed = parse(Array.from({ length: 20_000 }, (_, index) => `key${index}: 1`).join('\n'));
    assert.ok(!parsed.ok);
    assert.match(parsed.detail ?? '', /and 19904 more$/);
    // It takes one second; what is to be noticed is a search in a search, which took minutes.
    assert.ok(performance.now() - startedAtMs < 20_000);
  });

  it('says why a file cannot be read', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'vipair-config-'));
    const detailOf = async (name: string) => {
      const loaded = await loadConfig(join(directory, name));
      assert.ok(!loaded.ok && loaded.reason === 'unreadable');
      return loaded.detail ?? '';
    };
    try {
      await writeFile(join(directory, 'large'), '#'.repeat(1024 * 1024 + 1));
      await writeFile(join(directory, 'binary'), Uint8Array.of(0xff, 0xfe));
      execFileSync('mkfifo', [join(directory, 'fifo')]);
      assert.match(await detailOf('absent'), /it does not exist\. Remedy: /);
      assert.match(await detailOf('large'), /it is larger than 1 MiB/);
      assert.match(await detailOf('binary'), /it is not UTF-8 text/);
      assert.match(await detailOf('fifo'), /it is not a file/);
      assert.match(await detailOf('.'), /it is not a file/);
      assert.match(await detailOf('large/x'), /ENOTDIR/);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('is the file of the README and of the design, by its own JSON Schema', async () => {
    const { configShape } = await import('../../src/config/shape.ts');
    assert.deepEqual(configShape().required, ['pair', 'nodes', 'heartbeat', 'floating']);
    assert.ok((await readFile(join(repository, 'README.md'), 'utf8')).includes('`heartbeat.key_file`'));
  });
});

function parse(text: string) {
  return parseConfig(text, 'vipair.yaml');
}

/** YAML of any value; what YAML cannot say is left out. */
function jsonText(value: unknown): string {
  const json = JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? Number(part) : part,
  );
  return stringify(JSON.parse(json), { aliasDuplicateObjects: false });
}
