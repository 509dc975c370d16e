import assert from 'node:assert/strict';
import { z } from 'zod';
import { type Check, USUAL_TIMING } from '../../src/core/check.ts';
import { checkSchema } from '../../src/config/check-schema.ts';
import { checkFrom } from '../../src/config/check-settings.ts';
import { type Problem } from '../../src/config/draft.ts';
import { suggest } from '../../src/config/suggest.ts';
import { parseText } from '../../src/config/text.ts';
import { parseBy } from '../../src/config/validate.ts';

/** As it stands in the file: the value of one key. */
const schema = z.strictObject({ check: checkSchema });

function parse(yaml: string) {
  const text = parseText(`check: ${yaml}`);
  assert.ok(text.ok, yaml);
  return parseBy(schema, text.value);
}

function checkOf(yaml: string, nodeName = 'lvs1'): Check {
  const parsed = parse(yaml);
  assert.ok('value' in parsed, `${yaml}: ${JSON.stringify(parsed)}`);
  return checkFrom(parsed.value.check, nodeName);
}

function problemsOf(yaml: string): string[] {
  const parsed = parse(yaml);
  return 'problems' in parsed ? parsed.problems.map((problem) => tell(problem)) : [];
}

function tell({ path, key, message, suggestion }: Problem): string {
  const about = key === undefined ? message : `"${key.name}" ${message}`;
  const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
  return `${path.join('.')}: ${about}${hint}`;
}

const usual = { ...USUAL_TIMING, port: undefined, sourceAddress: undefined };
const tls = { serverName: 'a.example', verify: true, caFile: undefined, minimumDays: undefined };
const request = { method: 'GET', path: '/', host: undefined, body: undefined } as const;
const anything = { text: undefined, regex: undefined, not: undefined };

