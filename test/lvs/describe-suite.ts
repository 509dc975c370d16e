import { findGround, whyNoGround } from './ground.ts';
import { startPlay, type Play } from './play.ts';
import { formatMeasured } from './report.ts';
import { type Suite } from './scenario.ts';

/** A first run fetches the guest. */
const PREPARE_LIMIT_MS = 600_000;
/** After the last scenario the stage is cleared and the kernel halts. */
const HALT_LIMIT_MS = 10_000;

/**
 * Makes mocha tests of a suite that runs beside a kernel with IPVS: one boot, one test a scenario, each shown
 * as soon as its outcome is known. `VIPAIR_SCENARIO=word` plays only scenarios whose name contains the word.
 */
export function describeSuite(suite: Suite): void {
  describe(suite.name, function () {
    this.timeout(suite.limitMs + HALT_LIMIT_MS);
    let play: Play | undefined;

    before(async function () {
      this.timeout(PREPARE_LIMIT_MS + suite.limitMs);
      const say = (line: string) => {
        console.log(`    ${line}`);
      };
      const ground = await findGround(say);
      if (!ground.ok) {
        say(`skipped: ${whyNoGround(ground)}`);
        this.skip();
      }
      play = startPlay(suite, ground.value, process.env['VIPAIR_SCENARIO'] ?? '', say);
      const opened = await play.opened;
      if (opened !== 'opened' && !opened.hasBooted) {
        say(`skipped: the guest does not boot here. Its last words:\n${opened.console.slice(-1000)}`);
        this.skip();
      }
    });
    for (const { name } of suite.scenarios) {
      it(name, async function () {
        const report = await play?.outcomeOf(name);
        if (report?.outcome === 'skipped') {
          console.log(`      skipped: ${report.detail}`);
          this.skip();
        }
        if (report?.outcome !== 'passed') {
          throw new Error(report?.detail);
        }
        if (Object.keys(report.measured).length > 0) {
          console.log(`      ${formatMeasured(report.measured)}`);
        }
      });
    }
    after(async () => {
      const timer = setTimeout(() => {
        play?.kill();
      }, HALT_LIMIT_MS / 2);
      await play?.ended;
      clearTimeout(timer);
    });
  });
}
