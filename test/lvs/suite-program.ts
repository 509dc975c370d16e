import { formatReport } from './report.ts';
import { playSuite } from './scenario.ts';
import { suites } from './suites.ts';

/** Runs beside the kernel that has IPVS: plays the suite named first, of it what contains the word named second. */
const [name = '', word = ''] = process.argv.slice(2);
const suite = suites.find((known) => known.name === name);
if (suite === undefined) {
  throw new Error(`no suite ${name}`);
}
await playSuite(
  suite,
  (report) => {
    process.stdout.write(`${formatReport(report)}\n`);
  },
  word,
);
// Whatever a scenario left open must not keep the guest.
process.exit(0);
