import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { initialState } from '../../src/core/director.ts';
import { metricDocs, type MetricsSample } from '../../src/observe/metric-docs.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { createTally } from '../../src/observe/tally.ts';
import { play, settings, silenceStory, snapshotOf } from './samples.ts';

describe('metrics', () => {
  it('shows what the pulse last said, as counters and state sets', async () => {
    const lines = (await createMetrics().render(sample())).split('\n');
    for (const line of [
      'vipair_role{role="active"} 1',
      'vipair_role{role="backup"} 0',
      'vipair_term 5',
      'vipair_transitions_total{from="backup",to="active"} 1',
      'vipair_transitions_total{from="active",to="backup"} 0',
      'vipair_heartbeats_lost_total{link="private"} 2',
      'vipair_heartbeats_refused_total{reason="bad-authentication"} 3',
      'vipair_notes_dropped_total 1',
      'vipair_notes_refused_total{reason="unproven"} 2',
      'vipair_link_round_trip_seconds{link="public"} 0.000125',
      'vipair_floating_address_held{address="192.0.2.10",interface="eth0"} 0',
      'vipair_claims_total{outcome="succeeded"} 2',
      'vipair_takeover_duration_seconds_bucket{le="0.001"} 1',
      'vipair_takeover_duration_seconds_bucket{le="+Inf"} 2',
      'vipair_takeover_duration_seconds_sum 0.0065',
      'vipair_takeover_duration_seconds_count 2',
      'vipair_gate_mode{mode="nftables"} 1',
      'vipair_gate_mode{mode="off"} 0',
      'vipair_gate_reinstalled_total 2',
      'vipair_lease_renewals_late_total 1',
      'vipair_interface_carrier{interface="eth1"} 1',
      'vipair_contested 0',
      'vipair_contests_total 0',
      'vipair_foreign_claims_total 0',
      'vipair_pulse_up 1',
      'vipair_build_info{version="1.2.3",node_version="v20.0.0"} 1',
    ]) {
      assert.ok(lines.includes(line), line);
    }
  });

  it('shows a path as each director sees it, and the peer’s only while it is heard', async () => {
    const path = { interfaceName: '', address: '', source: 'reported', isRequired: true, score: 0 } as const;
    const paths = [
      { ...path, name: 'disk' },
      { ...path, name: 'cpu' },
    ];
    const started = play(silenceStory.slice(0, 4)).at(-1)?.after ?? initialState(settings);
    assert.ok(started.peer !== undefined);
    const state = {
      ...started,
      peer: {
        ...started.peer,
        advertisement: { ...started.peer.advertisement, pathsOk: [false, true, true, true] },
      },
      paths: [
        { answeredAtMs: 1, isUp: true },
        { answeredAtMs: undefined, isUp: undefined },
      ],
    };
    const shown = async (atMs: number) => {
      const text = await createMetrics().render({
        ...sample(),
        settings: { ...settings, paths },
        snapshot: snapshotOf(state, { atMs }),
      });
      return text.split('\n').filter((line) => line.startsWith('vipair_path_up'));
    };
    assert.deepEqual(await shown(120), [
      'vipair_path_up{path="disk"} 1',
      'vipair_path_up_at_peer{path="disk"} 0',
      'vipair_path_up_at_peer{path="cpu"} 1',
    ]);
    assert.deepEqual(await shown(1000), ['vipair_path_up{path="disk"} 1']);
  });

  it('shows the same again when nothing changed', async () => {
    const metrics = createMetrics();
    assert.equal(await metrics.render(sample()), await metrics.render(sample()));
  });

  it('leaves out what is not known instead of making up a 0', async () => {
    const text = await createMetrics().render({ ...sample(), snapshot: undefined, isPulseUp: false });
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    assert.deepEqual(
      samples.filter((line) => !line.startsWith('vipair_transitions_total')),
      [
        'vipair_pulse_up 0',
        'vipair_journal_failures_total 0',
        'vipair_event_loop_lag_seconds 0.01',
        'vipair_build_info{version="1.2.3",node_version="v20.0.0"} 1',
      ],
    );
  });

  it('lets a series go with what it was about', async () => {
    const metrics = createMetrics();
    await metrics.render(sample());
    const text = await metrics.render({ ...sample(), snapshot: { ...snapshot(), links: [] } });
    assert.doesNotMatch(text, /link="public"/);
  });

  it('has one series of a state set at 1, whatever the state', async () => {
    const text = await createMetrics().render(sample());
    for (const { name } of metricDocs.filter(({ labels }) => labels.length === 1 && labels[0] === 'role')) {
      const ones = text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.endsWith(' 1'));
      assert.equal(ones.length, 1, name);
    }
  });

  it('satisfies promtool', async function () {
    const text = await createMetrics().render(sample());
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    if (checked.error !== undefined) {
      console.log('      promtool is not installed: apt-get install prometheus');
      this.skip();
    }
    assert.deepEqual(
      { status: checked.status, out: checked.stdout + checked.stderr },
      { status: 0, out: '' },
    );
  });
});

function snapshot() {
  return snapshotOf(play(silenceStory).at(-1)?.after ?? initialState(settings));
}

function sample(): MetricsSample {
  const tally = createTally();
  for (const record of play(silenceStory)) {
    tally.count(record);
  }
  return {
    settings,
    version: '1.2.3',
    nodeVersion: 'v20.0.0',
    snapshot: snapshot(),
    isPulseUp: true,
    transitions: tally.transitions(),
    eventLoopLagSeconds: 0.01,
    journalFailures: 0,
  };
}
