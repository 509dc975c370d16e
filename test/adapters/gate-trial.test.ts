import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { answerGate, tryGate } from '../../src/adapters/gate-trial.ts';
import { run } from '../lab/command.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';

const modulePath = fileURLToPath(new URL('../../src/main.js', import.meta.url));

describe('the trial of the gate', function () {
  this.timeout(15_000);

  it('puts one up in a namespace of its own and leaves nothing on this host', async function () {
    const reason = whyNoNamespaces();
    if (reason !== undefined) {
      console.log(`    skipped: ${reason}`);
      this.skip();
    }
    const before = run(['nft', 'list', 'ruleset']);
    const tried = await tryGate({ timeoutMs: 10_000, modulePath });
    // Whether this kernel has every part is its own affair; that it answered is what counts.
    assert.ok(tried.ok || tried.reason !== 'cannot-try', JSON.stringify(tried));
    assert.equal(run(['nft', 'list', 'ruleset']), before);
  });

  it('says when it could not be made', async () => {
    const tried = await tryGate({ timeoutMs: 5000, modulePath: '/no/such/program.js' });
    assert.equal(tried.ok ? 'ok' : tried.reason, 'cannot-try');
  });

  it('refuses to put anything up where interfaces are', async () => {
    assert.equal(await answerGate(), 'this is not an empty network namespace');
  });
});