describe('a check of the configuration', () => {
  it('is a word where its kind needs nothing else', () => {
    assert.deepEqual(checkOf('tcp'), { ...usual, kind: 'tcp' });
    assert.deepEqual(checkOf('http'), {
      ...usual,
      ...request,
      kind: 'http',
      status: [{ from: 200, to: 299 }],
    });
    assert.deepEqual(checkOf('none'), { ...USUAL_TIMING, kind: 'none' });
    assert.deepEqual(checkOf('icmp'), { ...USUAL_TIMING, kind: 'icmp', sourceAddress: undefined });
    assert.deepEqual(checkOf('smtp'), { ...usual, kind: 'smtp', helo: 'vipair' });
    assert.deepEqual(checkOf('redis'), { ...usual, kind: 'redis', user: undefined, passwordFile: undefined });
    assert.deepEqual(checkOf('grpc'), { ...usual, kind: 'grpc', service: '', tls: undefined });
    assert.deepEqual(checkOf('udp'), {
      ...usual,
      kind: 'udp',
      payload: new Uint8Array(),
      requiresReply: false,
      expect: undefined,
    });
  });

  it('is a mapping of its kind, its times, its port and where it comes from', () => {
    const yaml =
      '{ kind: tcp, interval: 500ms, timeout: 250ms, rise: 3, fall: 1, port: 8080, source: { lvs1: 10.0.0.2, lvs2: 10.0.0.3 } }';
    const expected = { kind: 'tcp', intervalMs: 500, timeoutMs: 250, rise: 3, fall: 1, port: 8080 };
    assert.deepEqual(checkOf(yaml, 'lvs1'), { ...expected, sourceAddress: '10.0.0.2' });
    assert.deepEqual(checkOf(yaml, 'lvs2'), { ...expected, sourceAddress: '10.0.0.3' });
    assert.deepEqual(checkOf('{ kind: icmp, source: 10.0.0.9 }'), {
      ...USUAL_TIMING,
      kind: 'icmp',
      sourceAddress: '10.0.0.9',
    });
  });

  it('of http says what is asked and what is right', () => {
    assert.deepEqual(
      checkOf(
        '{ kind: http, method: HEAD, path: /health?full=1, host: "a.example:8080", status: "200-299, 401" }',
      ),
      {
        ...usual,
        kind: 'http',
        method: 'HEAD',
        path: '/health?full=1',
        host: 'a.example:8080',
        status: [
          { from: 200, to: 299 },
          { from: 401, to: 401 },
        ],
        body: undefined,
      },
    );
    const bodyOf = (yaml: string) => {
      const check = checkOf(`{ kind: http, status: 200, body: ${yaml} }`);
      return check.kind === 'http' ? [check.status, check.body] : undefined;
    };
    const status = [{ from: 200, to: 200 }];
    assert.deepEqual(bodyOf('OK'), [status, { ...anything, text: 'OK' }]);
    assert.deepEqual(bodyOf('{ regex: "^ok$", not: drain }'), [
      status,
      { ...anything, regex: '^ok$', not: 'drain' },
    ]);
  });

  it('of https verifies for the name it is given, or the one in the host header', () => {
    const tlsOf = (yaml: string) => {
      const check = checkOf(yaml);
      return 'tls' in check ? check.tls : undefined;
    };
    assert.deepEqual(tlsOf('{ kind: https, server_name: a.example }'), tls);
    assert.deepEqual(tlsOf('{ kind: https, host: "a.example:8443" }'), tls);
    assert.deepEqual(tlsOf('{ kind: https, host: "[2001:db8::1]:8443" }'), {
      ...tls,
      serverName: '2001:db8::1',
    });
    assert.deepEqual(tlsOf('{ kind: https, verify: false, certificate_days: 3, ca_file: /etc/ca.pem }'), {
      serverName: undefined,
      verify: false,
      caFile: '/etc/ca.pem',
      minimumDays: 3,
    });
    assert.deepEqual(tlsOf('{ kind: grpc, tls: true, server_name: a.example }'), tls);
    assert.equal(tlsOf('{ kind: expect, expect: hello }'), undefined);
  });

  it('of the other kinds says what that kind needs', () => {
    assert.deepEqual(checkOf('{ kind: dns, name: example.net, type: MX, answer: 10 mx.example.net }'), {
      ...usual,
      kind: 'dns',
      name: 'example.net',
      recordType: 'MX',
      answer: '10 mx.example.net',
    });
    assert.deepEqual(checkOf('{ kind: expect, send: "version\\r\\n", expect: { regex: "^VERSION" } }'), {
      ...usual,
      kind: 'expect',
      send: 'version\r\n',
      expect: { ...anything, regex: '^VERSION' },
      tls: undefined,
    });
    assert.deepEqual(checkOf('{ kind: udp, send_hex: "00 ff7f", expect: pong }'), {
      ...usual,
      kind: 'udp',
      payload: Uint8Array.of(0, 255, 127),
      requiresReply: true,
      expect: { ...anything, text: 'pong' },
    });
    assert.deepEqual(checkOf('{ kind: script, command: [/bin/check, ""], port: 81 }'), {
      ...USUAL_TIMING,
      kind: 'script',
      command: ['/bin/check', ''],
      port: 81,
    });
    assert.deepEqual(checkOf('{ kind: redis, user: vipair, password_file: /etc/p }'), {
      ...usual,
      kind: 'redis',
      user: 'vipair',
      passwordFile: '/etc/p',
    });
  });

  const kinds = 'tcp, http, https, grpc, dns, smtp, expect, udp, icmp, redis, script or none';
  for (const [yaml, ...problems] of [
    ['tpc', `check: must be ${kinds}`],
    ['5', `check: must be ${kinds}`],
    ['[tcp]', `check: must be ${kinds}`],
    ['{ kind: htpp }', `check.kind: must be ${kinds}`],
    ['{ path: / }', 'check: "kind" is missing'],
    ['{}', 'check: "kind" is missing'],
    ['dns', 'check: "name" is missing'],
    ['script', 'check: "command" is missing'],
    ['https', 'check: needs a server_name that its certificate must have, or verify: false'],
    ['{ kind: http, pth: / }', 'check: "pth" unknown key; did you mean "path"?'],
    ['{ kind: tcp, pth: / }', 'check: "pth" unknown key'],
    ['{ kind: tcp, path: / }', 'check: "path" is not for kind: tcp, only for http and https'],
    [
      '{ kind: http, verify: false, frob: 1 }',
      'check: "verify" is not for kind: http, only for https, grpc and expect',
      'check: "frob" unknown key',
    ],
    ['{ kind: icmp, port: 7 }', /^check: "port" is not for kind: icmp, only for tcp, .* and script$/],
    ['{ kind: http, body: { txt: OK, not: KO } }', 'check.body: "txt" unknown key; did you mean "text"?'],
    ['{ kind: http, body: {} }', 'check.body: needs one of text, regex and not'],
    ['{ kind: http, body: 7 }', 'check.body: must be a text, or a mapping of text, regex and not'],
    [
      '{ kind: http, body: { regex: "(" } }',
      'check.body.regex: is not a regular expression: Unterminated group',
    ],
    [
      '{ kind: expect, expect: { not: "[z-a]" } }',
      'check.expect.not: is not a regular expression: Range out of order in character class',
    ],
    [
      '{ kind: tcp, interval: 500ms }',
      'check: must not have a timeout (1s) longer than its interval (500ms)',
    ],
    [
      '{ kind: tcp, interval: 1 }',
      'check.interval: must be a duration with its unit, such as 50ms, 1.5s or 1m',
    ],
    ['{ kind: tcp, rise: 0 }', 'check.rise: must be at least 1'],
    ['{ kind: tcp, port: 70000 }', 'check.port: must be at most 65535'],
    ['{ kind: http, path: health }', 'check.path: must begin with a slash and be without space'],
    ['{ kind: http, path: "/a b" }', 'check.path: must begin with a slash and be without space'],
    ['{ kind: http, host: "a\\r\\nX: y" }', 'check.host: is not a host name, with or without a port'],
    [
      '{ kind: http, status: "299-200" }',
      'check.status: is not a status or a range of it, such as 200, "200-299" or "200-299, 401"',
    ],
    [
      '{ kind: http, status: 99 }',
      'check.status: is not a status or a range of it, such as 200, "200-299" or "200-299, 401"',
    ],
    [
      '{ kind: http, method: HEAD, body: x }',
      'check: has a body to be judged, which only method: GET brings',
    ],
    ['{ kind: http, method: POST }', 'check.method: must be GET or HEAD'],
    ['{ kind: grpc, verify: false }', 'check: has verify, which only tls: true knows'],
    [
      '{ kind: grpc, tls: true }',
      'check: needs a server_name that its certificate must have, or verify: false',
    ],
    ['{ kind: dns, name: a.example, type: AXFR }', /^check\.type: must be A, AAAA, .* or TXT$/],
    ['{ kind: dns, name: "a b" }', 'check.name: is not a name of the DNS'],
    ['{ kind: dns, name: a.example, answer: 2001:db8::1 }', 'check.answer: is not an IPv4 address'],
    ['{ kind: smtp, helo: "a\\r\\nDATA" }', 'check.helo: is not a host name'],
    ['expect', 'check: needs expect: that somebody listens is what kind: tcp finds out'],
    [
      '{ kind: udp, send: a, send_hex: "0a" }',
      'check: has both send and send_hex, and only one datagram is sent',
    ],
    ['{ kind: udp, send_hex: "0a1" }', 'check.send_hex: must be pairs of hexadecimal digits'],
    ['{ kind: redis, user: a }', 'check: has a user, which needs a password_file'],
    ['{ kind: redis, password_file: relative }', 'check.password_file: must be an absolute path of a file'],
    ['{ kind: script, command: [check] }', 'check.command: must begin with the absolute path of a program'],
    ['{ kind: tcp, source: eth0 }', 'check.source: is not an address of a host'],
  ] as const) {
    it(`is refused: ${yaml}`, () => {
      const found = problemsOf(yaml);
      assert.equal(found.length, problems.length, JSON.stringify(found));
      problems.forEach((problem, index) => {
        if (typeof problem === 'string') {
          assert.equal(found[index], problem);
        } else {
          assert.match(found[index] ?? '', problem);
        }
      });
    });
  }

  it('tells its kinds as choices, so that a misspelt one finds its suggestion', () => {
    for (const yaml of ['htpps', '{ kind: htpps }']) {
      const parsed = parse(yaml);
      const [problem] = 'problems' in parsed ? parsed.problems : [];
      assert.equal(suggest('htpps', problem?.choices ?? []), 'https');
    }
  });

  it('takes any mapping without a throw, whatever stands in it', () => {
    for (const value of [
      null,
      '{ kind: null }',
      '{ kind: [tcp] }',
      '{ kind: toString }',
      '{ kind: __proto__ }',
    ]) {
      assert.equal(problemsOf(String(value)).length, 1, String(value));
    }
  });
});
