import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type DirectorEvent } from '../../src/core/state.ts';
import { createDriver, type DriverPorts } from '../../src/pulse/driver.ts';
import { pairSettings } from '../../src/simulation/settings.ts';

const settings = pairSettings({ canProbe: false }).a;

function ports(overrides: Partial<DriverPorts>): DriverPorts {
  return {
    nowMs: () => performance.now(),
    perform: () => undefined,
    onStep: () => undefined,
    onIdle: () => undefined,
    look: () => undefined,
    onLate: () => undefined,
    ...overrides,
  };
}

describe('driver', () => {
  it('lets an event wait that is raised while another is carried out', () => {
    const seen: string[] = [];
    using driver = createDriver(
      settings,
      ports({
        perform: (effect) => {
          if (effect.kind === 'release') {
            driver.dispatch({ kind: 'stop', atMs: 1 });
            seen.push('release was carried out');
          }
        },
        onStep: ({ event }) => seen.push(event.kind),
        onIdle: () => seen.push('idle'),
      }),
    );
    driver.dispatch({ kind: 'started', atMs: 0, isMaintenance: false });
    // The stop came in the middle of the start, and releases in its own turn; asked for again, it does nothing.
    // All is done before any of it is told.
    assert.deepEqual(seen, [
      'release was carried out',
      'release was carried out',
      'started',
      'stop',
      'stop',
      'idle',
    ]);
  });

  it('wakes for what is due, and says how late', async () => {
    const lateMs: number[] = [];
    const woken = new Promise<DirectorEvent>((resolve) => {
      const driver = createDriver(
        settings,
        ports({
          onLate: (ms) => lateMs.push(ms),
          onStep: ({ event }) => {
            if (event.kind === 'deadline') {
              driver[Symbol.dispose]();
              resolve(event);
            }
          },
        }),
      );
      driver.dispatch({ kind: 'started', atMs: performance.now(), isMaintenance: false });
    });
    assert.equal((await woken).kind, 'deadline');
    assert.ok((lateMs[0] ?? -1) >= 0);
  });

  it('does nothing where a timer fires early, and wakes again', async () => {
    let slowMs = 0;
    const lateMs: number[] = [];
    const events: string[] = [];
    await new Promise<void>((resolve) => {
      const driver = createDriver(
        settings,
        ports({
          // A clock that has fallen behind that of the timers by the time the first one fires.
          nowMs: () => performance.now() - slowMs,
          onLate: (ms) => lateMs.push(ms),
          onStep: ({ event }) => {
            events.push(event.kind);
            if (event.kind === 'deadline') {
              driver[Symbol.dispose]();
              resolve();
            }
          },
        }),
      );
      driver.dispatch({ kind: 'started', atMs: performance.now(), isMaintenance: false });
      slowMs = 20;
    });
    assert.deepEqual(events, ['started', 'deadline']);
    assert.ok((lateMs[0] ?? -1) >= 0);
  });

  it('looks before every step that something is due for, also when another event comes before its timer', () => {
    let atMs = 0;
    const seen: [string, number][] = [];
    using driver = createDriver(
      settings,
      ports({
        nowMs: () => atMs,
        look: () => {
          atMs += 1;
          driver.dispatch({ kind: 'carrier', atMs, interfaceName: 'eth0', isUp: true });
        },
        onStep: ({ event }) => seen.push([event.kind, event.atMs]),
      }),
    );
    driver.dispatch({ kind: 'started', atMs, isMaintenance: false });
    for (const dueMs of [settings.intervalMs, 2 * settings.intervalMs + 2]) {
      atMs = dueMs;
      driver.dispatch({ kind: 'lease-lost', atMs });
      driver.dispatch({ kind: 'lease-lost', atMs });
    }
    const [first, second] = [settings.intervalMs + 1, 2 * settings.intervalMs + 3];
    assert.deepEqual(seen, [
      ['started', 0],
      ['carrier', first],
      ['lease-lost', first],
      ['lease-lost', first],
      ['carrier', second],
      ['lease-lost', second],
      ['lease-lost', second],
    ]);
  });

  it('reads what waits in its sockets before it believes in a deadline', async () => {
    const order: string[] = [];
    const socket = createSocket('udp4', () => order.push('heartbeat'));
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const finished = new Promise<void>((resolve) => {
      const driver = createDriver(
        settings,
        ports({
          onStep: ({ event }) => {
            if (event.kind === 'deadline') {
              order.push('deadline');
            }
            if (order.includes('deadline') && order.includes('heartbeat')) {
              driver[Symbol.dispose]();
              resolve();
            }
          },
        }),
      );
      driver.dispatch({ kind: 'started', atMs: performance.now(), isMaintenance: false });
    });
    // The first heartbeat was sent at once; the next deadline comes while this thread is held up.
    await new Promise((resolve) => {
      socket.send('heartbeat', socket.address().port, '127.0.0.1', resolve);
    });
    const heldUpUntilMs = performance.now() + 2 * settings.intervalMs;
    while (performance.now() < heldUpUntilMs) {
      // A stall, as by a stolen processor.
    }
    await finished;
    socket.close();
    assert.equal(order[0], 'heartbeat');
  });
});
