import assert from 'node:assert/strict';
import { createPulseLine } from '../../src/director/pulse-line.ts';
import { type ToPulse } from '../../src/pulse/channel.ts';

function lineTo(connected: boolean) {
  const sent: ToPulse[] = [];
  const read: string[] = [];
  const line = createPulseLine({
    channel: { connected, send: (message) => sent.push(message) },
    onRecord: () => undefined,
    onTrouble: () => undefined,
    onNote: (text, bootId) => read.push(`${bootId}: ${text}`),
  });
  return { line, sent, read };
}

describe('the line to the pulse', () => {
  it('takes a note for the peer, as long as a note can be and no longer', () => {
    const { line, sent } = lineTo(true);
    const longest = 'é'.repeat(512);
    assert.deepEqual(line.tellPeer(longest), { ok: true, value: undefined });
    assert.deepEqual(line.tellPeer(`${longest}!`), { ok: false, reason: 'too-long' });
    assert.deepEqual(sent, [{ kind: 'note', text: longest }]);
  });

  it('hands over a note of the peer with the boot that wrote it', () => {
    const { line, read } = lineTo(true);
    line.receive({ kind: 'note', text: '10.0.0.7:80 is down', bootId: 'beef' });
    assert.deepEqual(read, ['beef: 10.0.0.7:80 is down']);
  });

  it('lets a note go when there is no pulse any more', () => {
    const { line, sent } = lineTo(false);
    assert.ok(line.tellPeer('to nobody').ok);
    assert.deepEqual(sent, []);
  });
});
