import assert from 'node:assert/strict';
import fc from 'fast-check';
import { difference } from '../../src/core/reconcile.ts';
import { type RealServer, type Table } from '../../src/core/table.ts';
import { parseRule } from '../../src/wire/ipvsadm-rule.ts';
import { parseThresholds, withThresholds } from '../../src/wire/ipvsadm-thresholds.ts';
import { formatChange, formatSave, parseSave } from '../../src/wire/ipvsadm.ts';
import { anyTable } from '../core/tables.ts';

const direct: RealServer = {
  address: '192.168.1.1',
  port: 8080,
  forwarding: { method: 'direct' },
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
};

describe('the text of ipvsadm', () => {
  it('is read back as the table that was written', () => {
    fc.assert(
      fc.property(anyTable, (table) => {
        assert.deepEqual(parseSave(formatSave(table)), { ok: true, value: table });
      }),
    );
  });

  it('is read back as the change that was written', () => {
    fc.assert(
      fc.property(anyTable, anyTable, (desired, actual) => {
        for (const change of difference(desired, actual)) {
          assert.deepEqual(parseRule(formatChange(change)), { ok: true, value: change });
          assert.equal(formatChange(change).includes('\n'), false);
        }
      }),
    );
  });

  it('is read as operators keep it: a scheduler without weights, a port that differs', () => {
    const rules = [
      '-A -t 192.168.1.100:80 -s sh',
      '-a -t 192.168.1.100:80 -r 192.168.1.1:8080 -g',
      '-a -t 192.168.1.100:80 -r 192.168.1.2:8080 -g',
    ].join('\n');
    assert.deepEqual(parseSave(rules), {
      ok: true,
      value: [
        {
          at: { kind: 'address', protocol: 'tcp', address: '192.168.1.100', port: 80 },
          scheduler: 'sh',
          schedulerFlags: [],
          persistence: undefined,
          isOnePacket: false,
          servers: [direct, { ...direct, address: '192.168.1.2' }],
        },
      ] satisfies Table,
    });
  });

  it('may name the program, long options, joined options, comments and a beginning from nothing', () => {
    const rules = [
      '# the front door',
      'ipvsadm -C',
      '/sbin/ipvsadm --add-service --tcp-service=[2001:DB8:0::1]:443 --scheduler wrr -p',
      '',
      '-a -t [2001:db8::1]:443 -r [2001:db8::2] -mw 3  # the old one',
    ].join('\n');
    const read = parseSave(rules);
    assert.equal(
      read.ok ? formatSave(read.value) : read.detail,
      '-A -t [2001:db8::1]:443 -s wrr -p 360\n-a -t [2001:db8::1]:443 -r [2001:db8::2]:443 -m -w 3\n',
    );
  });

  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['-X', 'unknown-option', /^line 1: /],
    ['-t 192.0.2.1:80', 'unknown-command', /^line 1: /],
    ['-A -t www.example.org:http', 'bad-value', /numeric/],
    ['-A -t 192.0.2.1:80 -u 192.0.2.1:80', 'bad-value', /one service/],
    ['-A -t 192.0.2.1:70000', 'bad-value', /192\.0\.2\.1:70000/],
    ['-A -f 0', 'bad-value', /mark/],
    ['-A -t 192.0.2.1:80 -w 1', 'bad-option', /--weight/],
    ['-A -t 192.0.2.1:80 -s', 'bad-option', /value/],
    ['-A -t 192.0.2.1:80 -s wlc -s rr', 'bad-option', /second time/],
    ['\n-a -t 192.0.2.1:80 -r 192.0.2.2:80', 'no-such-service', /^line 2: /],
    ['-A -f 1\n-A -f 1', 'service-exists', /^line 2: /],
    ['-A -f 1\n-a -f 1 -r 192.0.2.2:0\n-a -f 1 -r 192.0.2.2:0', 'server-exists', /^line 3: /],
    ['-A -f 1\n-a -f 1 -r 192.0.2.2:0 -m -g', 'bad-value', /more than one/],
    [`# ${'x'.repeat(5000)}`, 'too-large', /4096/],
    ['\n'.repeat(200_002), 'too-large', /200000 lines/],
  ];
  for (const [text, reason, detail] of refused) {
    it(`refuses ${JSON.stringify(text.slice(0, 60))} and says where and why`, () => {
      const read = parseSave(text);
      assert.equal(read.ok ? 'ok' : read.reason, reason);
      assert.match(read.ok ? '' : (read.detail ?? ''), detail);
    });
  }

  it('is never trusted: any text is read or refused', () => {
    const words = fc.constantFrom(
      '-A',
      '-a',
      '-t',
      '-f',
      '1',
      '-r',
      '192.0.2.1:80',
      '-b',
      '-M',
      '-p',
      '--pe',
      '\n',
      '-i',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(words).map((list) => list.join(' ')),
    );
    fc.assert(
      fc.property(text, (hostile) => {
        assert.equal(typeof parseSave(hostile).ok, 'boolean');
        assert.equal(typeof parseThresholds(hostile).ok, 'boolean');
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the thresholds that ipvsadm lists', () => {
  const listed = [
    'IP Virtual Server version 1.2.1 (size=4096)',
    'Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn ',
    '  -> RemoteAddress:Port',
    'TCP  192.168.1.100:80 wlc',
    '  -> 192.168.1.1:8080             100        80         3          12        ',
    'FWM  -1 IPv6 wlc',
    '  -> [2001:db8::2]:0              0          0          0          0         ',
    '',
  ].join('\n');
  const table = parseSave(
    '-A -t 192.168.1.100:80\n-a -t 192.168.1.100:80 -r 192.168.1.1:8080\n-A -f 4294967295 -6\n-a -f 4294967295 -6 -r [2001:db8::2]:0',
  );

  it('are those of the table', () => {
    const thresholds = parseThresholds(listed);
    assert.ok(table.ok && thresholds.ok);
    assert.deepEqual(
      withThresholds(table.value, thresholds.value)?.map(({ servers }) =>
        servers.map(({ upperThreshold, lowerThreshold }) => [upperThreshold, lowerThreshold]),
      ),
      [[[100, 80]], [[0, 0]]],
    );
  });

  it('are no thresholds of a table that has a real server more', () => {
    const fewer = parseThresholds(listed.replace(/^ {2}-> 192.*\n/m, ''));
    assert.ok(table.ok && fewer.ok);
    assert.equal(withThresholds(table.value, fewer.value), undefined);
  });

  it('are refused with the line that cannot be read', () => {
    assert.deepEqual(parseThresholds('TCP  192.168.1.100:80 wlc\n  -> nonsense\n'), {
      ok: false,
      reason: 'bad-line',
      detail: 'line 2:   -> nonsense',
    });
  });
});
