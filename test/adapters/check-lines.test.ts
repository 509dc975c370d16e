import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ExpectCheck, type RedisCheck, type SmtpCheck } from '../../src/core/check.ts';
import { attempt } from '../lab/command.ts';
import { eventually } from '../lab/eventually.ts';
import { createAuthority } from './certificates.ts';
import { endsWithSilence, nobody, outcome, serve, talker, usual } from './real-server.ts';

const smtp: SmtpCheck = { ...usual, kind: 'smtp', helo: 'lvs1.example' };
const expects: ExpectCheck = {
  ...usual,
  kind: 'expect',
  send: undefined,
  expect: undefined,
  tls: undefined,
};
const redis: RedisCheck = { ...usual, kind: 'redis', user: undefined, passwordFile: undefined };
const anything = { text: undefined, regex: undefined, not: undefined };

const endless = 'x'.repeat(1 << 20);

describe('a check by smtp', () => {
  /** Answers EHLO by several lines, in two pieces. */
  const mailServer = (heard: string[], answers: Readonly<Record<string, string>> = {}) =>
    serve(
      talker(answers['greeting'] ?? '220-mail\r\n220 ready\r\n', (line, socket) => {
        heard.push(line);
        const word = line.slice(0, 4);
        if (word === 'EHLO') {
          socket.write(answers[word] ?? '250-mail\r\n250-PIPE');
          socket.write(answers[word] === undefined ? 'LINING\r\n250 SIZE 100\r\n' : '');
        } else {
          socket.end(answers[word] ?? '221 bye\r\n');
        }
      }),
    );

  it('is greeted, says its name and takes its leave', async () => {
    const heard: string[] = [];
    await using server = await mailServer(heard);
    assert.equal(await outcome(smtp, server), 'ok');
    assert.deepEqual(heard, ['EHLO lvs1.example\r\n', 'QUIT\r\n']);
    await server.alone();
  });

  for (const [what, answers, expected] of [
    ['no service', { greeting: '554 go\r\n' }, ['wrong-status', 'answered 554 go']],
    ['a name not taken', { EHLO: '501 who\r\n' }, ['wrong-status', 'answered 501 who']],
    ['no farewell', { QUIT: '500 stay\r\n' }, ['wrong-status', 'answered 500 stay']],
    ['another protocol', { greeting: 'SSH-2.0\r\n' }, ['wrong-answer', 'said "SSH-2.0", which is not SMTP']],
    ['a talker', { greeting: endless }, ['wrong-answer', 'said more than 16384 octets']],
    [
      'lines without end',
      { greeting: '220-a\r\n'.repeat(10_000) },
      ['wrong-answer', 'said more than 16384 octets'],
    ],
  ] as const) {
    it(`fails by ${what}`, async () => {
      await using server = await mailServer([], answers);
      assert.deepEqual(await outcome(smtp, server), expected);
      await server.alone();
    });
  }

  it('fails when the other side ends, and where nobody listens', async () => {
    await using server = await serve(
      talker('220 ready\r\n', (_heard, socket) => {
        socket.end();
      }),
    );
    assert.deepEqual(await outcome(smtp, server), ['closed', 'ended the conversation']);
    assert.equal((await outcome(smtp, await nobody()))[0], 'refused');
  });

  it('ends in time and leaves nothing where nobody speaks', async () => {
    await using server = await serve(talker(undefined));
    await endsWithSilence(smtp, server);
  });
});

