import assert from 'node:assert/strict';
import { configDigest } from '../../src/config/digest.ts';
import { parseConfig } from '../../src/config/load.ts';
import { reportedFrom, settingsFrom } from '../../src/config/settings.ts';
import { textWith } from './text.ts';

const upstream = '- { name: upstream, interface: eth0, target: 192.0.2.1, required: true }';

function configWith(extra: string, path = upstream) {
  const parsed = parseConfig(textWith(upstream, path).replace('failback: manual', extra), 'vipair.yaml');
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.detail);
  return parsed.value.config;
}

function problemsWith(extra: string, path = upstream): string[] {
  const parsed = parseConfig(textWith(upstream, path).replace('failback: manual', extra), 'vipair.yaml');
  return parsed.ok ? [] : parsed.problems.map((problem) => `${problem.path}: ${problem.message}`);
}

const scripts = (...entries: readonly string[]) =>
  `scripts:\n${entries.map((entry) => `  - { ${entry} }\n`).join('')}`;

describe('tracks of the configuration', () => {
  it('are paths, then scripts; those by ARP the core asks for itself', () => {
    const config = configWith(
      scripts('name: disk, command: [/bin/true], score: 30'),
      `${upstream}\n  - { name: far, interface: eth1, target: { lvs1: 10.99.0.7, lvs2: 10.99.0.8 }, probe: icmp }`,
    );
    assert.deepEqual(settingsFrom(config, 'lvs2').paths, [
      {
        name: 'upstream',
        interfaceName: 'eth0',
        address: '192.0.2.1',
        isRequired: true,
        score: 0,
        source: 'wire',
      },
      {
        name: 'far',
        interfaceName: 'eth1',
        address: '10.99.0.8',
        isRequired: true,
        score: 0,
        source: 'reported',
        peerLagMs: 3000,
      },
      { name: 'disk', interfaceName: '', address: '', source: 'reported', isRequired: false, score: 30 },
    ]);
  });

  it('are reported with the times of the file or the usual ones', () => {
    const config = configWith(
      scripts(
        'name: disk, command: [/opt/check, "-w 10", ""]',
        'name: load, command: [/opt/load], interval: 10s, timeout: 3s, rise: 1, fall: 5',
      ),
      `${upstream}\n  - { name: far, interface: eth0, target: 198.51.100.1, probe: icmp, fall: 4 }`,
    );
    const usual = { intervalMs: 2000, timeoutMs: 1000, rise: 2, fall: 2 };
    assert.deepEqual(reportedFrom(config, 'lvs1'), [
      { ...usual, kind: 'icmp', name: 'far', interfaceName: 'eth0', target: '198.51.100.1', fall: 4 },
      { ...usual, kind: 'script', name: 'disk', command: ['/opt/check', '-w 10', ''] },
      {
        kind: 'script',
        name: 'load',
        command: ['/opt/load'],
        intervalMs: 10_000,
        timeoutMs: 3000,
        rise: 1,
        fall: 5,
      },
    ]);
  });

  it('are part of what both must share', () => {
    const [one, other] = ['/bin/true', '/bin/false'].map((program) =>
      configDigest(configWith(scripts(`name: disk, command: [${program}]`))),
    );
    assert.notEqual(one, other);
  });

  it('are refused where they contradict themselves', () => {
    for (const [extra, path, problem] of [
      [
        scripts('name: disk, command: [/bin/true], required: true, score: 3'),
        upstream,
        'scripts[0]: is either required or has a score, not both',
      ],
      [scripts('name: disk, command: [true]'), upstream, 'scripts[0].command[0]: true must be a text'],
      [
        scripts('name: disk, command: [check]'),
        upstream,
        'scripts[0].command: must begin with the absolute path of a program',
      ],
      [scripts('name: disk, command: []'), upstream, 'scripts[0].command: must have at least 1 entry'],
      [
        scripts('name: disk, command: [/bin/true], timeout: 3s'),
        upstream,
        'scripts[0]: must not have a timeout (3000 ms) longer than its interval (2000 ms)',
      ],
      [
        scripts('name: upstream, command: [/bin/true]'),
        upstream,
        'scripts[0].name: "upstream" is already the name of path 1',
      ],
      [
        scripts('name: disk, command: [/bin/true]', 'name: disk, command: [/bin/true]'),
        upstream,
        'scripts[1].name: "disk" is already the name of script 1',
      ],
      [
        '',
        '- { name: upstream, interface: eth0, target: 192.0.2.1, interval: 1s, fall: 3 }',
        'paths[0]: has interval, fall, which only probe: icmp knows',
      ],
      [
        '',
        '- { name: upstream, interface: eth0, target: 192.0.2.1, probe: icmp, interval: 500ms }',
        'paths[0]: must not have a timeout (1000 ms) longer than its interval (500 ms)',
      ],
      ['', '- { name: upstream, interface: eth0, target: 192.0.2.1, probe: http }', undefined],
    ] as const) {
      const problems = problemsWith(extra, path);
      assert.equal(problems.length > 0, true, extra + path);
      if (problem !== undefined) {
        assert.deepEqual(problems, [problem]);
      }
    }
  });

  it('are sixteen at most, counted with the interfaces of floating addresses, and eight scripts', () => {
    const paths = (count: number) =>
      Array.from(
        { length: count },
        (_, index) => `- { name: p${index}, interface: eth0, target: 192.0.2.${index + 20} }`,
      ).join('\n  ');
    const eight = scripts(
      ...Array.from({ length: 8 }, (_, index) => `name: s${index}, command: [/bin/true]`),
    );
    assert.deepEqual(problemsWith(eight, paths(6)), []);
    assert.deepEqual(problemsWith(eight, paths(7)), [
      'paths: must be at most 16 together with scripts, services that count, and the interfaces of floating addresses, and there are 17',
    ]);
    const nine = scripts(...Array.from({ length: 9 }, (_, index) => `name: s${index}, command: [/bin/true]`));
    assert.deepEqual(problemsWith(nine), ['scripts: must have at most 8 entries']);
  });

  it('count interfaces by position, so both nodes must share them alike', () => {
    const text = textWith('interface: eth1, label: "eth1:1"', 'interface: { lvs1: eth1, lvs2: eth0 }');
    const parsed = parseConfig(text, 'vipair.yaml');
    assert.deepEqual(parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path}: ${message}`), [
      'floating: must be on the same interface as each other on both nodes, or on neither',
    ]);
  });
});
