import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { runCheck } from '../../src/adapters/checks.ts';
import { type DnsCheck } from '../../src/core/check.ts';
import { eventually } from '../lab/eventually.ts';
import { never, outcome, outcomeOf, usual } from './real-server.ts';

const dns: DnsCheck = { ...usual, kind: 'dns', name: 'www.a.example', recordType: 'A', answer: undefined };

interface Zone {
  readonly type?: number;
  readonly records?: readonly (readonly number[])[];
  readonly responseCode?: number;
}

/** A name server in a few lines (RFC 1035 §4.1): the question again, and these records for its name. */
function reply(query: Buffer, { type = 1, records = [], responseCode = 0 }: Zone): Buffer {
  const nameEnd = query.indexOf(0, 12) + 5;
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8180 | responseCode, 2);
  header.writeUInt16BE(records.length, 6);
  header.fill(0, 8);
  const answers = records.map((data) => [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length, ...data]);
  return Buffer.concat([header, query.subarray(12, nameEnd), Buffer.from(answers.flat())]);
}

const labels = (name: string) => [
  ...name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]),
  0,
];
const text = (line: string) => [line.length, ...Buffer.from(line)];

async function nameServer(answer: (query: Buffer) => Buffer | undefined) {
  const socket = createSocket('udp4');
  const sources: string[] = [];
  socket.on('message', (query, { address, port }) => {
    sources.push(address);
    const bytes = answer(query);
    if (bytes !== undefined) {
      socket.send(bytes, port, address);
    }
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    address: '127.0.0.1',
    port: socket.address().port,
    sources,
    [Symbol.dispose]() {
      socket.close();
    },
  };
}

describe('a check by dns', () => {
  const mx = [0, 10, ...labels('mx.a.example')];
  const rows: readonly [Partial<DnsCheck>, Zone, 'ok' | [string, string]][] = [
    [{}, { records: [[192, 0, 2, 1]] }, 'ok'],
    [
      { answer: '192.0.2.2' },
      {
        records: [
          [192, 0, 2, 1],
          [192, 0, 2, 2],
        ],
      },
      'ok',
    ],
    [{ answer: '192.0.2.9' }, { records: [[192, 0, 2, 1]] }, ['wrong-answer', 'answered 192.0.2.1']],
    [{}, {}, ['wrong-answer', 'answered without a record of type A']],
    [
      { recordType: 'AAAA', answer: '2001:DB8::0:1' },
      { type: 28, records: [[0x20, 1, 0xd, 0xb8, ...Array<number>(11).fill(0), 1]] },
      'ok',
    ],
    [{ recordType: 'CNAME', answer: 'B.example.' }, { type: 5, records: [labels('b.example')] }, 'ok'],
    [{ recordType: 'NS', answer: 'ns.a.example' }, { type: 2, records: [labels('ns.a.example')] }, 'ok'],
    [{ recordType: 'PTR', answer: 'a.example' }, { type: 12, records: [labels('a.example')] }, 'ok'],
    [{ recordType: 'MX', answer: '10 mx.a.example' }, { type: 15, records: [mx] }, 'ok'],
    [
      { recordType: 'TXT', answer: 'all is well' },
      { type: 16, records: [[...text('all is '), ...text('well')]] },
      'ok',
    ],
    [
      { recordType: 'SRV', answer: '1 2 443 a.example' },
      { type: 33, records: [[0, 1, 0, 2, 1, 187, ...labels('a.example')]] },
      'ok',
    ],
    [
      { recordType: 'SOA', answer: 'ns.a h.a 1 2 3 4 5' },
      {
        type: 6,
        records: [[...labels('ns.a'), ...labels('h.a'), ...[1, 2, 3, 4, 5].flatMap((n) => [0, 0, 0, n])]],
      },
      'ok',
    ],
    [{}, { responseCode: 1 }, ['wrong-status', 'answered FORMERR']],
    [{}, { responseCode: 2 }, ['wrong-status', 'answered SERVFAIL']],
    [{}, { responseCode: 3 }, ['wrong-status', 'answered NXDOMAIN']],
    [{}, { responseCode: 4 }, ['wrong-status', 'answered NOTIMP']],
    [{}, { responseCode: 5 }, ['wrong-status', 'answered REFUSED']],
  ];
  for (const [options, zone, expected] of rows) {
    it(`judges ${JSON.stringify(options)} by ${JSON.stringify(zone)}`, async () => {
      using server = await nameServer((query) => reply(query, zone));
      assert.deepEqual(await outcome({ ...dns, ...options }, server), expected);
    });
  }

  it('comes from the source address that it is told, and cannot from that of another host', async () => {
    using server = await nameServer((query) => reply(query, { records: [[192, 0, 2, 1]] }));
    assert.equal(await outcome({ ...dns, sourceAddress: '127.0.0.9' }, server), 'ok');
    assert.deepEqual(server.sources, ['127.0.0.9']);
    assert.equal((await outcome({ ...dns, sourceAddress: '192.0.2.1' }, server))[0], 'cannot-check');
  });

  it('fails as refused where nobody listens', async () => {
    const server = await nameServer(() => undefined);
    server[Symbol.dispose]();
    assert.equal((await outcome(dns, server))[0], 'refused');
  });

  it('is not fooled by noise', async () => {
    using server = await nameServer((query) => Buffer.concat([query.subarray(0, 2), Buffer.alloc(60, 0xff)]));
    const [reason] = await outcome({ ...dns, timeoutMs: 200 }, server);
    assert.match(String(reason), /^(?:timeout|wrong-answer)$/);
  });

  it('ends in time, and at once when it is called off', async () => {
    using server = await nameServer(() => undefined);
    const timeout = await runCheck({ ...dns, timeoutMs: 100 }, server, never);
    assert.equal(outcomeOf(timeout)[0], 'timeout');
    assert.ok(timeout.durationMs >= 95 && timeout.durationMs < 400, `${timeout.durationMs} ms`);
    const end = new AbortController();
    const running = runCheck({ ...dns, timeoutMs: 60_000 }, server, end.signal);
    await eventually('it has asked', () => server.sources.length > 1 || undefined);
    end.abort();
    assert.deepEqual(outcomeOf(await running), ['cannot-check', 'was called off']);
  });
});
