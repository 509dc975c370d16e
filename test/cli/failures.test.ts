import assert from 'node:assert/strict';
import { failureTable, failureWarnings, findFailures } from '../../src/cli/failures.ts';
import { parseConfig } from '../../src/config/load.ts';
import { textWith } from '../config/text.ts';

/** The example with more in the place of its failback. */
function findingsWith(text: string, ...changes: readonly (readonly [string, string])[]) {
  const whole = changes.reduce(
    (all, [part, replacement]) => all.replace(part, replacement),
    textWith('failback: manual', text),
  );
  const parsed = parseConfig(whole, 'vipair.yaml');
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.detail);
  return findFailures(parsed.value.config);
}

function movesOf(findings: ReturnType<typeof findFailures>, failure: string): readonly (number | null)[] {
  const alike = findings.filter((finding) => finding.failure === failure);
  assert.equal(alike.length, 2, failure);
  return alike.map(({ withinMs }) => withinMs);
}

describe('single failures', () => {
  it('of host, daemon and carrier always move the addresses, within the times of the profile', () => {
    const findings = findingsWith('failback: manual');
    for (const failure of ['host dies', 'daemon killed, not started again', 'daemon frozen']) {
      for (const withinMs of movesOf(findings, failure)) {
        assert.ok(withinMs !== null && withinMs <= 300, `${failure}: ${withinMs ?? 'never'}`);
      }
    }
    for (const withinMs of movesOf(findings, 'eth1 without carrier')) {
      assert.ok(withinMs !== null && withinMs <= 100);
    }
  });

  it('without any path take the whole dead time', () => {
    const findings = findingsWith(
      '',
      ['  - { name: upstream, interface: eth0, target: 192.0.2.1, required: true }\n', ''],
      ['paths:\n', ''],
    );
    const [withinMs] = movesOf(findings, 'host dies');
    assert.ok(typeof withinMs === 'number' && withinMs >= 300 && withinMs <= 360, String(withinMs));
    assert.deepEqual(movesOf(findings, 'eth0 silent, with carrier'), [null, null]);
  });

  it('of the only link move nothing: the peer still answers', () => {
    const findings = findingsWith('', [
      '    - { name: private, interface: eth1 }\n    - { name: direct,  interface: eth2, peers: { lvs1: 10.98.0.2, lvs2: 10.98.0.3 } }\n',
      '',
    ]);
    assert.deepEqual(movesOf(findings, 'link public cut'), [null, null]);
    assert.match(
      findings.find(({ failure }) => failure === 'link public cut')?.why ?? '',
      /^contested: it still answers/,
    );
  });

  it('of the only link make two owners where the configuration asks for it, and that is warned of', () => {
    const findings = findingsWith('contested: { claim_after: 30s }', [
      '    - { name: private, interface: eth1 }\n    - { name: direct,  interface: eth2, peers: { lvs1: 10.98.0.2, lvs2: 10.98.0.3 } }\n',
      '',
    ]);
    const cut = findings.find(({ failure }) => failure === 'link public cut');
    assert.ok(cut?.withinMs !== null && cut !== undefined && cut.withinMs >= 30_000 && cut.withinMs < 31_000);
    assert.equal(cut.split, true);
    assert.deepEqual(failureWarnings(findings), [
      'eth0 silent, with carrier: both directors would answer for the addresses',
      'link public cut: both directors would answer for the addresses',
    ]);
  });

  it('of a daemon behind a weak gate wait for the addresses to expire, or for ever', () => {
    const expiring = findingsWith('gate: address\naddress_lifetime: 10s');
    const [withinMs] = movesOf(expiring, 'daemon frozen');
    assert.ok(typeof withinMs === 'number' && withinMs > 6000 && withinMs <= 10_500, String(withinMs));
    assert.deepEqual(movesOf(findingsWith('gate: off'), 'daemon frozen'), [null, null]);
  });

  it('of a script count what it takes to notice, and of a ping also that the peer may notice later', () => {
    const findings = findingsWith(
      'scripts:\n  - { name: disk, command: [/bin/true], interval: 10s, timeout: 2s, fall: 3 }',
      ['required: true', 'probe: icmp, interval: 4s'],
    );
    const [script] = movesOf(findings, 'script disk fails');
    assert.ok(typeof script === 'number' && script >= 32_000 && script < 33_000, String(script));
    const [ping] = movesOf(findings, 'path upstream lost');
    assert.ok(typeof ping === 'number' && ping >= 9000 + 5000 && ping < 15_000, String(ping));
  });

  it('of a service count what it takes to notice, and that the peer may notice later', () => {
    const findings = findingsWith('failback: manual', [
      'mode: adopt',
      'services: [{ name: web, address: 192.0.2.10:80, required: true, check: { kind: tcp, interval: 4s, fall: 3 } }]',
    ]);
    const [service] = movesOf(findings, 'service web down');
    assert.ok(typeof service === 'number' && service >= 26_000 && service < 27_000, String(service));
  });

  it('of a score that is too small are warned of, with one that is enough', () => {
    const findings = findingsWith('scripts:\n  - { name: disk, command: [/bin/true], score: 50 }');
    assert.deepEqual(failureWarnings(findings), [
      'script disk fails never moves the addresses away from lvs1: lvs1 keeps 150 - 50 = 100, which is not below the 100 of lvs2; a score of 51 is enough',
    ]);
    const enough = findingsWith('scripts:\n  - { name: disk, command: [/bin/true], score: 51 }');
    assert.deepEqual(failureWarnings(enough), []);
    assert.ok(movesOf(enough, 'script disk fails').every((withinMs) => withinMs !== null));
  });

  it('are one row where both nodes fare alike, and two where they do not', () => {
    const findings = findingsWith('scripts:\n  - { name: disk, command: [/bin/true], score: 50 }');
    const names = failureTable(findings).map((line) => line.split(/ {2,}/)[0]);
    assert.equal(names.filter((name) => name === 'host dies').length, 1);
    assert.deepEqual(
      names.filter((name) => name?.startsWith('script')),
      ['script disk fails (lvs1)', 'script disk fails (lvs2)'],
    );
  });

  it('are told apart by the interfaces of each node', () => {
    const findings = findingsWith('', [
      'address: 10.99.0.1,  interface: eth1, label: "eth1:1"',
      'address: 10.99.0.1,  interface: { lvs1: eth1, lvs2: ens9 }',
    ]);
    assert.ok(movesOf(findings, 'eth1 or ens9 without carrier').every((withinMs) => withinMs !== null));
  });
});
