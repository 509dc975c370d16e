import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, createServer as createNetServer, type AddressInfo } from 'node:net';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { createClient } from '../../src/api/client.ts';
import { type CommandReport, type EventView, type Status } from '../../src/api/contract.ts';
import { type ApiPorts } from '../../src/api/ports.ts';
import { refused, served } from '../../src/api/refusal.ts';
import { type ApiServer, type ApiServerOptions, serveApi } from '../../src/api/server.ts';
import { initialState } from '../../src/core/director.ts';
import { createFanOut } from '../../src/director/fan-out.ts';
import { eventView } from '../../src/director/event-view.ts';
import { statusView } from '../../src/observe/status.ts';
import { play, settings, silenceStory, snapshotOf } from '../observe/samples.ts';
import { exchange, throwBytes } from './exchange.ts';

const token = 'correct-horse-battery-staple';
const status: Status = statusView(snapshotOf(initialState(settings)), settings, { version: '1' });
const events: readonly EventView[] = play(silenceStory).map((record) =>
  eventView({ id: record.number, node: 'lvs2', sentence: `<b>${record.number}</b>`, record }),
);

describe('api', () => {
  let directory = '';
  let socketPath = '';
  let port = 0;
  let asked: unknown[] = [];
  let api: ApiServer | undefined;
  const news = createFanOut<EventView>();

  const report: CommandReport = { changed: true, message: 'lvs1 holds the addresses now', tookMs: 1, status };
  const ports: ApiPorts = {
    status: () => Promise.resolve(served(status)),
    metrics: () => Promise.resolve({ contentType: 'text/plain', text: 'vipair_pulse_up 1\n' }),
    events: ({ since, limit }) => events.filter(({ id }) => id > since).slice(-limit),
    subscribe: (listener) => news.subscribe(listener),
    failover: (wanted) => {
      asked.push(wanted);
      return Promise.resolve(served(report));
    },
    services: () =>
      Promise.resolve(
        served({
          mode: 'off',
          services: [],
          problem: null,
          counts: { changes: 0, failures: 0, drifts: 0 },
          totals: null,
        }),
      ),
    drain: (wanted) => {
      asked.push(wanted);
      return Promise.resolve(served({ changed: true, message: '10.99.0.11 takes no new connections' }));
    },
    maintenance: (wanted) => {
      asked.push(wanted);
      return Promise.resolve(refused(409, 'peer-refused', 'lvs1 does not take over', 'mend it'));
    },
  };

  /** Starts the API and waits until it listens on both. */
  async function start(overrides: Partial<ApiServerOptions> = {}): Promise<void> {
    const listening = new Set<string>();
    await new Promise<void>((resolve, reject) => {
      api = serveApi({
        ports,
        socketPath,
        listen: { host: '127.0.0.1', port },
        tokenFile: undefined,
        hostNames: ['lvs2'],
        onListening: (name) => {
          listening.add(name);
          if (listening.size === 2) {
            resolve();
          }
        },
        onProblem: (name, problem) => {
          reject(new Error(`${name}: ${problem}`));
        },
        onBug: reject,
        ...overrides,
      });
    });
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vipair-api-'));
    socketPath = join(directory, 'edge.sock');
    port = await freePort();
    asked = [];
  });
  afterEach(async () => {
    await api?.[Symbol.asyncDispose]();
    api = undefined;
    await rm(directory, { recursive: true });
  });

  it('answers the status over the control socket and over the network alike', async () => {
    await start();
    const control = await exchange({ socketPath }, { path: '/status' });
    const network = await exchange({ port }, { path: '/status' });
    assert.equal(control.code, 200);
    assert.deepEqual(JSON.parse(control.text), status);
    assert.equal(network.text, control.text);
  });

  it('lets root and the group open the control socket, and nobody else', async () => {
    await start();
    assert.equal((await stat(socketPath)).mode & 0o777, 0o660);
  });

  it('gives the command line what it asks for', async () => {
    await start();
    const client = createClient(socketPath);
    assert.deepEqual(await client.status(), { ok: true, value: status });
    assert.deepEqual(await client.failover({ to: 'lvs1' }), { ok: true, value: report });
    assert.deepEqual(asked, [{ to: 'lvs1', force: false, timeoutMs: 5000 }]);
    assert.deepEqual(await client.maintenance({ on: true }), {
      ok: false,
      reason: 'refused',
      error: { error: 'lvs1 does not take over', reason: 'peer-refused', remedy: 'mend it' },
    });
    const answer = await client.events({ limit: 2 });
    assert.deepEqual(answer.ok && answer.value.map(({ id }) => id), [events.length - 1, events.length]);
  });

  it('tells the command line why there is no answer', async () => {
    const absent = await createClient(socketPath).status();
    assert.equal(!absent.ok && absent.reason, 'not-running');
    await using _mute = await listenOn(socketPath, () => undefined);
    const late = await createClient(socketPath, 50).status();
    assert.equal(!late.ok && late.reason, 'no-answer');
  });

  it('refuses commands over the network while no token file is configured, and says how to enable them', async () => {
    await start();
    const answer = await exchange(
      { port },
      { method: 'POST', path: '/failover', headers: { Authorization: `Bearer ${token}` } },
    );
    assert.equal(answer.code, 403);
    assert.match(answer.text, /"reason":"writes-disabled".*api\.token_file/);
    assert.deepEqual(asked, []);
  });

  describe('with a token file', () => {
    const post = (authorization?: string) =>
      exchange(
        { port },
        {
          method: 'POST',
          path: '/failover',
          ...(authorization === undefined ? {} : { headers: { Authorization: authorization } }),
        },
      );
    let tokenFile = '';
    beforeEach(async () => {
      tokenFile = join(directory, 'token');
      await writeFile(tokenFile, `${token}\n`, { mode: 0o640 });
      await start({ tokenFile });
    });

    it('takes a command that shows the token', async () => {
      assert.equal((await post(`Bearer ${token}`)).code, 200);
      assert.equal(asked.length, 1);
    });

    for (const [shown, reason] of [
      [undefined, 'token-missing'],
      ['Basic dXNlcjpwYXNz', 'token-missing'],
      ['Bearer', 'token-missing'],
      ['Bearer wrong', 'token-wrong'],
      [`Bearer ${token}x`, 'token-wrong'],
    ] as const) {
      it(`refuses ${String(shown)} as ${reason}`, async () => {
        const answer = await post(shown);
        assert.equal(answer.code, 401);
        assert.match(answer.text, new RegExp(`"reason":"${reason}"`));
        assert.match(String(answer.headers['www-authenticate']), /Bearer/);
        assert.deepEqual(asked, []);
      });
    }

    it('takes the new token as soon as the file is changed', async () => {
      await writeFile(tokenFile, 'another-token-of-enough-length');
      assert.equal((await post(`Bearer ${token}`)).code, 401);
      assert.equal((await post('Bearer another-token-of-enough-length')).code, 200);
    });

    it('refuses a token file that everybody can read, is too short or is gone', async () => {
      await writeFile(tokenFile, 'short');
      assert.match((await post('Bearer short')).text, /token-file-bad/);
      await rm(tokenFile);
      assert.match((await post(`Bearer ${token}`)).text, /token-file-unreadable/);
      await writeFile(tokenFile, token, { mode: 0o644 });
      assert.match((await post(`Bearer ${token}`)).text, /token-file-unsafe.*chmod/);
    });
  });

  it('answers only by its own names, for a foreign page may let its name point here', async () => {
    await start();
    const by = async (host: string, path = '/status') =>
      (await exchange({ port }, { path, headers: { Host: host } })).code;
    for (const host of ['127.0.0.1', `localhost:${port}`, 'LVS2', 'lvs2.', '[::1]:80', '192.0.2.7:1']) {
      assert.equal(await by(host), 200, host);
    }
    for (const host of ['evil.example', 'lvs2.evil.example', '127.0.0.1.evil.example', 'a b', '[::1']) {
      assert.equal(await by(host), 403, `"${host}"`);
    }
    const bytes = Buffer.from('GET /status HTTP/1.0\r\n\r\n');
    assert.match(await throwBytes({ port, host: '127.0.0.1' }, bytes), /^HTTP\/1.1 403 .*wrong-host/s);
    assert.equal(await by('prometheus-knows-me-as.example', '/metrics'), 200);
  });

  for (const [what, options, code, reason] of [
    ['an unknown route, and lists the known ones', { path: '/none' }, 404, 'no-such-route'],
    ['a wrong method', { path: '/failover' }, 405, 'wrong-method'],
    ['a method nobody knows', { method: 'PROPFIND', path: '/status' }, 405, 'wrong-method'],
    ['a body that is not JSON', { method: 'POST', path: '/failover', body: '{' }, 400, 'bad-request'],
    ['an unknown key', { method: 'POST', path: '/failover', body: '{"too":"x"}' }, 400, 'bad-request'],
    [
      'a value of the wrong type',
      { method: 'POST', path: '/failover', body: '{"force":1}' },
      400,
      'bad-request',
    ],
    ['a missing value', { method: 'POST', path: '/maintenance', body: '{}' }, 400, 'bad-request'],
    [
      'a body that is too large',
      { method: 'POST', path: '/failover', body: ' '.repeat(16_385) },
      413,
      'too-large',
    ],
    ['a wrong query', { path: '/events?limit=0' }, 400, 'bad-request'],
    ['a query nobody knows', { path: '/events?lmit=1' }, 400, 'bad-request'],
  ] as const) {
    it(`refuses ${what}`, async () => {
      await start();
      const answer = await exchange({ socketPath }, options);
      const error = JSON.parse(answer.text) as Record<string, unknown>;
      assert.deepEqual({ code: answer.code, reason: error['reason'] }, { code, reason });
      assert.deepEqual(Object.keys(error).sort(), ['error', 'reason', 'remedy']);
      assert.deepEqual(asked, []);
    });
  }

  it('survives any bytes', async () => {
    await start();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc
            .webPath()
            .map((path) => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: lvs2\r\nConnection: close\r\n\r\n`)),
          fc
            .json()
            .map((json) =>
              Buffer.from(
                `POST /maintenance HTTP/1.1\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`,
              ),
            ),
        ),
        async (bytes) => {
          await throwBytes({ path: socketPath }, bytes);
        },
      ),
      { numRuns: 200 },
    );
    assert.equal((await exchange({ socketPath }, { path: '/healthz' })).code, 200);
  }).timeout(20_000);

  it('shows a page on which what it was told cannot become markup', async () => {
    await start();
    const { code, text, headers } = await exchange({ port });
    assert.equal(code, 200);
    assert.match(text, /lvs2 is initialize/);
    assert.match(text, /&#60;b&#62;1/);
    assert.doesNotMatch(text, /<b>|<script/);
    assert.match(String(headers['content-security-policy']), /default-src 'none'/);
  });

  it('streams what happens, from where the client left off', async () => {
    await start();
    const [first, second] = events;
    assert.ok(first && second);
    const seen: EventView[] = [];
    const controller = new AbortController();
    const following = createClient(socketPath).follow(
      events.length - 1,
      (event) => {
        seen.push(event);
        if (seen.length === 1) {
          news.send({ ...first, id: 900 });
          news.send({ ...second, id: 901 });
        } else if (event.id === 901) {
          controller.abort();
        }
      },
      controller.signal,
    );
    assert.deepEqual(await following, { ok: true, value: undefined });
    assert.deepEqual(
      seen.map(({ id }) => id),
      [events.length, 900, 901],
    );
    assert.deepEqual(seen[1], JSON.parse(JSON.stringify({ ...first, id: 900 })));
  });

  it('has room for 32 streams, and for more when one goes', async () => {
    await start();
    const open = () =>
      new Promise<{ code: number; close: () => Promise<unknown> }>((resolve, reject) => {
        const sent = request({ socketPath, path: '/events/stream', agent: false }, (response) => {
          response.resume();
          response.on('error', () => undefined);
          resolve({
            code: response.statusCode ?? 0,
            close: () => {
              // Not `once`, which would also reject by the error that the abort is to the response.
              const closed = new Promise((done) => response.on('close', done));
              sent.destroy();
              return closed;
            },
          });
        });
        sent.on('error', reject);
        sent.end();
      });
    const streams = await Promise.all(Array.from({ length: 32 }, open));
    assert.deepEqual([...new Set(streams.map(({ code }) => code))], [200]);
    assert.equal((await open()).code, 503);
    await streams[0]?.close();
    await eventually(async () => {
      const stream = await open();
      await stream.close();
      return stream.code === 200;
    });
    await Promise.all(streams.slice(1).map(({ close }) => close()));
  });

  it('cuts off a stream whose client does not read', async () => {
    await start();
    const socket = connect(socketPath);
    socket.write('GET /events/stream HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'readable');
    const [event] = events;
    assert.ok(event);
    const bulky = { ...event, sentence: 'x'.repeat(200_000) };
    // Nothing is read from here on: the socket's own buffers fill, then the server's.
    for (let count = 0; count < 40; count += 1) {
      news.send(bulky);
      await new Promise(setImmediate);
    }
    socket.on('error', () => undefined);
    const closed = once(socket, 'close');
    socket.resume();
    await closed;
  });

  it('answers 500 to a bug and goes on', async () => {
    const bugs: unknown[] = [];
    await start({
      ports: { ...ports, status: () => Promise.reject(new Error('bug')) },
      onBug: (error) => bugs.push(error),
    });
    assert.equal((await exchange({ socketPath }, { path: '/status' })).code, 500);
    assert.equal(bugs.length, 1);
    assert.equal((await exchange({ socketPath }, { path: '/metrics' })).code, 200);
  });

  it('removes the socket that a dead daemon left behind', async () => {
    await leaveStaleSocket(socketPath);
    await start();
    assert.equal((await exchange({ socketPath }, { path: '/healthz' })).code, 200);
  });

  it('leaves the socket of a living daemon alone and names it', async () => {
    await start();
    const other = await new Promise<string>((resolve, reject) => {
      const second = serveApi({
        ports,
        socketPath,
        listen: { host: '127.0.0.1', port },
        tokenFile: undefined,
        hostNames: [],
        onListening: reject,
        onProblem: (name, problem) => {
          if (name === socketPath) {
            void second[Symbol.asyncDispose]().then(() => {
              resolve(problem);
            });
          }
        },
        onBug: reject,
      });
    });
    assert.match(other, /belongs to a running daemon: pair edge, node lvs2, process 4711/);
    assert.equal((await exchange({ socketPath }, { path: '/healthz' })).code, 200);
  });

  it('does not remove what is not a socket', async () => {
    await writeFile(socketPath, 'precious');
    const problems: string[] = [];
    void start({ onProblem: (_, problem) => problems.push(problem) });
    await eventually(() => Promise.resolve(problems.length > 0));
    assert.match(problems.join(), /is not a socket/);
    assert.equal((await stat(socketPath)).size, 8);
  });

  it('listens on the address as soon as it is free, and on the control socket all the while', async () => {
    const squatter = createServer().listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    const problems: string[] = [];
    const started = start({ onProblem: (_, problem) => problems.push(problem) });
    await eventually(async () => (await createClient(socketPath).status()).ok);
    await eventually(() => Promise.resolve(problems.length > 0));
    assert.match(api?.problems().join() ?? '', /does not listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/);
    squatter.close();
    await started;
    assert.equal((await exchange({ port }, { path: '/healthz' })).code, 200);
    assert.deepEqual(api?.problems(), []);
    assert.equal(problems.length, 1, 'one report, however many attempts');
  });
});

async function freePort(): Promise<number> {
  const server = createNetServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function listenOn(path: string, onConnection: () => void): Promise<AsyncDisposable> {
  const server = createNetServer((socket) => {
    socket.on('error', () => undefined).resume();
    onConnection();
  }).listen(path);
  await once(server, 'listening');
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      }),
  };
}

/** What a killed process leaves: the file, and nobody behind it. */
async function leaveStaleSocket(path: string): Promise<void> {
  const { spawnSync } = await import('node:child_process');
  spawnSync(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  assert.ok((await stat(path)).isSocket());
}

async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 4000;
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, 'it did not come to pass in 4 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
