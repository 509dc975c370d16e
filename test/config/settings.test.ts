import assert from 'node:assert/strict';
import { parseConfig } from '../../src/config/load.ts';
import { type Config } from '../../src/config/schema.ts';
import { configDigest } from '../../src/config/digest.ts';
import {
  apiFrom,
  findNode,
  floatingFrom,
  linkOptionsFrom,
  pathsFrom,
  settingsFrom,
} from '../../src/config/settings.ts';
import { rightText, textWith } from './text.ts';

describe('settings', () => {
  it('are what the core decides by, as the node sees it', () => {
    const { configDigest: _, ...settings } = settingsFrom(config(rightText), 'lvs2');
    assert.deepEqual(settings, {
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
        { name: 'direct', interfaceName: 'eth2' },
      ],
      paths: [
        {
          name: 'upstream',
          interfaceName: 'eth0',
          address: '192.0.2.1',
          source: 'wire',
          isRequired: true,
          score: 0,
        },
      ],
      canProbe: true,
      contested: { kind: 'wait' },
      floating: [
        { address: '192.0.2.10', interfaceName: 'eth0' },
        { address: '10.99.0.1', interfaceName: 'eth1' },
      ],
      addressLifetimeSeconds: 3,
    });
  });

  it('carry the delays of failback and of a contest', () => {
    const { failback, contested } = settingsFrom(
      config(textWith('failback: manual', 'failback: { auto: 1m }\ncontested: { claim_after: 1.5s }')),
      'lvs1',
    );
    assert.deepEqual(failback, { kind: 'auto', delayMs: 60_000 });
    assert.deepEqual(contested, { kind: 'claim-after', afterMs: 1500 });
  });

  it('number the nodes by their names, not by their place in the file', () => {
    const swapped = config(
      textWith(
        'lvs1: { priority: 150 }\n  lvs2: { priority: 100 }',
        'lvs2: { priority: 100 }\n  lvs1: { priority: 150 }',
      ),
    );
    assert.equal(settingsFrom(swapped, 'lvs1').nodeId, 1);
    assert.equal(settingsFrom(swapped, 'lvs2').nodeId, 2);
  });

  it('listen at start for as long as the peer may be silent, and a second at least', () => {
    assert.equal(settingsFrom(config(textWith('balanced', 'relaxed')), 'lvs1').listenMs, 1500);
  });

  it('give each link its own group, or the two addresses of a unicast link', () => {
    assert.deepEqual(
      linkOptionsFrom(config(rightText), 'lvs2').map(({ name, interfaceName, group, unicast, port }) => [
        name,
        interfaceName,
        group ?? unicast,
        port,
      ]),
      [
        ['public', 'eth0', '239.192.112.1', 3694],
        ['private', 'eth1', '239.192.112.2', 3694],
        ['direct', 'eth2', { own: '10.98.0.3', peer: '10.98.0.2' }, 3694],
      ],
    );
  });

  it('count groups on across the end of an octet, also in IPv6', () => {
    const groupsFrom = (group: string) =>
      linkOptionsFrom(config(textWith('profile: balanced', `group: "${group}"`)), 'lvs1').map(
        (link) => link.group,
      );
    assert.deepEqual(groupsFrom('239.192.112.255'), ['239.192.112.255', '239.192.113.0', undefined]);
    assert.deepEqual(groupsFrom('FF02::FFFF'), ['ff02::ffff', 'ff02::1:0', undefined]);
  });

  it('take from a map what is the node’s own', () => {
    const perNode = config(
      textWith(
        'address: 192.0.2.10, interface: eth0, label: "eth0:1"',
        'address: 192.0.2.10/24, interface: { lvs1: eth0, lvs2: ens3 }, label: { lvs1: "eth0:1", lvs2: "ens3:1" }',
      )
        .replace('target: 192.0.2.1,', 'target: { lvs1: 192.0.2.1, lvs2: 192.0.2.2 },')
        .replace('listen: 127.0.0.1:10112', 'listen: { lvs1: 127.0.0.1:1, lvs2: "[::1]:2" }'),
    );
    assert.deepEqual(floatingFrom(perNode, 'lvs2')[0], {
      address: '192.0.2.10',
      prefixLength: 24,
      interfaceName: 'ens3',
      label: 'ens3:1',
    });
    assert.deepEqual(pathsFrom(perNode, 'lvs2')[0], {
      name: 'upstream',
      interfaceName: 'eth0',
      target: '192.0.2.2',
      probe: 'arp',
      isRequired: true,
      score: 0,
    });
    assert.deepEqual(apiFrom(perNode, 'lvs2').listen, { host: '::1', port: 2 });
  });

  it('make a path required unless it says otherwise or has a score', () => {
    const weightOf = (text: string) => {
      const [path] = pathsFrom(config(textWith(', required: true', text)), 'lvs1');
      return [path?.isRequired, path?.score];
    };
    assert.deepEqual(
      [weightOf(''), weightOf(', score: 60'), weightOf(', required: false')],
      [
        [true, 0],
        [false, 60],
        [false, 0],
      ],
    );
  });
});

