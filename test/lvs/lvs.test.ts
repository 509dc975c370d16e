import { describeSuite } from './describe-suite.ts';
import { suites } from './suites.ts';

for (const suite of suites) {
  describeSuite(suite);
}
