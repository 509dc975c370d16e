import assert from 'node:assert/strict';
import { type ScriptCheck } from '../../src/core/check.ts';
import { outcome, usual } from './real-server.ts';

const { intervalMs, timeoutMs, rise, fall } = usual;
const target = { address: '192.0.2.7', port: 389 };
const script = (...words: readonly string[]): ScriptCheck => ({
  ...{ kind: 'script', intervalMs, timeoutMs, rise, fall, port: undefined },
  command: words,
});
const sh = (text: string) => script('/bin/sh', '-c', text);

describe('a check by script', () => {
  it('is well when the program ends with 0, which is told whom it is about', async () => {
    const test = sh('test "$VIPAIR_ADDRESS $VIPAIR_PORT $VIPAIR_TIMEOUT_MS" = "192.0.2.7 389 1000"');
    assert.equal(await outcome(test, target), 'ok');
    assert.deepEqual((await outcome({ ...test, port: 636 }, target))[0], 'exit-code');
  });

  it('fails by its exit code or signal, with its last words made harmless', async () => {
    assert.deepEqual(await outcome(sh("printf 'no \\033[2J base'; exit 3"), target), [
      'exit-code',
      'ended with exit code 3: no [2J base',
    ]);
    assert.deepEqual(await outcome(sh('kill -SEGV $$'), target), ['exit-code', 'was ended by SIGSEGV']);
  });

  it('cannot be made when the program is not there', async () => {
    assert.equal((await outcome(script('/nowhere/check'), target))[0], 'cannot-check');
  });

  it('is killed at its timeout, and when it is called off', async () => {
    assert.equal((await outcome({ ...sh('sleep 60'), timeoutMs: 100 }, target))[0], 'timeout');
    const end = new AbortController();
    const running = outcome(sh('sleep 60'), target, end.signal);
    end.abort();
    assert.equal((await running)[0], 'cannot-check');
  });
});
