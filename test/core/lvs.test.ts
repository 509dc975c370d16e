import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Drain } from '../../src/core/drains.ts';
import {
  initialLvsState,
  type LvsEffect,
  type LvsEvent,
  type LvsMemory,
  type LvsSettings,
  type LvsState,
  nextLvsDeadlineMs,
  noMemory,
  stepLvs,
} from '../../src/core/lvs.ts';
import { type Policy } from '../../src/core/pool.ts';
import { applyChanges, type TableChange } from '../../src/core/table-change.ts';
import { endpoint, type RealServer, serverId, serviceKey, type Table } from '../../src/core/table.ts';
import { USUAL_TIMING } from '../../src/core/check.ts';

const at = { kind: 'address', protocol: 'tcp', address: '192.0.2.10', port: 80 } as const;
const key = serviceKey(at);

function server(host: number, weight = 1): RealServer {
  return {
    address: `10.99.0.${host}`,
    port: 80,
    forwarding: { method: 'masquerading' },
    weight,
    upperThreshold: 0,
    lowerThreshold: 0,
  };
}

function tableOf(...servers: readonly RealServer[]): Table {
  return [{ at, scheduler: 'wlc', schedulerFlags: [], persistence: undefined, isOnePacket: false, servers }];
}

const policy: Policy = {
  name: undefined,
  check: { kind: 'none', ...USUAL_TIMING },
  onFailure: 'quiesce',
  quorum: 1,
  hysteresis: 0,
  sorry: undefined,
};

function settingsOf(
  over: Partial<Policy> = {},
  mode: LvsSettings['mode'] = 'adopt',
  table: Table = [],
): LvsSettings {
  const own = { ...policy, ...over };
  return { mode, table, policies: { services: [], stream: own, datagram: own, mark: own } };
}

const idOf = (host: number) => serverId(at, server(host));
const down = (host: number) => ({ id: idOf(host), isUp: false });
const up = (host: number) => ({ id: idOf(host), isUp: true });

function drain(serverName: string, over: Partial<Drain> = {}): Drain {
  return { server: serverName, service: undefined, isOn: true, stamp: 1, by: 'a', wallMs: 0, ...over };
}

/** A director with a kernel and a disk; whatever it wants done is done at once, unless something is broken. */
class Scene {
  kernel: Table;
  disk: LvsMemory = noMemory;
  state: LvsState = initialLvsState;
  settings: LvsSettings;
  atMs = 0;
  /** How many changes of the next batch take effect before it fails; undefined: all, and it does not. */
  breaksAfter: number | undefined;
  readonly done: string[] = [];
  /** Services that are otherwise than they were. */
  readonly turned: string[] = [];
  /** What the pulse was told last, over all lives. */
  readonly told = new Map<string, boolean>();
  isBroken = false;

  constructor(kernel: Table, settings = settingsOf()) {
    this.kernel = kernel;
    this.settings = settings;
    this.start();
  }

  start(): void {
    this.state = initialLvsState;
    this.take({ kind: 'started', atMs: this.atMs, memory: this.disk });
  }

  take(event: LvsEvent): void {
    const [state, effects] = stepLvs(this.state, event, this.settings);
    this.state = state;
    for (const effect of effects) {
      this.carryOut(effect);
    }
  }

  /** Time goes on until the director has nothing to do but to look again. */
  wait(times = 2): void {
    for (let count = 0; count < times; count += 1) {
      this.atMs = nextLvsDeadlineMs(this.state) ?? this.atMs;
      this.take({ kind: 'deadline', atMs: this.atMs });
    }
  }

  find(...findings: readonly { id: string; isUp: boolean }[]): void {
    this.take({ kind: 'found', atMs: this.atMs, findings });
  }

  tell(...drains: readonly Drain[]): void {
    this.take({ kind: 'drains-told', atMs: this.atMs, drains });
  }

  /** The operator at the shell. */
  ipvsadm(...changes: readonly TableChange[]): void {
    this.kernel = applyChanges(this.kernel, changes);
  }

