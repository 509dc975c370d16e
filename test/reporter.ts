import { writeFileSync } from 'node:fs';
import mocha from 'mocha';

/**
 * Mocha's own `spec` on the terminal; at the end the totals also as `dist/test-totals.json`, for `.ci/run`.
 * A test that skips says why on the terminal: that is its own duty. A test that leaves something open would
 * keep the run from ending: it is named, and the run fails.
 */
export default class Reporter extends mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    const { stats } = this;
    runner.once('end', () => {
      const totals = { passed: stats.passes, failed: stats.failures, skipped: stats.pending };
      writeFileSync(new URL('../test-totals.json', import.meta.url), `${JSON.stringify(totals)}\n`);
      setTimeout(complain, PATIENCE_MS).unref();
    });
  }
}

const PATIENCE_MS = 5000;

function complain(): void {
  const open = process.getActiveResourcesInfo().filter((kind) => kind !== 'TTYWrap' && kind !== 'PipeWrap');
  process.stderr.write(`\nThe tests have left something open: ${open.join(', ') || 'a pipe'}\n`);
  // Mocha sets the exit code in a listener of its own; the last one has the word.
  process.on('exit', () => {
    process.exitCode = 1;
  });
  process.exit(1);
}
