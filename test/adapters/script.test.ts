import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runScript, type ScriptReason } from '../../src/adapters/script.ts';
import { type Result } from '../../src/core/result.ts';
import { eventually } from '../lab/eventually.ts';

/** Real programs, in a directory of their own; what they start writes its pid there. */
describe('a script', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'vp-script-'));
  });
  after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(() => {
    rmSync(join(directory, 'pids'), { force: true });
  });

  function write(name: string, text: string, mode = 0o755): string {
    const file = join(directory, name);
    writeFileSync(file, text, { mode });
    return file;
  }

  function run(
    command: readonly string[],
    timeoutMs = 5000,
    signal = new AbortController().signal,
  ): Promise<Result<string, ScriptReason>> {
    const environment = { PATH: '/usr/bin:/bin', PIDS: join(directory, 'pids'), VIPAIR_ROLE: 'backup' };
    return runScript({ command, timeoutMs, environment }, signal);
  }

  const sh = (text: string, timeoutMs?: number) => run(['/bin/sh', '-c', text], timeoutMs);

  /** The processes that told their pid and are not gone. */
  function living(): string[] {
    return readFileSync(join(directory, 'pids'), 'utf8')
      .split('\n')
      .filter((pid) => pid !== '' && isAlive(pid));
  }

  async function noneLeft(): Promise<void> {
    assert.notEqual(readFileSync(join(directory, 'pids'), 'utf8'), '');
    await eventually('all it started is gone', () => (living().length === 0 ? true : undefined), 2000);
  }

  it('is well when it ends with 0, and says what it printed', async () => {
    assert.deepEqual(await sh('echo fine; echo really >&2'), { ok: true, value: 'fine\nreally' });
  });

  it('is run without a shell, with only the environment it is given, and without input', async () => {
    assert.deepEqual(await run(['/bin/echo', '$HOME; *']), { ok: true, value: '$HOME; *' });
    const seen = await run(['/usr/bin/env']);
    assert.deepEqual(seen.ok ? seen.value.split('\n').sort() : seen, [
      'PATH=/usr/bin:/bin',
      `PIDS=${directory}/pids`,
      'VIPAIR_ROLE=backup',
    ]);
    assert.deepEqual(await run(['/bin/cat']), { ok: true, value: '' });
  });

  it('fails with its exit code or signal, and its last words', async () => {
    assert.deepEqual(await sh('echo table is full; exit 3'), {
      ok: false,
      reason: 'exit-code',
      detail: 'ended with exit code 3: table is full',
    });
    assert.deepEqual(await sh('kill -SEGV $$'), {
      ok: false,
      reason: 'signal',
      detail: 'was ended by SIGSEGV',
    });
  });

  it('that is missing or may not be executed fails, and says which', async () => {
    const outcomes = [
      await run([join(directory, 'absent')]),
      await run([write('interpreterless', '#!/no/such/interpreter\n')]),
      await run([write('data', '#!/bin/sh\n', 0o644)]),
      await run([directory]),
      await run([`${write('file', '')}/below`]),
    ];
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.reason)),
      ['not-found', 'not-found', 'not-executable', 'not-executable', 'cannot-start'],
    );
    assert.match(outcomes[2]?.ok === false ? (outcomes[2].detail ?? '') : '', /chmod/);
  });

  it('that hangs is killed at the timeout with all that it started', async () => {
    const hanging = `
      for name in one two three; do
        sh -c 'echo $$ >> "$PIDS"; trap "" TERM HUP; while :; do sleep 60; done' &
      done
      echo $$ >> "$PIDS"
      echo waiting
      wait
    `;
    const startedMs = performance.now();
    assert.deepEqual(await sh(hanging, 400), {
      ok: false,
      reason: 'timeout',
      detail: 'took longer than 400 ms and was killed: waiting',
    });
    assert.ok(performance.now() - startedMs < 2000);
    assert.equal(readFileSync(join(directory, 'pids'), 'utf8').trim().split('\n').length, 4);
    await noneLeft();
  });

  it('that ends and leaves a process behind takes it along', async () => {
    assert.deepEqual(await sh('sh -c \'echo $$ >> "$PIDS"; exec sleep 60\' & sleep 0.1; echo done'), {
      ok: true,
      value: 'done',
    });
    await noneLeft();
  });

  it('is not waited for by what left its group and holds its output', async () => {
    const startedMs = performance.now();
    assert.equal((await sh('setsid sh -c \'echo $$ >> "$PIDS"; exec sleep 60\' & sleep 0.1')).ok, true);
    assert.ok(performance.now() - startedMs < 2000);
    for (const pid of living()) {
      process.kill(Number(pid), 'SIGKILL');
    }
  });

  it('that prints megabytes is read to its end, of which 4 KiB are kept', async () => {
    const outcome = await sh('head -c 20000000 /dev/zero | tr "\\0" x; echo; echo the end');
    assert.ok(outcome.ok);
    assert.ok(outcome.value.length <= 4096 && outcome.value.length > 4000);
    assert.match(outcome.value, /x\nthe end$/);
  });

  it('that prints without end is bounded by the timeout', async () => {
    const outcome = await run(['/bin/sh', '-c', 'echo $$ >> "$PIDS"; exec yes'], 300);
    assert.equal(outcome.ok ? 'ok' : outcome.reason, 'timeout');
    assert.ok((outcome.ok ? '' : (outcome.detail ?? '')).length < 4200);
    await noneLeft();
  });

  it('is killed when it is not wanted any more, and not even started when that was so before', async () => {
    const end = new AbortController();
    const running = run(['/bin/sh', '-c', 'echo $$ >> "$PIDS"; sleep 60'], 60_000, end.signal);
    await eventually('it runs', () => {
      try {
        return living()[0];
      } catch {
        return undefined;
      }
    });
    end.abort();
    assert.deepEqual(await running, { ok: false, reason: 'aborted' });
    await noneLeft();
    assert.deepEqual(await run(['/bin/sh', '-c', 'touch never'], 1000, end.signal), {
      ok: false,
      reason: 'aborted',
    });
  });

  it('leaves no descriptor and no child behind, however it ended', async () => {
    const descriptors = () => readdirSync('/proc/self/fd').length;
    await sh('true');
    const before = descriptors();
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([
        sh('true'),
        sh('exit 1'),
        sh('sleep 60', 50),
        sh('yes', 50),
        run([join(directory, 'absent')]),
        run([write('plain', '#!/bin/sh\n', 0o644)]),
      ]);
    }
    await eventually('the descriptors are closed', () => (descriptors() <= before ? true : undefined), 2000);
    assert.equal(readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim(), '');
  });
});

/** A zombie holds nothing any more: it counts as gone. */
function isAlive(pid: string): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