  weights(): Record<string, number> {
    return Object.fromEntries(
      this.kernel.flatMap(({ servers }) => servers.map(({ address, weight }) => [address.slice(8), weight])),
    );
  }

  private carryOut(effect: LvsEffect): void {
    const { atMs } = this;
    switch (effect.kind) {
      case 'read':
        this.take({ kind: 'table-read', atMs, table: this.kernel });
        return;
      case 'remember':
        this.done.push('remember');
        this.disk = structuredClone(effect.memory);
        return;
      case 'change': {
        this.done.push(`change ${effect.changes.length}`);
        const breaksAfter = this.isBroken ? 0 : this.breaksAfter;
        this.breaksAfter = undefined;
        this.kernel = applyChanges(this.kernel, effect.changes.slice(0, breaksAfter));
        this.take(
          breaksAfter === undefined
            ? { kind: 'table-changed', atMs }
            : { kind: 'table-failed', atMs, reason: 'failed', detail: 'broken' },
        );
        return;
      }
      case 'check':
        this.done.push(`check ${effect.base.flatMap(({ servers }) => servers).length}`);
        return;
      case 'quorum':
        this.told.set(effect.service, effect.isUp);
        if (effect.isNews) {
          this.turned.push(`${effect.service} ${effect.isUp ? 'up' : 'down'}`);
        }
        return;
    }
  }
}

const weigh = (host: number, weight: number): TableChange => ({
  kind: 'edit-server',
  at,
  server: server(host, weight),
});

