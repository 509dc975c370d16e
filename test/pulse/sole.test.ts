import assert from 'node:assert/strict';
import { beSole } from '../../src/pulse/sole.ts';

describe('one daemon per pair', () => {
  it('refuses a second, lets another pair be, and is free again when the first ends', async () => {
    const name = `sole-${process.pid}`;
    const first = await beSole(name);
    assert.ok(first.ok);
    assert.deepEqual(await beSole(name), { ok: false, reason: 'already-running' });
    const other = await beSole(`${name}-other`);
    assert.ok(other.ok);
    first.value[Symbol.dispose]();
    const again = await beSole(name);
    assert.ok(again.ok);
    again.value[Symbol.dispose]();
    other.value[Symbol.dispose]();
  });
});
