import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { join } from 'node:path';
import { runCheck } from '../../src/adapters/checks.ts';
import { type HttpCheck, type HttpsCheck } from '../../src/core/check.ts';
import { type Authority, type Certificate, createAuthority } from './certificates.ts';
import { endsWithSilence, never, nobody, outcome, outcomeOf, serve, talker, usual } from './real-server.ts';

const http: HttpCheck = {
  ...usual,
  kind: 'http',
  method: 'GET',
  path: '/health?full=1',
  host: undefined,
  status: [{ from: 200, to: 299 }],
  body: undefined,
};
const anything = { text: undefined, regex: undefined, not: undefined };

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers every request by these octets. */
function says(octets: string) {
  return serve(
    talker(undefined, (_heard, socket) => {
      socket.end(octets, 'latin1');
    }),
  );
}

describe('a check by http', () => {
  it('asks for its path at its host, and is well when the status is right', async () => {
    const asked: unknown[] = [];
    await using server = await serve(
      createServer((request, response) => {
        const { method, url, headers } = request;
        asked.push([method, url, headers.host, headers.connection]);
        response.end('fine');
      }),
    );
    assert.equal(await outcome(http, server), 'ok');
    assert.equal(await outcome({ ...http, method: 'HEAD', host: 'a.example:81' }, server), 'ok');
    assert.deepEqual(asked, [
      ['GET', '/health?full=1', `127.0.0.1:${server.port}`, 'close'],
      ['HEAD', '/health?full=1', 'a.example:81', 'close'],
    ]);
    await server.alone();
  });

  it('fails when the status is another, and follows no redirect', async () => {
    let count = 0;
    await using server = await serve(
      createServer((_request, response) => {
        count += 1;
        response.writeHead(302, { location: '/elsewhere' }).end();
      }),
    );
    assert.deepEqual(await outcome(http, server), ['wrong-status', 'answered 302 Found']);
    assert.equal(count, 1);
    assert.equal(await outcome({ ...http, status: [{ from: 301, to: 302 }] }, server), 'ok');
  });

  const bodies: readonly [object, string, string | undefined][] = [
    [{ text: 'OK' }, 'all OK here', undefined],
    [{ text: 'OK' }, 'fine', '"OK" is not in "fine"'],
    [{ text: 'OK' }, '', '"OK" is not in an empty answer'],
    [{ regex: '^ok$' }, 'status\nok\n', undefined],
    [{ regex: '^ok$' }, 'not ok', '/^ok$/ is not in "not ok"'],
    [{ not: 'drain' }, 'fine', undefined],
    [{ text: 'fine', not: 'drain' }, 'fine, draining', '/drain/ is in "fine, draining"'],
  ];
  for (const [expectation, body, complaint] of bodies) {
    it(`judges the body ${JSON.stringify(body)} by ${JSON.stringify(expectation)}`, async () => {
      await using server = await serve(createServer((_request, response) => response.end(body)));
      const check = { ...http, body: { ...anything, ...expectation } };
      assert.deepEqual(
        await outcome(check, server),
        complaint === undefined ? 'ok' : ['wrong-answer', complaint],
      );
    });
  }

  it('gives up a regular expression that takes for ever, and goes on', async () => {
    await using server = await serve(
      createServer((_request, response) => response.end(`${'a'.repeat(60)}!`)),
    );
    const check = (regex: string) => ({ ...http, body: { ...anything, regex } });
    assert.deepEqual(await outcome(check('^(a+)+$'), server), [
      'wrong-answer',
      'to look for /^(a+)+$/ took longer than 50 ms',
    ]);
    assert.equal(await outcome(check('^a+!$'), server), 'ok');
  });

  it('reads 64 KiB of a body without end, and no more', async () => {
    await using server = await serve(
      createServer((_request, response) => {
        const write = () => {
          while (response.write('x'.repeat(65_536))) {
            // Until the other side has enough.
          }
        };
        response.on('drain', write);
        write();
      }),
    );
    assert.equal(await outcome({ ...http, body: { ...anything, regex: '^x{65536}$' } }, server), 'ok');
    await server.alone();
  });

  const hostile: readonly [string, string, string][] = [
    ['what is not HTTP', '\x00\x1b[2J garbage\r\n\r\n', 'wrong-answer'],
    ['a status that is no number', 'HTTP/1.1 two OK\r\n\r\n', 'wrong-answer'],
    ['headers without end', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(10_000)}`, 'wrong-answer'],
    ['preliminaries without end', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1000), 'wrong-answer'],
    ['the end', '', 'closed'],
    [
      'an unwanted upgrade',
      'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
      'wrong-status',
    ],
  ];
  for (const [what, octets, reason] of hostile) {
    it(`fails when it is answered by ${what}`, async () => {
      await using server = await says(octets);
      const result = await outcome(http, server);
      assert.equal(result[0], reason, result.toString());
      assert.doesNotMatch(result[1], /[^\x20-\x7e…]/);
      await server.alone();
    });
  }

  it('fails when the body breaks off', async () => {
    await using server = await says('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc');
    assert.deepEqual((await outcome({ ...http, body: { ...anything, text: 'OK' } }, server))[0], 'closed');
  });

  it('fails as refused where nobody listens', async () => {
    assert.equal((await outcome(http, await nobody()))[0], 'refused');
  });

  it('ends in time and leaves nothing where nobody answers', async () => {
    await using server = await serve(talker(undefined));
    await endsWithSilence(http, server);
  });

  it('ends in time where an answer is dribbled', async () => {
    await using server = await serve(
      createServer((_request, response) => {
        const timer = setInterval(() => response.write('x'), 10);
        response.on('close', () => {
          clearInterval(timer);
        });
      }),
    );
    const check = { ...http, body: { ...anything, text: 'OK' } };
    await endsWithSilence(check, server);
  });
});

describe('a check by https', () => {
  let authority: Authority;
  before(() => {
    authority = createAuthority();
  });
  after(() => {
    authority[Symbol.dispose]();
  });

  const fine: Answer = (_request, response) => response.end('fine');
  const listen = (certificate: Certificate) => serve(createHttpsServer({ ...certificate }, fine));
  const https = (tls: Partial<HttpsCheck['tls']> = {}): HttpsCheck => ({
    ...http,
    kind: 'https',
    tls: { serverName: 'a.example', verify: true, caFile: authority.caFile, minimumDays: undefined, ...tls },
  });

  it('is well when the certificate is, and tells its days', async () => {
    await using server = await listen(authority.good);
    const result = await runCheck(https(), server, never);
    assert.equal(outcomeOf(result), 'ok');
    const days = result.certificateDays ?? 0;
    assert.ok(days > 9.9 && days <= 10, `${days}`);
    await server.alone();
  });

  it('asks by SNI for the name, and for none where an address is named', async () => {
    const names: unknown[] = [];
    const server = createHttpsServer(
      {
        ...authority.good,
        SNICallback: (name, done) => {
          names.push(name);
          done(null);
        },
      },
      fine,
    );
    await using target = await serve(server);
    assert.equal(await outcome(https(), target), 'ok');
    assert.equal(await outcome(https({ serverName: '127.0.0.1' }), target), 'ok');
    assert.deepEqual(names, ['a.example']);
  });

  it('fails when the certificate is for another name or address', async () => {
    await using server = await listen(authority.good);
    for (const serverName of ['b.example', '192.0.2.1']) {
      assert.deepEqual(await outcome(https({ serverName }), server), [
        'certificate',
        'ERR_TLS_CERT_ALTNAME_INVALID',
      ]);
    }
  });

  it('fails when the authority is unknown, unless nothing is verified', async () => {
    await using server = await listen(authority.good);
    assert.equal((await outcome(https({ caFile: undefined }), server))[0], 'certificate');
    assert.equal(await outcome(https({ caFile: undefined, verify: false }), server), 'ok');
  });

  it('fails when the certificate has expired, and says since when', async () => {
    await using server = await listen(authority.expired);
    const result = await runCheck(https(), server, never);
    assert.deepEqual(outcomeOf(result), ['certificate', 'CERT_HAS_EXPIRED']);
    assert.ok((result.certificateDays ?? 0) < -0.9, `${result.certificateDays}`);
    assert.equal(await outcome(https({ verify: false }), server), 'ok');
  });

  it('fails when the certificate has fewer days than wanted', async () => {
    await using server = await listen(authority.good);
    assert.equal(await outcome(https({ minimumDays: 9 }), server), 'ok');
    assert.deepEqual(await outcome(https({ minimumDays: 11 }), server), [
      'certificate',
      'is valid for 9 days, and 11 are wanted',
    ]);
  });

  it('cannot be made when the file of authorities is missing or is none', async () => {
    await using server = await listen(authority.good);
    const file = join(authority.directory, 'none.pem');
    assert.equal((await outcome(https({ caFile: file }), server))[0], 'cannot-check');
    writeFileSync(file, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    assert.equal((await outcome(https({ caFile: file }), server))[0], 'cannot-check');
  });

  it('fails when the other side does not speak TLS, or only of another kind', async () => {
    await using plain = await serve(createServer(fine));
    assert.equal((await outcome(https(), plain))[0], 'tls');
    await using old = await serve(createHttpsServer({ ...authority.good, maxVersion: 'TLSv1.1' }, fine));
    assert.equal((await outcome(https(), old))[0], 'tls');
  });

  it('fails when the other side goes while hands are shaken', async () => {
    await using server = await serve(
      talker(undefined, (_heard, socket) => {
        socket.end();
      }),
    );
    assert.equal((await outcome(https(), server))[0], 'closed');
  });

  it('ends in time and leaves nothing where nobody shakes hands', async () => {
    await using server = await serve(talker(undefined));
    await endsWithSilence(https(), server);
  });
});