describe('an adopted table', () => {
  it('is left alone while all is well', () => {
    const scene = new Scene(tableOf(server(1, 3), server(2, 1)));
    scene.wait(5);
    assert.deepEqual(scene.done, ['check 2']);
  });

  it('has a failed real server quiesced, and put back as it was', () => {
    const scene = new Scene(tableOf(server(1, 3), server(2, 1)));
    scene.find(down(1));
    assert.deepEqual(scene.weights(), { 1: 0, 2: 1 });
    scene.find(up(1));
    assert.deepEqual(scene.weights(), { 1: 3, 2: 1 });
  });

  it('or removed, where that is asked for, and put back with all that it had', () => {
    const proud = { ...server(1, 3), upperThreshold: 100, lowerThreshold: 50 };
    const scene = new Scene(tableOf(proud, server(2)), settingsOf({ onFailure: 'remove' }));
    scene.find(down(1));
    assert.deepEqual(scene.weights(), { 2: 1 });
    scene.wait();
    scene.find(up(1));
    assert.deepEqual(scene.kernel[0]?.servers, [server(2), proud]);
  });

  it('is remembered before it is changed', () => {
    const scene = new Scene(tableOf(server(1, 3)));
    scene.done.length = 0;
    const kept = { service: key, server: endpoint(server(1)), base: server(1, 3) };
    scene.breaksAfter = 0;
    scene.find(down(1));
    assert.deepEqual(scene.done, ['remember', 'change 1']);
    assert.deepEqual(scene.disk.kept, [{ ...kept, left: [3, 0] }]);
    scene.wait();
    assert.deepEqual(scene.disk.kept, [{ ...kept, left: [0] }]);
    scene.find(up(1));
    assert.deepEqual(scene.disk, noMemory);
  });

  it('is known again by a director that starts anew', () => {
    const scene = new Scene(tableOf(server(1, 3), server(2, 5)), settingsOf({ onFailure: 'remove' }));
    scene.find(down(1));
    scene.settings = settingsOf();
    scene.find(down(2));
    assert.deepEqual(scene.weights(), { 1: 0, 2: 0 });
    scene.start();
    assert.deepEqual(scene.weights(), { 1: 0, 2: 0 }, 'failed until found well');
    scene.find(up(1), up(2));
    assert.deepEqual(scene.weights(), { 1: 3, 2: 5 });
  });

  it('has what an operator set by hand over a failure, also in the next life', () => {
    const scene = new Scene(tableOf(server(1), server(2)));
    scene.find(down(1), down(2));
    scene.ipvsadm(weigh(1, 1), weigh(2, 1));
    scene.wait();
    scene.start();
    scene.wait();
    assert.deepEqual(scene.weights(), { 1: 1, 2: 1 });
    scene.find(up(1));
    scene.find(down(1));
    assert.deepEqual(scene.weights(), { 1: 0, 2: 1 }, 'until something new is found');
  });

  it('is known again after a life that only observed, or that owned it', () => {
    for (const between of [
      settingsOf({}, 'observe'),
      settingsOf({}, 'own', tableOf(server(1, 3), server(2))),
    ]) {
      const scene = new Scene(tableOf(server(1, 3), server(2)));
      scene.find(down(1));
      const { settings } = scene;
      scene.settings = between;
      scene.start();
      scene.wait();
      scene.settings = settings;
      scene.start();
      scene.find(up(1));
      assert.deepEqual(scene.weights(), { 1: 3, 2: 1 }, between.mode);
    }
  });

  it('is tried more and more seldom where a change is refused again and again, as one problem', () => {
    const scene = new Scene(tableOf(server(1), server(2)));
    scene.isBroken = true;
    scene.find(down(1));
    const gaps: number[] = [];
    for (let count = 0; count < 8; count += 1) {
      const { atMs } = scene;
      scene.wait(1);
      gaps.push(scene.atMs - atMs);
      assert.equal(scene.state.problem?.sinceMs, 0);
    }
    assert.deepEqual(gaps, [1000, 2000, 4000, 8000, 16_000, 32_000, 32_000, 32_000]);
    assert.equal(scene.state.counts.changes, 0);
    scene.isBroken = false;
    scene.wait(1);
    assert.deepEqual([scene.state.problem, scene.state.counts.changes], [undefined, 1]);
  });

  it('is the operator’s: what is changed by hand stands', () => {
    const scene = new Scene(tableOf(server(1, 3), server(2)));
    scene.ipvsadm(weigh(1, 7), { kind: 'remove-server', at, server: server(2) });
    scene.wait();
    assert.deepEqual(scene.weights(), { 1: 7 });
    scene.find(down(1));
    scene.find(up(1));
    assert.deepEqual(scene.weights(), { 1: 7 });
    assert.equal(scene.state.counts.drifts, 1);
  });

  it('so that a quiesced real server that is given a weight keeps it until it is found well or failed again', () => {
    const scene = new Scene(tableOf(server(1, 3), server(2)));
    scene.find(down(1));
    scene.ipvsadm(weigh(1, 5));
    scene.wait();
    assert.deepEqual(scene.weights(), { 1: 5, 2: 1 });
    scene.find(up(1));
    assert.deepEqual(scene.weights(), { 1: 5, 2: 1 });
    scene.find(down(1));
    assert.deepEqual(scene.weights(), { 1: 0, 2: 1 });
  });

  it('but one that was given a weight just before it failed is quiesced', () => {
    const scene = new Scene(tableOf(server(1, 3), server(2)));
    scene.ipvsadm(weigh(1, 7));
    scene.find(down(1));
    assert.deepEqual(scene.weights(), { 1: 0, 2: 1 });
    scene.find(up(1));
    assert.deepEqual(scene.weights(), { 1: 7, 2: 1 });
  });

  it('and one that was quiesced by hand stays so when it returns', () => {
    const scene = new Scene(tableOf(server(1, 3), server(2)));
    scene.ipvsadm(weigh(1, 0));
    scene.wait();
    scene.find(down(1));
    scene.find(up(1));
    assert.deepEqual(scene.weights(), { 1: 0, 2: 1 });
  });

  it('is not mistaken after a change that broke half way', () => {
    const scene = new Scene(tableOf(server(1, 3), server(2, 4)));
    scene.breaksAfter = 1;
    scene.find(down(1), down(2));
    assert.deepEqual(scene.weights(), { 1: 0, 2: 4 });
    assert.equal(scene.state.problem?.detail, 'broken');
    scene.wait();
    assert.deepEqual(scene.weights(), { 1: 0, 2: 0 });
    assert.equal(scene.state.problem, undefined);
    scene.find(up(1), up(2));
    assert.deepEqual(scene.weights(), { 1: 3, 2: 4 });
    assert.equal(scene.state.counts.drifts, 0);
  });

  it('comes to the operator’s table whenever all is well, whatever happened', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('find' as const),
        host: fc.integer({ min: 1, max: 3 }),
        isUp: fc.boolean(),
      }),
      fc.record({
        kind: fc.constant('hand' as const),
        host: fc.integer({ min: 1, max: 3 }),
        weight: fc.integer({ min: 1, max: 9 }),
      }),
      fc.record({ kind: fc.constant('break' as const), after: fc.integer({ min: 0, max: 2 }) }),
      fc.record({ kind: fc.constant('wait' as const) }),
      fc.record({ kind: fc.constant('restart' as const) }),
      fc.record({
        kind: fc.constant('drain' as const),
        host: fc.integer({ min: 1, max: 3 }),
        isOn: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), fc.boolean(), (steps, removes) => {
        const scene = new Scene(
          tableOf(server(1, 3), server(2, 4), server(3, 5)),
          settingsOf({ onFailure: removes ? 'remove' : 'quiesce' }),
        );
        const meant = new Map([1, 2, 3].map((host) => [host, host + 2]));
        let stamp = 1;
        for (const happening of steps) {
          switch (happening.kind) {
            case 'find':
              scene.find({ id: idOf(happening.host), isUp: happening.isUp });
              break;
            case 'hand':
              // The shell, too, can only change what is there.
              scene.wait(1);
              if (String(happening.host) in scene.weights()) {
                meant.set(happening.host, happening.weight);
                scene.ipvsadm(weigh(happening.host, happening.weight));
                scene.wait();
              }
              break;
            case 'break':
              scene.breaksAfter = happening.after;
              break;
            case 'wait':
              scene.wait();
              break;
            case 'restart':
              scene.start();
              break;
            case 'drain':
              stamp += 1;
              scene.tell(drain(`10.99.0.${happening.host}`, { isOn: happening.isOn, stamp }));
              break;
          }
        }
        scene.breaksAfter = undefined;
        scene.find(up(1), up(2), up(3));
        scene.tell(...[1, 2, 3].map((host) => drain(`10.99.0.${host}`, { isOn: false, stamp: stamp + 1 })));
        scene.wait(3);
        assert.deepEqual(scene.weights(), Object.fromEntries(meant));
      }),
      { numRuns: 500 },
    );
  });
});

