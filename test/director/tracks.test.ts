import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ReportedTrack } from '../../src/config/settings.ts';
import { type Finding, findOut, type Tracks, watchTracks } from '../../src/director/tracks.ts';
import { eventually } from '../lab/eventually.ts';

const base = { intervalMs: 10, timeoutMs: 1000, rise: 2, fall: 2 };

function script(name: string, overrides: Partial<typeof base> = {}): ReportedTrack {
  return { kind: 'script', name, command: ['/bin/true'], ...base, ...overrides };
}

/** Watches with findings that are handed out one by one; the last one stands. */
function watch(tracks: readonly ReportedTrack[], findings: Readonly<Record<string, readonly Finding[]>>) {
  const told: string[] = [];
  const looks = new Map<string, number>();
  const running = new Map<string, number>();
  let most = 0;
  const watched = watchTracks({
    tracks,
    async find({ name }) {
      const now = (running.get(name) ?? 0) + 1;
      running.set(name, now);
      most = Math.max(most, now);
      const look = looks.get(name) ?? 0;
      looks.set(name, look + 1);
      await Promise.resolve();
      running.set(name, now - 1);
      const given = findings[name] ?? [];
      return given[Math.min(look, given.length - 1)] ?? { isOk: true, detail: '' };
    },
    onVerdict: ({ name }, isUp, detail) => told.push(`${name} ${isUp ? 'up' : 'down'} ${detail}`.trim()),
    onUnable: ({ name }, detail) => told.push(`${name} ${detail ?? 'able'}`),
  });
  return { watched, told, looks, most: () => most };
}

const complaintOf = (watched: Tracks) => [...watched.complaints().values()][0];

const good = { isOk: true, detail: '' };
const bad = { isOk: false, detail: 'no space' };
const unable = { isOk: undefined, detail: 'no tool' };

describe('tracks', () => {
  it('report the first verdict and each that differs, after as many results as were asked for', async () => {
    const { watched, told, looks } = watch([script('disk'), script('quick', { fall: 1 })], {
      disk: [bad, good, good, bad, good, bad, bad, bad, good, good],
      quick: [bad, bad, good, good],
    });
    await eventually('all was looked at', () => ((looks.get('disk') ?? 0) > 12 ? true : undefined));
    watched[Symbol.dispose]();
    assert.deepEqual(
      told.filter((line) => line.startsWith('disk')),
      ['disk up', 'disk down no space', 'disk up'],
    );
    assert.deepEqual(
      told.filter((line) => line.startsWith('quick')),
      ['quick down no space', 'quick up'],
    );
  });

  it('complain of what is down now, and forget it when it works again', async () => {
    const { watched, looks } = watch([script('disk')], { disk: [bad, bad, bad, good, good, good] });
    await eventually('it failed', () => complaintOf(watched));
    assert.deepEqual([...watched.complaints()], [['disk', 'no space']]);
    await eventually('it works', () => ((looks.get('disk') ?? 0) > 5 ? true : undefined));
    assert.deepEqual([...watched.complaints()], []);
    watched[Symbol.dispose]();
  });

  it('say nothing of a track that cannot be looked at, and complain once', async () => {
    const path: ReportedTrack = {
      kind: 'icmp',
      name: 'far',
      interfaceName: 'eth0',
      target: '192.0.2.1',
      ...base,
    };
    const { watched, told, looks } = watch([path], { far: [good, good, unable, unable, unable, bad, bad] });
    await eventually('it was unable', () => complaintOf(watched));
    assert.deepEqual([...watched.complaints()], [['far', 'cannot be looked at: no tool']]);
    await eventually('it is down', () => ((looks.get('far') ?? 0) > 8 ? true : undefined));
    watched[Symbol.dispose]();
    assert.deepEqual(told, ['far up', 'far no tool', 'far able', 'far down no space']);
  });

  it('are never looked at twice at the same time, and not at all once it is over', async () => {
    let running = 0;
    let most = 0;
    let looks = 0;
    const watched = watchTracks({
      tracks: [script('slow', { intervalMs: 1 })],
      async find(_, signal) {
        running += 1;
        looks += 1;
        most = Math.max(most, running);
        await findOut(
          { ...script('slow'), kind: 'script', command: ['/bin/sleep', '0.05'] },
          { pair: 'p', node: 'n', role: 'backup' },
          signal,
        );
        running -= 1;
        return good;
      },
      onVerdict: () => undefined,
      onUnable: () => undefined,
    });
    await eventually('it was looked at often', () => (looks > 4 ? true : undefined));
    watched[Symbol.dispose]();
    await eventually('the last look ended', () => (running === 0 ? true : undefined));
    assert.equal(most, 1);
    assert.ok(looks <= 6);
  });

  describe('found out by a script', () => {
    let directory = '';
    before(() => {
      directory = mkdtempSync(join(tmpdir(), 'vp-tracks-'));
    });
    after(() => {
      rmSync(directory, { recursive: true, force: true });
    });

    it('tell it the pair, the node and the role, and hear its complaint', async () => {
      const file = join(directory, 'check');
      writeFileSync(file, '#!/bin/sh\necho "$VIPAIR_PAIR $VIPAIR_NODE $VIPAIR_ROLE $#"; exit 2\n');
      chmodSync(file, 0o755);
      const track = { ...script('check'), kind: 'script', command: [file, 'a b'] } as const;
      assert.deepEqual(
        await findOut(track, { pair: 'edge', node: 'lvs1', role: 'active' }, new AbortController().signal),
        { isOk: false, detail: `${file} ended with exit code 2: edge lvs1 active 1` },
      );
    });

    it('count one that cannot be started as failed', async () => {
      const file = join(directory, 'absent');
      const track = { ...script('check'), kind: 'script', command: [file] } as const;
      const context = { pair: 'edge', node: 'lvs1', role: 'active' };
      assert.deepEqual(await findOut(track, context, new AbortController().signal), {
        isOk: false,
        detail: `${file} does not exist, or its interpreter does not`,
      });
    });
  });
});