describe('a check by send and expect', () => {
  const expectation = (given: Partial<typeof anything> | Record<string, string>) => ({
    ...expects,
    send: 'hi\r\n',
    expect: { ...anything, ...given },
  });
  const echo = (after: string) =>
    serve(
      talker(undefined, (heard, socket) => {
        socket.end(`${heard.trim()} ${after}`);
      }),
    );

  it('says its text and judges what comes back', async () => {
    await using server = await echo('there');
    assert.equal(await outcome(expectation({ text: 'hi there' }), server), 'ok');
    assert.equal(await outcome(expectation({ regex: '^hi t' }), server), 'ok');
    assert.equal(await outcome(expectation({ not: 'draining' }), server), 'ok');
    assert.deepEqual(await outcome(expectation({ text: 'ho' }), server), [
      'wrong-answer',
      '"ho" is not in "hi there"',
    ]);
    assert.deepEqual(await outcome(expectation({ not: 'there' }), server), [
      'wrong-answer',
      '/there/ is in "hi there"',
    ]);
    await server.alone();
  });

  it('takes an answer that comes in pieces, while the other side stays', async () => {
    await using server = await serve(
      talker('rea', (_heard, socket) => {
        socket.write('dy');
      }),
    );
    assert.equal(await outcome(expectation({ text: 'ready' }), server), 'ok');
    await server.alone();
  });

  it('fails when the other side ends without a word, and where nobody listens', async () => {
    await using server = await serve(
      talker(undefined, (_heard, socket) => {
        socket.end();
      }),
    );
    assert.deepEqual(await outcome(expectation({ text: 'a' }), server), ['closed', 'ended without a word']);
    assert.equal((await outcome(expectation({ text: 'a' }), await nobody()))[0], 'refused');
  });

  it('reads 64 KiB and no more', async () => {
    await using server = await serve(talker(`${endless}ready`));
    assert.equal((await outcome(expectation({ text: 'ready' }), server))[0], 'wrong-answer');
    await server.alone();
  });

  it('speaks TLS where that is wanted; the handshake alone may be all', async () => {
    using authority = createAuthority();
    await using server = await serve(
      createTlsServer({ ...authority.good }, (socket) => {
        socket.on('error', () => undefined);
        socket.end('ready');
      }),
    );
    const tls = { serverName: 'a.example', verify: true, caFile: authority.caFile, minimumDays: undefined };
    assert.equal(await outcome({ ...expects, tls }, server), 'ok');
    assert.equal(await outcome({ ...expectation({ text: 'ready' }), tls }, server), 'ok');
    assert.equal((await outcome({ ...expects, tls: { ...tls, minimumDays: 20 } }, server))[0], 'certificate');
  });

  it('ends in time and leaves nothing where nobody speaks', async () => {
    await using server = await serve(talker(undefined));
    await endsWithSilence(expectation({ text: 'a' }), server);
  });
});

describe('a check by redis', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'vp-redis-'));
    writeFileSync(join(directory, 'right'), 'pässword\n');
    writeFileSync(join(directory, 'wrong'), 'other\n');
  });
  after(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  for (const [what, line, expected] of [
    ['a server that loads its data', '-LOADING wait', ['not-serving', 'answered -LOADING wait']],
    ['a replica without data', '-MASTERDOWN link', ['not-serving', 'answered -MASTERDOWN link']],
    ['a password that is missing', '-NOAUTH', ['wrong-answer', 'answered -NOAUTH']],
    ['another protocol', 'HTTP/1.1 400', ['wrong-answer', 'answered HTTP/1.1 400']],
    ['a talker', endless, ['wrong-answer', 'said more than 16384 octets']],
  ] as const) {
    it(`fails by ${what}`, async () => {
      await using server = await serve(
        talker(undefined, (_heard, socket) => {
          socket.write(line === endless ? line : `${line}\r\n`);
        }),
      );
      assert.deepEqual(await outcome(redis, server), expected);
      await server.alone();
    });
  }

  it('cannot be made when its password cannot be read', async () => {
    const passwordFile = join(directory, 'none');
    assert.equal((await outcome({ ...redis, passwordFile }, await nobody()))[0], 'cannot-check');
  });

  it('ends in time and leaves nothing where nobody speaks', async () => {
    await using server = await serve(talker(undefined));
    await endsWithSilence(redis, server);
  });

  it('is well with a real server, by password and by user', async function () {
    if (attempt(['redis-server', '--version']).code !== 0) {
      console.log('    skipped: redis-server is not installed. Remedy: apt-get install redis-server');
      this.skip();
    }
    const { port } = await nobody();
    const target = { address: '127.0.0.1', port };
    const child = spawn(
      'redis-server',
      [
        ...['--bind', target.address, '--port', String(port), '--save', '', '--appendonly', 'no'],
        ...['--dir', directory, '--requirepass', 'pässword'],
        ...['--user', 'probe', 'on', '>pässword', '+ping', '+auth'],
      ],
      { stdio: 'ignore' },
    );
    const ended = new Promise((resolve) => child.once('exit', resolve));
    try {
      const right = { ...redis, passwordFile: join(directory, 'right') };
      await eventually('it is well', async () => (await outcome(right, target)) === 'ok' || undefined);
      assert.equal(await outcome({ ...right, user: 'probe' }, target), 'ok');
      const wrong = await outcome({ ...redis, passwordFile: join(directory, 'wrong') }, target);
      assert.match(wrong.toString(), /^wrong-answer,answered -WRONGPASS/);
      assert.match((await outcome(redis, target)).toString(), /^wrong-answer,answered -NOAUTH/);
      child.kill('SIGSTOP');
      assert.equal((await outcome({ ...right, timeoutMs: 100 }, target))[0], 'timeout');
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
    assert.equal((await outcome(redis, target))[0], 'refused');
  });
});