describe('a drained real server', () => {
  it('takes no new connections until it may again, on all its ports or on one', () => {
    const scene = new Scene(tableOf(server(1, 3), server(2)));
    scene.tell(drain('10.99.0.1'), drain('10.99.0.2:81'));
    assert.deepEqual(scene.weights(), { 1: 0, 2: 1 });
    scene.tell(drain('10.99.0.1', { isOn: false, stamp: 2 }));
    assert.deepEqual(scene.weights(), { 1: 3, 2: 1 });
  });

  it('stays drained when it fails and returns, and when the director starts anew', () => {
    const scene = new Scene(tableOf(server(1, 3), server(2)));
    scene.tell(drain('10.99.0.1:80', { service: key }));
    scene.find(down(1));
    scene.find(up(1));
    scene.start();
    assert.deepEqual(scene.weights(), { 1: 0, 2: 1 });
  });

  it('is what the later word says, in whatever order both directors hear it', () => {
    const words = [drain('10.99.0.1', { stamp: 5 }), drain('10.99.0.1', { stamp: 6, isOn: false })];
    for (const order of [words, words.toReversed()]) {
      const scene = new Scene(tableOf(server(1, 3)));
      order.forEach((word) => {
        scene.tell(word);
      });
      assert.deepEqual(scene.weights(), { 1: 3 });
    }
  });

  it('may be excepted from a drain of its address', () => {
    const scene = new Scene(tableOf(server(1, 3)));
    scene.tell(drain('10.99.0.1'), drain('10.99.0.1:80', { isOn: false }));
    assert.deepEqual(scene.weights(), { 1: 3 });
  });
});

