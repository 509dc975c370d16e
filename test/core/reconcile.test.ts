import assert from 'node:assert/strict';
import fc from 'fast-check';
import { difference, inStages } from '../../src/core/reconcile.ts';
import { applyChanges } from '../../src/core/table-change.ts';
import {
  endpoint,
  serviceKey,
  type RealServer,
  type Table,
  type VirtualService,
} from '../../src/core/table.ts';
import { anyTable, smallTable } from './tables.ts';

const server: RealServer = {
  address: '192.0.2.1',
  port: 80,
  forwarding: { method: 'direct' },
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
};
const service: VirtualService = {
  at: { kind: 'address', protocol: 'tcp', address: '198.51.100.1', port: 80 },
  scheduler: 'wlc',
  schedulerFlags: [],
  persistence: undefined,
  isOnePacket: false,
  servers: [server],
};

describe('the difference of two tables', () => {
  it('makes the table that is wanted of the one that is', () => {
    fc.assert(
      fc.property(fc.oneof(smallTable, anyTable), fc.oneof(smallTable, anyTable), (desired, actual) => {
        assert.deepEqual(sorted(applyChanges(actual, difference(desired, actual))), sorted(desired));
      }),
      { numRuns: 500 },
    );
  });

  it('is one change for each thing that differs, and none of them can be left out', () => {
    fc.assert(
      fc.property(smallTable, smallTable, (desired, actual) => {
        const changes = difference(desired, actual);
        assert.equal(changes.length, countDifferences(desired, actual));
        for (const index of changes.keys()) {
          assert.notDeepEqual(sorted(applyChanges(actual, changes.toSpliced(index, 1))), sorted(desired));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is nothing where only the order differs', () => {
    fc.assert(
      fc.property(anyTable, (table) => {
        const reversed = table.toReversed().map(({ servers, schedulerFlags, ...rest }) => ({
          ...rest,
          schedulerFlags: schedulerFlags.toReversed(),
          servers: servers.toReversed(),
        }));
        assert.deepEqual(difference(reversed, table), []);
      }),
    );
  });

  it('leaves each service, at every moment, all real servers that it could use before or all that it can use afterwards', () => {
    fc.assert(
      fc.property(smallTable, smallTable, (desired, actual) => {
        const changes = difference(desired, actual);
        for (let done = 0; done <= changes.length; done += 1) {
          const between = applyChanges(actual, changes.slice(0, done));
          for (const key of keysOfBoth(desired, actual)) {
            const [now, before, after] = [between, actual, desired].map((table) => usable(table, key));
            assert.ok(
              before?.every((name) => now?.includes(name)) === true ||
                after?.every((name) => now?.includes(name)),
              `${key} after ${done} changes`,
            );
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('gives a replacement first and then takes the old', () => {
    const other = { ...server, address: '192.0.2.2' };
    assert.deepEqual(difference([{ ...service, servers: [other] }], [service]), [
      { kind: 'add-server', at: service.at, server: other },
      { kind: 'remove-server', at: service.at, server: { address: '192.0.2.1', port: 80 } },
    ]);
  });

  it('quiesces by an edit, so that established connections stay', () => {
    const quiesced = { ...server, weight: 0 };
    assert.deepEqual(difference([{ ...service, servers: [quiesced] }], [service]), [
      { kind: 'edit-server', at: service.at, server: quiesced },
    ]);
  });

  it('edits a service whose settings differ, whichever it is', () => {
    const variants: readonly Partial<VirtualService>[] = [
      { scheduler: 'rr' },
      { schedulerFlags: ['flag-1'] },
      { isOnePacket: true },
      { persistence: { timeoutSeconds: 60, netmask: undefined, engine: undefined } },
    ];
    for (const variant of variants) {
      const kinds = difference([{ ...service, ...variant }], [service]).map(({ kind }) => kind);
      assert.deepEqual(kinds, ['edit-service']);
    }
  });
});

describe('the stages of changes', () => {
  it('hold all changes, each once, in their order', () => {
    fc.assert(
      fc.property(smallTable, smallTable, (desired, actual) => {
        const changes = difference(desired, actual);
        const { first, then } = inStages(changes);
        assert.deepEqual([...first, ...then].toSorted(byText), changes.toSorted(byText));
        assert.deepEqual(sorted(applyChanges(actual, [...first, ...then])), sorted(desired));
      }),
    );
  });

  it('leave a service that has and keeps usable real servers one of them, whatever the kernel refuses of the first stage', () => {
    const refusals = fc.array(fc.boolean(), { minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(smallTable, smallTable, refusals, (desired, actual, isRefused) => {
        const { first } = inStages(difference(desired, actual));
        const between = applyChanges(
          actual,
          first.filter((_, index) => isRefused[index] !== true),
        );
        for (const key of keysOfBoth(desired, actual)) {
          if (usable(actual, key).length > 0 && usable(desired, key).length > 0) {
            assert.notEqual(usable(between, key).length, 0, key);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

/** Names of the services in both tables. */
function keysOfBoth(a: Table, b: Table): string[] {
  const names = b.map(({ at }) => serviceKey(at));
  return a.map(({ at }) => serviceKey(at)).filter((key) => names.includes(key));
}

function find(table: Table, key: string): VirtualService | undefined {
  return table.find(({ at }) => serviceKey(at) === key);
}

function usable(table: Table, key: string): string[] {
  return (
    find(table, key)
      ?.servers.filter(({ weight }) => weight > 0)
      .map(endpoint) ?? []
  );
}

/** Counted by comparing text, which knows nothing of how the difference is found. A service takes its servers along when it goes. */
function countDifferences(desired: Table, actual: Table): number {
  const text = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value));
  const gone = actual.filter(({ at }) => find(desired, serviceKey(at)) === undefined).length;
  const counts = desired.map((wanted) => {
    const present = find(actual, serviceKey(wanted.at));
    const isSame = present !== undefined && wanted.scheduler === present.scheduler;
    const servers = text((present?.servers ?? []).map(plain));
    const other = text(wanted.servers.map(plain)).filter((name) => !servers.includes(name)).length;
    const surplus = (present?.servers ?? []).filter(
      (old) => !wanted.servers.some((now) => endpoint(now) === endpoint(old)),
    ).length;
    return (isSame ? 0 : 1) + other + surplus;
  });
  return counts.reduce((sum, count) => sum + count, gone);
}

function plain({ address, forwarding, weight, upperThreshold }: RealServer): unknown {
  return [address, forwarding.method, weight, upperThreshold];
}

function sorted(table: Table): Table {
  return table
    .map((one) => ({ ...one, servers: one.servers.toSorted((a, b) => byText(endpoint(a), endpoint(b))) }))
    .toSorted((a, b) => byText(serviceKey(a.at), serviceKey(b.at)));
}

function byText(a: unknown, b: unknown): number {
  const [first, second] = [JSON.stringify(a), JSON.stringify(b)];
  return first < second ? -1 : Number(first > second);
}
