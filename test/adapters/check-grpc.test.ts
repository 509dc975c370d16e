import assert from 'node:assert/strict';
import { createSecureServer, createServer, type ServerHttp2Stream } from 'node:http2';
import { type GrpcCheck } from '../../src/core/check.ts';
import { createAuthority } from './certificates.ts';
import { endsWithSilence, nobody, outcome, serve, talker, usual } from './real-server.ts';

const grpc: GrpcCheck = { ...usual, kind: 'grpc', service: '', tls: undefined };

interface Reply {
  readonly message?: readonly number[];
  readonly status?: string;
  readonly http?: number;
}

const framed = (...message: number[]) => [0, 0, 0, 0, message.length, ...message];

/** A health service in a few lines: always the same reply. */
function answer(stream: ServerHttp2Stream, { message = [], status = '0', http = 200 }: Reply): void {
  stream.on('error', () => undefined);
  stream.resume();
  stream.respond({ ':status': http, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => {
    stream.sendTrailers({ 'grpc-status': status });
  });
  stream.end(Buffer.from(message));
}

function healthServer(reply: Reply) {
  const server = createServer();
  server.on('stream', (stream) => {
    answer(stream, reply);
  });
  return serve(server);
}

describe('a check by grpc', () => {
  it('asks the health service about the service that is meant', async () => {
    const asked: unknown[] = [];
    const server = createServer();
    server.on('stream', (stream, headers) => {
      stream.once('data', (chunk: Buffer) => {
        asked.push([headers[':method'], headers[':path'], headers['content-type'], chunk.toString('hex')]);
        answer(stream, { message: framed(8, 1) });
      });
    });
    await using target = await serve(server);
    assert.equal(await outcome({ ...grpc, service: 'shop' }, target), 'ok');
    assert.equal(await outcome({ ...grpc, service: 'x'.repeat(200) }, target), 'ok');
    const about = ['POST', '/grpc.health.v1.Health/Check', 'application/grpc'];
    assert.deepEqual(asked, [
      [...about, '0000000006' + '0a04' + Buffer.from('shop').toString('hex')],
      [...about, '00000000cb' + '0ac801' + '78'.repeat(200)],
    ]);
    await target.alone();
  });

  const replies: readonly [string, Reply, 'ok' | [string, string]][] = [
    ['SERVING', { message: framed(8, 1) }, 'ok'],
    ['NOT_SERVING', { message: framed(8, 2) }, ['not-serving', 'answered NOT_SERVING']],
    ['a status left out', { message: framed() }, ['not-serving', 'answered UNKNOWN']],
    ['a status of the future', { message: framed(8, 9) }, ['not-serving', 'answered status 9']],
    [
      'no such service',
      { status: '5' },
      ['wrong-status', 'answered grpc-status 5 NOT_FOUND: no such service'],
    ],
    ['HTTP 404', { http: 404 }, ['wrong-status', 'answered 404']],
    [
      'a message that is cut off',
      { message: [0, 0, 0, 0, 9, 8, 1] },
      ['wrong-answer', 'answered with what is not a HealthCheckResponse'],
    ],
    [
      'compressed octets',
      { message: [1, 0, 0, 0, 2, 8, 1] },
      ['wrong-answer', 'answered with what is not a HealthCheckResponse'],
    ],
    [
      'more than anybody needs',
      { message: framed(...Buffer.alloc(100_000)) },
      ['wrong-answer', 'answered with more than 4096 octets'],
    ],
  ];
  for (const [what, reply, expected] of replies) {
    it(`judges ${what}`, async () => {
      await using server = await healthServer(reply);
      assert.deepEqual(await outcome(grpc, server), expected);
      await server.alone();
    });
  }

  it('speaks TLS where that is wanted, and asks for HTTP/2', async () => {
    using authority = createAuthority();
    const server = createSecureServer({ ...authority.good });
    server.on('stream', (stream) => {
      answer(stream, { message: framed(8, 1) });
    });
    await using target = await serve(server);
    const tls = {
      serverName: 'a.example',
      verify: true,
      caFile: authority.caFile,
      minimumDays: undefined,
    };
    assert.equal(await outcome({ ...grpc, tls }, target), 'ok');
    const other = await outcome({ ...grpc, tls: { ...tls, serverName: 'b.example' } }, target);
    assert.equal(other[0], 'certificate');
  });

  for (const [what, octets] of [
    ['HTTP/1', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['noise', '\xff'.repeat(100_000)],
  ] as const) {
    it(`fails when it is answered by ${what}`, async () => {
      await using server = await serve(talker(octets));
      const [reason] = await outcome(grpc, server);
      assert.equal(reason, 'wrong-answer');
      await server.alone();
    });
  }

  it('fails when the other side ends, and where nobody listens', async () => {
    await using server = await serve(
      talker(undefined, (_heard, socket) => {
        socket.end();
      }),
    );
    assert.equal((await outcome(grpc, server))[0], 'closed');
    assert.equal((await outcome(grpc, await nobody()))[0], 'refused');
  });

  it('ends in time and leaves nothing where nobody answers', async () => {
    await using server = await serve(talker(undefined));
    await endsWithSilence(grpc, server);
  });
});