describe('a virtual service', () => {
  const sorry = server(9);

  it('is down below its quorum, and up again when it is passed by the hysteresis', () => {
    const scene = new Scene(
      tableOf(server(1), server(2), server(3), server(4)),
      settingsOf({ quorum: 3, hysteresis: 1 }),
    );
    scene.find(down(1), down(2));
    assert.deepEqual(scene.turned, [], 'one less is borne');
    scene.find(down(3));
    scene.find(up(1), up(2));
    assert.deepEqual(scene.turned, [`${key} down`], 'three are not enough to return');
    scene.find(up(3));
    assert.deepEqual(scene.turned, [`${key} down`, `${key} up`]);
  });

  it('is told anew when it comes back, and in every life, for who was told outlives both', () => {
    const kernel = tableOf(server(1));
    const scene = new Scene(kernel);
    scene.find(down(1));
    assert.equal(scene.told.get(key), false);
    scene.kernel = [];
    scene.wait();
    scene.kernel = kernel;
    scene.wait();
    assert.equal(scene.told.get(key), true);
    scene.find(down(1));
    assert.equal(scene.told.get(key), false);
    scene.disk = noMemory;
    scene.kernel = kernel;
    scene.start();
    assert.equal(scene.told.get(key), true);
  });

  it('may have its sorry server in the table, as a spare that counts for nothing', () => {
    for (const spare of [0, 1]) {
      const scene = new Scene(tableOf(server(1), server(9, spare)), settingsOf({ sorry }));
      scene.find(down(1));
      assert.deepEqual(scene.weights(), { 1: 0, 9: 1 });
      scene.start();
      scene.find(up(1));
      assert.deepEqual(scene.weights(), { 1: 1, 9: spare });
    }
  });

  it('has a sorry server while it is down, and only then', () => {
    const scene = new Scene(tableOf(server(1), server(2)), settingsOf({ sorry }));
    scene.find(down(1));
    assert.deepEqual(scene.weights(), { 1: 0, 2: 1 });
    scene.find(down(2));
    assert.deepEqual(scene.weights(), { 1: 0, 2: 0, 9: 1 });
    scene.find(up(2));
    assert.deepEqual(scene.weights(), { 1: 0, 2: 1 });
  });

  it('which a director that starts anew does not take for the operator’s', () => {
    const scene = new Scene(tableOf(server(1)), settingsOf({ sorry }));
    scene.find(down(1));
    scene.start();
    assert.deepEqual(scene.weights(), { 1: 0, 9: 1 });
    scene.find(up(1));
    assert.deepEqual(scene.weights(), { 1: 1 });
  });
});

describe('an observed table', () => {
  it('is checked and never changed', () => {
    const scene = new Scene(tableOf(server(1)), settingsOf({}, 'observe'));
    scene.find(down(1));
    scene.tell(drain('10.99.0.1'));
    assert.deepEqual(scene.weights(), { 1: 1 });
    assert.deepEqual(
      scene.done.filter((what) => what.startsWith('change')),
      [],
    );
  });
});

describe('an owned table', () => {
  const own = settingsOf({}, 'own', tableOf(server(1, 3), server(2)));

  it('is what the configuration says, whatever was there', () => {
    const scene = new Scene(tableOf(server(7)), own);
    assert.deepEqual(scene.kernel, own.table);
  });

  it('is mended, and that it had to be is counted', () => {
    const scene = new Scene([], own);
    assert.equal(scene.state.counts.drifts, 0);
    scene.ipvsadm(weigh(1, 9), { kind: 'remove-server', at, server: server(2) });
    scene.wait();
    assert.deepEqual(scene.weights(), { 1: 3, 2: 1 });
    assert.equal(scene.state.counts.drifts, 2);
  });

  it('has what failed quiesced, and what was changed while it failed mended', () => {
    const scene = new Scene([], own);
    scene.find(down(1));
    scene.ipvsadm(weigh(1, 9));
    scene.wait();
    assert.deepEqual(scene.weights(), { 1: 0, 2: 1 });
  });
});
