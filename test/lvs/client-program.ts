import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { nowMs } from '../lab/eventually.ts';
import { type Answer, type ClientRequest, type Ended, type StreamView } from './client.ts';
import { ports } from './ports.ts';

/**
 * The client: holds connections to the floating address and says how they fare. It reads one request a line and
 * answers in order. It lives in a process of its own because a socket belongs to the namespace it was made in.
 */
const [target = ''] = process.argv.slice(2);
const CONNECT_LIMIT_MS = 3000;
/** A stream speaks, too: only who sends learns that the other end is gone. */
const SPEAK_PERIOD_MS = 100;

interface Connection {
  readonly socket: Socket;
  readonly kind: 'stream' | 'silent';
  server: string | undefined;
  /** When lines came in. */
  readonly lineAtMs: number[];
  ended: Ended | undefined;
  /** Called when a line came in or the connection ended. */
  onChange: () => void;
}

let connections: Connection[] = [];

const methods: {
  readonly [Method in ClientRequest['do']]: (
    request: Extract<ClientRequest, { do: Method }>,
  ) => Promise<unknown>;
} = {
  open: async ({ kind, count }) => {
    const opened = await Promise.all(Array.from({ length: count }, () => open(kind)));
    connections.push(...opened);
    return opened.map(({ socket }) => socket.localPort ?? 0);
  },
  lines: async ({ count, limitMs }) => {
    const endsAtMs = nowMs() + limitMs;
    const streams = connections.filter(({ kind }) => kind === 'stream');
    await Promise.all(streams.map((stream) => untilLines(stream, stream.lineAtMs.length + count, endsAtMs)));
    return null;
  },
  streams: ({ sinceMs }) => Promise.resolve(streamViews(sinceMs)),
  speak: ({ limitMs }) =>
    Promise.all(connections.filter(({ kind }) => kind === 'silent').map((silent) => speak(silent, limitMs))),
  ask: async ({ over, count, limitMs }) => {
    const answers: Answer[] = [];
    for (let left = count; left > 0; left -= 1) {
      answers.push(over === 'udp' ? await askByUdp(limitMs) : await askByTcp(over, limitMs));
    }
    return answers;
  },
  close: () => {
    for (const { socket } of connections) {
      socket.destroy();
    }
    connections = [];
    return Promise.resolve(null);
  },
};

async function open(kind: 'stream' | 'silent'): Promise<Connection> {
  const socket = connect(kind === 'stream' ? ports.stream : ports.ask, target);
  socket.setNoDelay();
  const connection: Connection = {
    socket,
    kind,
    server: undefined,
    lineAtMs: [],
    ended: undefined,
    onChange: () => undefined,
  };
  socket.on('data', (data) => {
    connection.server = data.toString('latin1').split('\n')[0];
    connection.lineAtMs.push(nowMs());
    connection.onChange();
  });
  const end = (ended: Ended) => {
    connection.ended ??= ended;
    connection.onChange();
  };
  socket.on('error', (error) => {
    end('code' in error && typeof error.code === 'string' ? error.code : error.message);
  });
  socket.on('close', () => {
    end('closed');
  });
  await settled(CONNECT_LIMIT_MS, (done) => {
    socket.once(kind === 'stream' ? 'data' : 'connect', done);
    socket.once('close', done);
  });
  if (kind === 'stream') {
    const timer = setInterval(() => socket.write('.'), SPEAK_PERIOD_MS);
    socket.once('close', () => {
      clearInterval(timer);
    });
  }
  return connection;
}

function untilLines(stream: Connection, count: number, endsAtMs: number): Promise<void> {
  return settled(endsAtMs - nowMs(), (done) => {
    stream.onChange = () => {
      if (stream.lineAtMs.length >= count || stream.ended !== undefined) {
        done();
      }
    };
    stream.onChange();
  });
}

/** Silence is between two lines, or since the last one. */
function streamViews(sinceMs: number): StreamView[] {
  const untilMs = nowMs();
  return connections
    .filter(({ kind }) => kind === 'stream')
    .map(({ server, lineAtMs, ended }) => {
      const before = lineAtMs.findLast((atMs) => atMs <= sinceMs) ?? sinceMs;
      const after = lineAtMs.filter((atMs) => atMs > sinceMs);
      const edges = [before, ...after, untilMs];
      const silences = edges.slice(1).map((atMs, at) => atMs - (edges[at] ?? atMs));
      return {
        server: server ?? null,
        lineCount: after.length,
        silenceMs: Math.max(...silences),
        ended: ended ?? null,
      };
    });
}

async function speak(silent: Connection, limitMs: number): Promise<Answer> {
  const told = silent.lineAtMs.length;
  silent.socket.write('?\n');
  await settled(limitMs, (done) => {
    silent.onChange = () => {
      if (silent.lineAtMs.length > told || silent.ended !== undefined) {
        done();
      }
    };
    silent.onChange();
  });
  return silent.lineAtMs.length > told
    ? { server: silent.server ?? '' }
    : { failed: silent.ended ?? 'no answer' };
}

function askByTcp(over: 'tcp' | 'http', limitMs: number): Promise<Answer> {
  const socket = connect(over === 'tcp' ? ports.ask : ports.http, target);
  let text = '';
  let failed = 'no answer';
  socket.setEncoding('latin1');
  socket.once('connect', () => {
    socket.write(over === 'tcp' ? '?\n' : `GET / HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  });
  socket.on('error', (error) => {
    failed = 'code' in error && typeof error.code === 'string' ? error.code : error.message;
  });
  return settled(limitMs, (done) => {
    socket.on('data', (part: string) => {
      text += part;
      if (over === 'tcp' && text.endsWith('\n')) {
        done();
      }
    });
    socket.once('close', done);
  }).then(() => {
    socket.destroy();
    const server = over === 'tcp' ? text.trim() : /\r\n\r\n(?:[0-9a-f]+\r\n)?([^\r\n]+)/.exec(text)?.[1];
    return server === undefined || server === '' ? { failed } : { server };
  });
}

function askByUdp(limitMs: number): Promise<Answer> {
  const socket = createSocket('udp4');
  let answer: Answer = { failed: 'no answer' };
  return settled(limitMs, (done) => {
    socket.on('error', (error) => {
      answer = { failed: error.message };
      done();
    });
    socket.once('message', (data) => {
      answer = { server: data.toString('latin1') };
      done();
    });
    // Connected, so that an answer from any other address is none.
    socket.connect(ports.echo, target, () => {
      socket.send('?');
    });
  }).then(() => {
    socket.close();
    return answer;
  });
}

/** Until `done` is called, or the limit. */
function settled(limitMs: number, begin: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, limitMs);
    begin(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

process.stdout.write('"ready"\n');
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as ClientRequest;
  const method = methods[request.do] as (request: ClientRequest) => Promise<unknown>;
  process.stdout.write(`${JSON.stringify(await method(request))}\n`);
}
process.exit(0);
