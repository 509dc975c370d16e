import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type LvsMemory, noMemory } from '../../src/core/lvs.ts';
import { parseDrain, parseMemory } from '../../src/wire/lvs-memory.ts';
import { anyTable } from '../core/tables.ts';

const drain = fc.record(
  {
    server: fc.constantFrom('10.99.0.11', '[2001:db8::11]:80'),
    service: fc.constantFrom(undefined, 'tcp 192.0.2.10:80'),
    isOn: fc.boolean(),
    stamp: fc.nat(),
    by: fc.constant('lvs1'),
    wallMs: fc.nat(),
  },
  { noNullPrototype: true },
);

const memory: fc.Arbitrary<LvsMemory> = fc.tuple(anyTable, fc.array(drain)).map(([table, drains]) => ({
  kept: table.flatMap(({ servers }) =>
    servers.map((base, index) => ({
      service: 'tcp 192.0.2.10:80',
      server: `10.99.0.${index}:80`,
      base: index % 2 === 0 ? base : undefined,
      left: index % 3 === 0 ? (['removed'] as const) : [0, base.weight],
    })),
  ),
  failed: table.flatMap(({ servers }) => servers.map(({ address }) => address)),
  overridden: table.flatMap(({ servers }) => servers.map(({ address }) => address).slice(1)),
  drains,
}));

describe('what is kept of virtual services', () => {
  it('is read as it was written, under the same kernel', () => {
    fc.assert(
      fc.property(memory, (kept) => {
        const read = parseMemory(JSON.stringify({ ...kept, bootId: 'x' }), 'x');
        assert.deepEqual(read, { ok: true, value: JSON.parse(JSON.stringify(kept), revive) as LvsMemory });
      }),
      { numRuns: 50 },
    );
  });

  it('is after a reboot the drains, and what a table that was saved before it may have in it', () => {
    const drains = [{ server: '10.99.0.11', service: undefined, isOn: true, stamp: 1, by: 'a', wallMs: 2 }];
    const server = {
      address: '10.99.0.11',
      port: 80,
      forwarding: { method: 'direct' },
      weight: 3,
      upperThreshold: 0,
      lowerThreshold: 0,
    };
    const kept = (left: readonly (number | 'removed')[]) => ({
      ...{ service: 'tcp 192.0.2.10:80', server: '10.99.0.11:80' },
      ...{ base: server, left },
    });
    const text = JSON.stringify({
      ...{ bootId: 'x', kept: [kept(['removed', 0]), kept(['removed'])] },
      ...{ failed: ['a'], overridden: ['a'], drains },
    });
    assert.deepEqual(parseMemory(text, 'y'), { ok: true, value: { ...noMemory, drains, kept: [kept([0])] } });
  });

  it('is nothing at all where it cannot be understood, and never an exception', () => {
    for (const text of [
      '',
      '{',
      '[]',
      'null',
      '{}',
      '{"kept":[{}],"failed":[],"overridden":[],"drains":[]}',
    ]) {
      assert.equal(parseMemory(text, 'x').ok, false, text);
    }
    fc.assert(
      fc.property(fc.json(), (text) => {
        assert.equal(parseMemory(text, 'x').ok, false);
      }),
    );
    fc.assert(
      fc.property(fc.anything(), (value) => {
        assert.equal(parseDrain(value), undefined);
      }),
    );
  });

  it('has no drain of a server that none can be, of a day that none is, or with words for a terminal', () => {
    const sound = {
      server: '10.99.0.11:80',
      service: 'fwmark 1',
      isOn: true,
      stamp: 1,
      by: 'lvs1',
      wallMs: 2,
    };
    assert.deepEqual(parseDrain(sound), sound);
    for (const wrong of [
      { server: 'web1' },
      { server: '10.99.0.011' },
      { server: '[10.99.0.11]:80' },
      { stamp: 2 ** 53 - 1 },
      { stamp: -1 },
      { wallMs: 9e15 },
      { by: '\u001b[2J' },
      { service: 'fwmark 1\n' },
    ]) {
      assert.equal(parseDrain({ ...sound, ...wrong }), undefined, JSON.stringify(wrong));
    }
  });
});

/** JSON leaves out what is undefined; the parser says it. */
function revive(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return value;
  }
  const isDrain = 'stamp' in value;
  const isKept = 'left' in value;
  return {
    ...value,
    ...(isDrain && !('service' in value) ? { service: undefined } : {}),
    ...(isKept && !('base' in value) ? { base: undefined } : {}),
  };
}