describe('the node that a host is', () => {
  it('is found by host name, with or without the domain, in any case', () => {
    const named = config(
      textWith('lvs1: { priority: 150 }', 'lvs1: { priority: 150, host: router-a.example.net }'),
    );
    const nodeOf = (hostName: string) => findNode(named, { hostName });
    assert.deepEqual(nodeOf('lvs2.example.org'), { ok: true, value: 'lvs2' });
    assert.deepEqual(nodeOf('LVS2'), { ok: true, value: 'lvs2' });
    assert.deepEqual(nodeOf('router-a'), { ok: true, value: 'lvs1' });
    assert.equal(nodeOf('lvs1').ok, false);
    assert.equal(nodeOf('router-a.example.com').ok, false);
  });

  it('is the one that was named, whatever the host is called', () => {
    assert.deepEqual(findNode(config(rightText), { node: 'lvs1', hostName: 'lvs2' }), {
      ok: true,
      value: 'lvs1',
    });
  });

  it('is refused by naming those there are', () => {
    const refusal = findNode(config(rightText), { node: 'lvs3', hostName: 'lvs1' });
    assert.match(refusal.ok ? '' : (refusal.detail ?? ''), /lvs3.*lvs1 and lvs2/);
    const stranger = findNode(config(rightText), { hostName: 'web1' });
    assert.match(stranger.ok ? '' : (stranger.detail ?? ''), /web1.*lvs1 and lvs2.*--node/);
  });
});

describe('configuration digest', () => {
  const digestOf = (text: string) => configDigest(config(text));

  it('ignores comments, order of keys, written defaults and the API', () => {
    const same = [
      `# a comment\n${rightText}`,
      textWith('name: public,  interface: eth0', 'interface: eth0, name: public'),
      textWith('profile: balanced', 'port: 3694'),
      textWith('profile: balanced', 'interval: 50ms'),
      textWith('failback: manual\n', ''),
      textWith('10112', '10113'),
      textWith('{ address: 192.0.2.10,', '{ address: 192.0.2.10/32,'),
    ];
    assert.deepEqual(
      same.map(digestOf),
      same.map(() => digestOf(rightText)),
    );
  });

  it('notices everything that both must share', () => {
    const others = [
      textWith('balanced', 'fast'),
      textWith('priority: 150', 'priority: 151'),
      textWith('192.0.2.10', '192.0.2.11'),
      textWith('failback: manual', 'failback: { auto: 60s }'),
      textWith('10.98.0.3', '10.98.0.4'),
      textWith('target: 192.0.2.1,', 'target: 192.0.2.3,'),
      rightText,
    ];
    assert.equal(new Set(others.map(digestOf)).size, others.length);
  });
});

function config(text: string): Config {
  const parsed = parseConfig(text, 'vipair.yaml');
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.detail);
  return parsed.value.config;
}
