import assert from 'node:assert/strict';
import { initialState, step } from '../../src/core/director.ts';
import { explain } from '../../src/core/explain.ts';
import { type DirectorEvent, type DirectorState, type PathSetting } from '../../src/core/state.ts';
import { scoredPriority, tracksOf } from '../../src/core/tracks.ts';
import { type NodeName } from '../../src/simulation/network.ts';
import { pairSettings } from '../../src/simulation/settings.ts';
import { createWorld, type World } from '../../src/simulation/world.ts';

const script: PathSetting = {
  name: 'disk',
  interfaceName: '',
  address: '',
  source: 'reported',
  isRequired: true,
  score: 0,
};
const far: PathSetting = {
  name: 'far',
  interfaceName: 'eth0',
  address: '198.51.100.1',
  source: 'reported',
  peerLagMs: 3000,
  isRequired: true,
  score: 0,
};
const upstream: PathSetting = { ...far, name: 'upstream', address: '192.0.2.1', source: 'wire' };

/** Both run, `a` is active, all is well. */
function settledPair(paths: readonly PathSetting[]): World {
  const world = createWorld({ seed: 1, settings: pairSettings({ paths }) });
  world.start('a');
  world.start('b');
  world.runUntil(4000);
  assert.equal(ownerOf(world), 'a');
  return world;
}

function ownerOf(world: World): NodeName | undefined {
  const owners = (['a', 'b'] as const).filter((name) => world.serves(name));
  return owners.length === 1 ? owners[0] : undefined;
}

function after(world: World, ms: number): NodeName | undefined {
  world.runUntil(world.nowMs() + ms);
  return ownerOf(world);
}

describe('a path that is reported', () => {
  it('hands the office to the peer when it is lost here and works there', () => {
    const world = settledPair([upstream, script]);
    world.report('a', 1, true);
    world.report('b', 1, true);
    world.report('a', 1, false);
    assert.equal(after(world, 500), 'b');
  });

  it('moves nothing when both have lost it, even if one finds out later', () => {
    const world = settledPair([far]);
    world.report('a', 0, false);
    assert.equal(after(world, 2900), 'a');
    world.report('b', 0, false);
    assert.equal(after(world, 10_000), 'a');
  });

  it('moves the office when the peer has had its time to find out and did not', () => {
    const world = settledPair([far]);
    world.report('a', 0, false);
    assert.equal(after(world, 3500), 'b');
  });

  it('counts as well until it is reported, and stays as it was reported last', () => {
    const world = settledPair([script]);
    assert.equal(world.state('b')?.paths[0]?.isUp, undefined);
    world.report('b', 0, false);
    // The reporter has died: nobody says anything, for an hour of heartbeats and ticks.
    assert.equal(after(world, 60_000), 'a');
    assert.equal(world.state('b')?.paths[0]?.isUp, false);
    world.report('a', 0, false);
    assert.equal(after(world, 5000), 'a');
    world.report('b', 0, true);
    assert.equal(after(world, 500), 'b');
  });

  it('takes its score from the priority', () => {
    const world = settledPair([{ ...script, isRequired: false, score: 60 }]);
    world.report('a', 0, false);
    assert.equal(after(world, 500), 'b');
    const small = settledPair([{ ...script, isRequired: false, score: 50 }]);
    small.report('a', 0, false);
    assert.equal(after(small, 5000), 'a');
  });

  it('is never asked for on the wire, and proves nothing about the own cable', () => {
    const asked = new Set<string>();
    const settings = pairSettings({ paths: [far, script] });
    const world = createWorld({ seed: 1, settings });
    world.onStep(({ effects }) => {
      for (const effect of effects) {
        for (const { address } of effect.kind === 'probe' ? effect.targets : []) {
          asked.add(address);
        }
      }
    });
    world.start('a');
    world.start('b');
    world.report('b', 0, false);
    world.runUntil(4000);
    world.stopPower('a');
    world.runUntil(8000);
    // No path of the wire: the backup claims by silence although what was reported is down.
    assert.equal(ownerOf(world), 'b');
    assert.deepEqual(
      [far.address, script.address].filter((address) => asked.has(address)),
      [],
    );
  });

  it('is told by nobody but its reporter: not by frames, ticks or a lost carrier', () => {
    const settings = pairSettings({ paths: [far] }).a;
    const events: DirectorEvent[] = [
      { kind: 'started', atMs: 0, isMaintenance: false },
      { kind: 'path-reported', atMs: 10, index: 0, isUp: true },
      { kind: 'carrier', atMs: 20, interfaceName: 'eth0', isUp: false },
      ...[50, 100, 150, 200, 250, 300].map((atMs) => ({ kind: 'deadline', atMs }) as const),
    ];
    const state = play(events, settings);
    assert.deepEqual(state.paths, [{ answeredAtMs: 10, isUp: true }]);
    const down = step(state, { kind: 'path-reported', atMs: 310, index: 0, isUp: false }, settings)[0];
    const heard = { kind: 'answer-heard', atMs: 320, ...far, mac: '02:00:00:00:00:09' } as const;
    assert.deepEqual(step(down, heard, settings)[0].paths, [{ answeredAtMs: 310, isUp: false }]);
  });

  it('and a report on a path of the wire, or on none, changes nothing', () => {
    const settings = pairSettings({ paths: [upstream] }).a;
    const state = play([{ kind: 'started', atMs: 0, isMaintenance: false }], settings);
    for (const index of [0, 1, -1]) {
      const [next, effects] = step(state, { kind: 'path-reported', atMs: 1, index, isUp: false }, settings);
      assert.deepEqual([next, effects], [state, []]);
    }
  });

  it('is explained by its name: a path does not answer, a script fails', () => {
    const settings = pairSettings({ paths: [far, script] }).a;
    const before = play([{ kind: 'started', atMs: 0, isMaintenance: false }], settings);
    const sentences = ([0, 1] as const).flatMap((index) =>
      [false, true].map((isUp) => {
        const event = { kind: 'path-reported', atMs: 1, index, isUp } as const;
        const [changed, effects] = step(before, event, settings);
        return explain({ number: 1, wallMs: 0, event, before, after: changed, effects }, settings);
      }),
    );
    assert.deepEqual(sentences, [
      'Path far is down: 198.51.100.1 does not answer.',
      'Path far is up.',
      'Script disk fails.',
      'Script disk succeeds.',
    ]);
  });
});

describe('tracks', () => {
  it('stand in an order that both directors share: paths and scripts, then floating interfaces', () => {
    const { a } = pairSettings({ paths: [upstream, script] });
    const state = initialState(a);
    assert.deepEqual(
      tracksOf(state, a).map(({ name, isOk }) => [name, isOk]),
      [
        ['upstream', true],
        ['disk', true],
        ['eth0', true],
        ['eth1', true],
      ],
    );
  });

  it('take what they cost from the priority, and never all of it', () => {
    const { a } = pairSettings({ paths: [{ ...script, isRequired: false, score: 200 }] });
    const state = { ...initialState(a), paths: [{ answeredAtMs: 1, isUp: false }] };
    assert.equal(scoredPriority(state, a), 1);
  });
});

function play(
  events: readonly DirectorEvent[],
  settings: ReturnType<typeof pairSettings>['a'],
): DirectorState {
  return events.reduce((state, event) => step(state, event, settings)[0], initialState(settings));
}
