import assert from 'node:assert/strict';
import { chooseDrills, type DrillReport, drillsOf, runDrill } from '../../src/simulation/drill.ts';
import { pairSettings } from '../../src/simulation/settings.ts';

const upstream = {
  name: 'upstream',
  interfaceName: 'eth0',
  address: '192.0.2.1',
  source: 'wire',
  isRequired: true,
  score: 0,
} as const;
const settings = pairSettings({ paths: [upstream] });

function play(name: string): DrillReport {
  const chosen = chooseDrills(settings, [name]);
  assert.ok(chosen.ok);
  const [drill] = chosen.value;
  assert.ok(drill !== undefined);
  return runDrill(settings, drill, { seed: 1, runCount: 5 });
}

describe('drill', () => {
  // Fault, whether the addresses move, the longest that nobody serves, whether both ever answer.
  const rows: readonly [string, boolean, number, boolean][] = [
    ['host-down', true, 150, false],
    ['kill', true, 150, false],
    ['freeze', true, 150, false],
    ['stop', true, 0, false],
    ['failover', true, 0, false],
    ['no-carrier:eth0', true, 60, false],
    ['port-silent:eth0', true, 360, false],
    ['link-down:public', false, 0, false],
    ['links-down', false, 0, false],
    ['one-way', false, 0, false],
    ['target-down:upstream', false, 0, false],
    ['partition', true, 0, true],
    ['backup-down', false, 0, false],
    ['backup-cut-off', false, 0, false],
  ];
  for (const [name, moves, unservedMs, isSplit] of rows) {
    it(`${name}: the addresses ${moves ? 'move' : 'stay'}, and nobody serves for ${unservedMs} ms at most`, () => {
      const report = play(name);
      assert.equal(report.movedCount, moves ? report.runCount : 0);
      assert.ok(report.unservedMs.max <= unservedMs, `${report.unservedMs.max} ms`);
      assert.equal(report.bothMs > 1, isSplit);
      assert.ok(report.isServedInTheEnd);
      assert.notEqual(report.because, '');
    });
  }

  it('says that nobody serves where a silent port is not watched', () => {
    const report = play('port-silent:eth1');
    assert.equal(report.movedCount, 0);
    assert.equal(report.isServedInTheEnd, false);
    assert.match(report.because, /nothing that is watched is lost/);
  });

  it('gives the same report for the same seed', () => {
    assert.deepEqual(play('host-down'), play('host-down'));
  });

  it('refuses a fault that the pair does not have, and names those it has', () => {
    const chosen = chooseDrills(settings, ['host-down', 'port-silent:eth9']);
    assert.ok(!chosen.ok);
    assert.match(chosen.detail ?? '', /port-silent:eth9; there are host-down, .*port-silent:eth1, .*all/);
  });

  it('plays every fault for all', () => {
    const chosen = chooseDrills(settings, ['all']);
    assert.ok(chosen.ok);
    assert.equal(chosen.value.length, drillsOf(settings).length);
  });
});
