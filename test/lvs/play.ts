import { fileURLToPath } from 'node:url';
import { type Ground } from './ground.ts';
import { type GuestEnding } from './guest.ts';
import { type CaseReport, parseReport } from './report.ts';
import { type Suite } from './scenario.ts';

/** A suite while it is played beside the kernel that has IPVS. */
export interface Play {
  /** The stage is set, or it never will be: the ending then says why. */
  readonly opened: Promise<GuestEnding | 'opened'>;
  /** Rejects when the play ends without it, with the reason. */
  readonly outcomeOf: (scenario: string) => Promise<CaseReport>;
  readonly ended: Promise<GuestEnding>;
  readonly kill: () => void;
}

const program = fileURLToPath(new URL('./suite-program.js', import.meta.url));

export function startPlay(suite: Suite, ground: Ground, word: string, say: (line: string) => void): Play {
  const outcomes = new Map(suite.scenarios.map(({ name }) => [name, defer<CaseReport>()]));
  const opened = defer<'opened'>();
  let trouble: string | undefined;
  const guest = ground.start({
    argv: [process.execPath, '--enable-source-maps', program, suite.name, word],
    limitMs: suite.limitMs,
    onLine: (line) => {
      const report = parseReport(line);
      switch (report?.kind) {
        case 'case':
          outcomes.get(report.name)?.resolve(report);
          break;
        case 'trouble':
          trouble = report.detail;
          break;
        case 'opened':
          opened.resolve('opened');
          break;
        case undefined:
          say(line);
      }
    },
  });
  const ended = guest.ended.then((ending) => {
    const error = new Error(
      trouble ??
        `the program ended with ${ending.code ?? 'no code'} before this:\n${ending.console.slice(-4000)}`,
    );
    for (const outcome of outcomes.values()) {
      outcome.reject(error);
    }
    return ending;
  });
  return {
    opened: Promise.race([opened.promise, ended]),
    outcomeOf: (name) => outcomes.get(name)?.promise ?? Promise.reject(new Error(`no scenario ${name}`)),
    ended,
    kill: () => {
      guest.kill();
    },
  };
}

interface Deferred<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: Error) => void;
}

/** As `Promise.withResolvers`, which Node 20 lacks. Nobody needs to wait for it. */
function defer<Value>(): Deferred<Value> {
  let settle: Omit<Deferred<Value>, 'promise'> | undefined;
  const promise = new Promise<Value>((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => undefined);
  return { promise, ...settle! };
}
