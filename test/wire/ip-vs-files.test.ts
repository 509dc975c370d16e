import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseServices, parseTotals } from '../../src/wire/ip-vs-files.ts';

const head = [
  'IP Virtual Server version 1.2.1 (size=4096)',
  'Prot LocalAddress:Port Scheduler Flags',
  '  -> RemoteAddress:Port Forward Weight ActiveConn InActConn',
  '',
].join('\n');

const stats = [
  '   Total Incoming Outgoing         Incoming         Outgoing',
  '   Conns  Packets  Packets            Bytes            Bytes',
  '       A      1F4       FF             C350         FFFFFFFFF',
  '',
  ' Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s',
  '       1        2        3                4                5',
  '',
].join('\n');

describe('/proc/net/ip_vs', () => {
  it('tells the connections of each real server', () => {
    const text = `${head}${[
      'TCP  C000020A:0050 wlc  persistent 36000 FFFFFF00',
      '  -> 0A000001:1F90      Masq    3      17         250       ',
      '  -> 0A000002:1F90      Route   0      0          4         ',
      'UDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0035 rr ',
      '  -> [2001:0db8:0000:0000:0000:0000:0000:0002]:0035      Tunnel  1      0          0         ',
      'FWM  FFFFFFFF sh ops ',
      '  -> [2001:0db8:0000:0000:0000:0000:0000:0003]:0000      Local   1      0          0         ',
      '',
    ].join('\n')}`;
    const flags = { isOnePacket: false, isPersistent: false };
    assert.deepEqual(parseServices(text), {
      ok: true,
      value: [
        {
          at: { kind: 'address', protocol: 'tcp', address: '192.0.2.10', port: 80 },
          scheduler: 'wlc',
          ...flags,
          isPersistent: true,
          servers: [
            server('10.0.0.1', 8080, 'masquerading', [3, 17, 250]),
            server('10.0.0.2', 8080, 'direct', [0, 0, 4]),
          ],
        },
        {
          at: { kind: 'address', protocol: 'udp', address: '2001:db8::1', port: 53 },
          scheduler: 'rr',
          ...flags,
          servers: [server('2001:db8::2', 53, 'tunnelling', [1, 0, 0])],
        },
        {
          at: { kind: 'fwmark', mark: 0xffffffff, family: 6 },
          scheduler: 'sh',
          ...flags,
          isOnePacket: true,
          servers: [server('2001:db8::3', 0, 'local', [1, 0, 0])],
        },
      ],
    });
  });

  it('is empty where there is no service', () => {
    assert.deepEqual(parseServices(head), { ok: true, value: [] });
  });

  it('is refused with the line that cannot be read', () => {
    for (const line of [
      'TCP  C000020A:50 wlc ',
      '  -> 0A000001:1F90      Teleport 1 0 0',
      '  -> 0A000001:1F90      Masq 1 0 0',
    ]) {
      const read = parseServices(`${head}${line}\n`);
      assert.deepEqual(read, { ok: false, reason: 'bad-line', detail: `line 4: ${line}` });
    }
  });
});

describe('/proc/net/ip_vs_stats', () => {
  it('tells the totals, which are hexadecimal', () => {
    assert.deepEqual(parseTotals(stats), {
      ok: true,
      value: { connections: 10, packetsIn: 500, packetsOut: 255, bytesIn: 50_000, bytesOut: 68_719_476_735 },
    });
  });

  it('is read or refused, and so is /proc/net/ip_vs, whatever is in it', () => {
    assert.equal(parseTotals(stats.replace('1F4', '1G4')).ok, false);
    assert.equal(parseTotals('').ok, false);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (hostile) => {
        assert.equal(typeof parseTotals(`\n\n${hostile}`).ok, 'boolean');
        assert.equal(typeof parseServices(`${head}${hostile}`).ok, 'boolean');
      }),
    );
  });
});

function server(
  address: string,
  port: number,
  method: string,
  [weight, activeConnections, inactiveConnections]: readonly [number, number, number],
): unknown {
  return { address, port, method, weight, activeConnections, inactiveConnections };
}
