import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type Exchange,
  findingsOf,
  formatExchange,
  hashOfServer,
  mostFailedPerPart,
  parseExchange,
} from '../../src/wire/exchange.ts';
import { fitsNote } from '../../src/wire/note.ts';

const ids = (count: number) =>
  Array.from({ length: count }, (_, index) => `tcp 192.0.2.10:80 10.${index >> 8}.${index & 255}.1:80`);

describe('what directors tell each other', () => {
  const samples: readonly Exchange[] = [
    {
      kind: 'drain',
      drain: {
        server: '[2001:db8::11]:80',
        service: 'tcp [2001:db8::10]:80',
        isOn: true,
        stamp: 1_700_000_000_000,
        by: 'x'.repeat(63),
        wallMs: 1_700_000_000_000,
      },
    },
    { kind: 'connections', count: 12_345_678 },
    ...findingsOf(7, ids(200)),
  ];

  it('is read as it was written, and fits a note', () => {
    for (const sample of samples) {
      const text = formatExchange(sample);
      assert.deepEqual(parseExchange(text), { ok: true, value: sample });
      assert.ok(fitsNote(text), `${text.length} characters`);
    }
  });

  it('is in parts, one at least', () => {
    assert.deepEqual(findingsOf(1, []), [
      { kind: 'findings', revision: 1, part: 0, partCount: 1, failed: [] },
    ]);
    const parts = findingsOf(1, ids(mostFailedPerPart + 1));
    assert.equal(parts.length, 2);
    const told = parts.flatMap((part) => (part.kind === 'findings' ? part.failed : []));
    assert.deepEqual(told, ids(mostFailedPerPart + 1).map(hashOfServer));
  });

  it('is refused where it is anything else, and never an exception', () => {
    for (const text of [
      '',
      '[]',
      '{"kind":"drain"}',
      '{"kind":"findings","revision":1,"part":1,"partCount":1,"failed":[]}',
    ]) {
      assert.equal(parseExchange(text).ok, false, text);
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        assert.equal(parseExchange(text).ok, false);
      }),
    );
    fc.assert(
      fc.property(fc.json(), (text) => {
        assert.equal(parseExchange(text).ok, false);
      }),
    );
  });
});
