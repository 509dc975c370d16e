import { type Draft, type Problem } from './draft.ts';
import { floatingProblems } from './floating-rules.ts';
import { linkProblems } from './link-rules.ts';
import { lvsProblems } from './lvs-rules.ts';
import { pathProblems } from './path-rules.ts';
import { perNodeProblems } from './per-node-rules.ts';
import { scriptProblems, trackProblems } from './track-rules.ts';
import { timerSums } from './timers.ts';

/** What the fields must be to each other. Every rule looks at what is there, so all problems come at once. */
export function ruleProblems(draft: Draft): Problem[] {
  return [
    ...nodeProblems(draft),
    ...timerProblems(draft),
    ...lifetimeProblems(draft),
    ...linkProblems(draft),
    ...floatingProblems(draft),
    ...pathProblems(draft),
    ...scriptProblems(draft),
    ...trackProblems(draft),
    ...lvsProblems(draft),
    ...perNodeProblems(draft.listen, ['api', 'listen'], draft.nodeNames),
  ];
}

/** The two names of the pair, or none if the file does not say which they are. */
function nodeProblems({ nodeNames }: Draft): Problem[] {
  return nodeNames.length === 2 || nodeNames.length === 0
    ? []
    : [
        {
          path: ['nodes'],
          message: `must be exactly two, and there ${nodeNames.length === 1 ? 'is one' : `are ${nodeNames.length}`}`,
        },
      ];
}

function timerProblems({ timers }: Draft): Problem[] {
  return timers === undefined
    ? []
    : timerSums(timers)
        .filter(({ holds }) => !holds)
        .map(({ text }) => ({ path: ['heartbeat'], message: `times must keep ${text}` }));
}

function lifetimeProblems({ addressLifetimeMs, timers }: Draft): Problem[] {
  return addressLifetimeMs === undefined || timers === undefined || addressLifetimeMs > timers.leaseMs
    ? []
    : [
        {
          path: ['address_lifetime'],
          message: `must be longer than the lease of ${timers.leaseMs} ms, which it cleans up after`,
        },
      ];
}
