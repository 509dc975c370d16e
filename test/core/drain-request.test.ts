import assert from 'node:assert/strict';
import { USUAL_TIMING } from '../../src/core/check.ts';
import { type Drain } from '../../src/core/drains.ts';
import { isNewWord, stillDrained, understandDrain } from '../../src/core/drain-request.ts';
import { type Policies, type Policy } from '../../src/core/pool.ts';
import { type RealServer, type Table, type VirtualAddress } from '../../src/core/table.ts';

const web = { kind: 'address', protocol: 'tcp', address: '192.0.2.10', port: 80 } as const;
const marked = { kind: 'fwmark', mark: 1, family: 4 } as const;

function server(address: string, port: number): RealServer {
  const forwarding = { method: 'masquerading' } as const;
  return { address, port, forwarding, weight: 1, upperThreshold: 0, lowerThreshold: 0 };
}

function service(at: VirtualAddress, ...servers: readonly RealServer[]): Table[number] {
  return { at, scheduler: 'wlc', schedulerFlags: [], persistence: undefined, isOnePacket: false, servers };
}

const base: Table = [
  service(web, server('10.99.0.11', 80), server('2001:db8::11', 80)),
  service(marked, server('10.99.0.11', 0)),
];
const policy: Policy = {
  name: undefined,
  check: { kind: 'none', ...USUAL_TIMING },
  onFailure: 'quiesce',
  quorum: 1,
  hysteresis: 0,
  sorry: undefined,
};
const policies: Policies = {
  services: [{ ...policy, key: 'fwmark 1', name: 'media' }],
  stream: policy,
  datagram: policy,
  mark: policy,
};

describe('a drain that was asked for', () => {
  const rows: readonly [string, string | undefined, string][] = [
    ['10.99.0.11', undefined, '10.99.0.11 in all'],
    ['10.99.0.11:80', undefined, '10.99.0.11:80 in all'],
    ['10.99.0.11', 'media', '10.99.0.11 in fwmark 1'],
    ['10.99.0.11', 'tcp 192.0.2.10:80', '10.99.0.11 in tcp 192.0.2.10:80'],
    ['[2001:DB8:0::11]:80', undefined, '[2001:db8::11]:80 in all'],
    ['2001:db8::11', undefined, '2001:db8::11 in all'],
    ['10.99.0.11', 'web', 'unknown-service'],
    ['10.99.0.12', undefined, 'unknown-server'],
    ['10.99.0.11:81', undefined, 'unknown-server'],
    ['2001:db8::11', 'media', 'unknown-server'],
    ['rs1', undefined, 'not-a-server'],
    ['10.99.0.11:99999', undefined, 'not-a-server'],
    ['', undefined, 'not-a-server'],
  ];
  for (const [wanted, of, expected] of rows) {
    it(`${wanted} ${of === undefined ? '' : `of ${of} `}is understood as ${expected}`, () => {
      const meant = understandDrain({ server: wanted, service: of, isOn: true }, base, policies, []);
      assert.equal(
        meant.ok ? `${meant.value.server} in ${meant.value.service ?? 'all'}` : meant.reason,
        expected,
      );
    });
  }

  it('may be ended for a real server that is gone', () => {
    assert.ok(
      understandDrain({ server: '10.99.0.12', service: undefined, isOn: false }, base, policies, []).ok,
    );
  });

  const drained = (of: string, in_: string | undefined, isOn = true, stamp = 1): Drain => ({
    ...{ server: of, service: in_, isOn, stamp },
    ...{ by: 'lvs1', wallMs: 0 },
  });

  it('may be ended for a service that is gone, and only if there was one', () => {
    const wish = { server: '10.99.0.11', service: 'tcp 192.0.2.10:443', isOn: false };
    const known = [drained('10.99.0.11', 'tcp 192.0.2.10:443')];
    const meant = understandDrain(wish, base, policies, known);
    assert.ok(meant.ok && meant.value.service === 'tcp 192.0.2.10:443');
    assert.ok(!understandDrain(wish, base, policies, []).ok);
    assert.ok(!understandDrain({ ...wish, isOn: true }, base, policies, known).ok);
  });

  it('is nothing new when it is said again, unless somebody set a weight by hand since', () => {
    const word = { server: '10.99.0.11', service: undefined, isOn: true };
    const known = { base, drains: [drained('10.99.0.11', undefined)], overridden: new Set<string>() };
    assert.equal(isNewWord(word, { ...known, drains: [] }), true);
    assert.equal(isNewWord(word, known), false);
    assert.equal(isNewWord({ ...word, isOn: false }, known), true);
    const byHand = new Set(['tcp 192.0.2.10:80 10.99.0.11:80']);
    assert.equal(isNewWord(word, { ...known, overridden: byHand }), true);
    assert.equal(isNewWord(word, { ...known, overridden: new Set(['fwmark 2 10.99.0.11:0']) }), false);
  });

  it('may be ended in general and stand for what was named more closely', () => {
    const ofPort = drained('10.99.0.11:80', undefined);
    const ofMark = drained('10.99.0.11', 'fwmark 1');
    const ended = drained('10.99.0.11', undefined, false, 2);
    assert.deepEqual(stillDrained(ended, base, [ofPort, ofMark, ended]), [ofPort, ofMark]);
    assert.deepEqual(stillDrained(ended, base, [ended]), []);
  });
});
