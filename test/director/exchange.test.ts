import assert from 'node:assert/strict';
import { type Drain } from '../../src/core/drains.ts';
import { createExchange, type ExchangeWithPeer } from '../../src/director/exchange.ts';

const drain: Drain = {
  server: '10.99.0.11',
  service: undefined,
  isOn: true,
  stamp: 5,
  by: 'lvs1',
  wallMs: 5,
};

/** Two directors and the wire between them, which may lose what is told. */
function pair(failed: readonly string[], intervalMs = 50) {
  const heard: Drain[] = [];
  const wire: string[] = [];
  let nowMs = 0;
  let toldCount = 0;
  const make = (tellPeer: (text: string) => void, own: readonly string[]): ExchangeWithPeer =>
    createExchange({
      tellPeer,
      failed: () => own,
      drains: () => (own.length > 0 ? [drain] : []),
      connections: () => 42,
      intervalMs,
      onDrain: (told) => heard.push(told),
      nowMs: () => nowMs,
    });
  const a = make((text) => wire.push(text), failed);
  const b = make(() => undefined, []);
  return {
    a,
    b,
    heard,
    told: () => toldCount,
    /** Seconds go by; the wire carries what `carries` lets through. */
    pass: (seconds: number, carries: (index: number) => boolean = () => true, bootId = 'x') => {
      for (let second = 0; second < seconds; second += 1) {
        nowMs += 1000;
        a.tell();
        toldCount += wire.length;
        wire.splice(0).forEach((text, index) => {
          if (carries(index + second)) {
            b.hear(text, bootId);
          }
        });
      }
    },
  };
}

const many = Array.from(
  { length: 500 },
  (_, index) => `tcp 192.0.2.10:80 10.0.${index >> 8}.${index & 255}:80`,
);

describe('the exchange between directors', () => {
  it('tells whom the other one finds failed, and that all others are well', () => {
    const { b, pass } = pair(many);
    assert.equal(b.peerFindings('tcp 192.0.2.10:80 10.0.0.7:80'), undefined, 'nothing was heard yet');
    pass(4);
    assert.equal(b.peerFindings('tcp 192.0.2.10:80 10.0.0.7:80'), false);
    assert.equal(b.peerFindings('tcp 192.0.2.10:80 10.9.0.7:80'), true);
    assert.equal(b.peerConnections(), 42);
  });

  it('tells no more than heartbeats carry, and all of it in the end', () => {
    for (const intervalMs of [500, 1000, 4000]) {
      const { b, heard, pass, told } = pair(many.slice(0, 50), intervalMs);
      pass(120);
      assert.ok(told() <= (120 * 1000) / intervalMs, `${told()} texts with heartbeats of ${intervalMs} ms`);
      assert.deepEqual(heard[0], drain);
      assert.equal(b.peerFindings(many[0] ?? ''), false);
      assert.equal(b.peerConnections(), 42);
    }
  });

  it('gets through a wire that loses every third note', () => {
    const { b, heard, pass } = pair(many.slice(0, 100));
    pass(12, (index) => index % 3 !== 0);
    assert.equal(b.peerFindings(many[0] ?? ''), false);
    assert.deepEqual(heard[0], drain);
  });

  it('forgets what is not repeated, and begins anew with another life of the peer', () => {
    const { b, pass } = pair(['tcp 192.0.2.10:80 10.0.0.7:80']);
    pass(1);
    pass(31, () => false);
    assert.equal(b.peerFindings('tcp 192.0.2.10:80 10.0.0.7:80'), undefined);
    assert.equal(b.peerConnections(), undefined);
    pass(1, () => true, 'y');
    assert.equal(b.peerFindings('tcp 192.0.2.10:80 10.0.0.7:80'), false);
  });

  it('hears nothing in what is not an exchange', () => {
    const { b, heard } = pair([]);
    b.hear('nonsense', 'x');
    b.hear('{"kind":"drain","drain":{}}', 'x');
    assert.deepEqual([heard, b.peerFindings('x')], [[], undefined]);
  });
});
