import { nowMs } from '../lab/eventually.ts';
import { type Measured, type Report } from './report.ts';
import { type Stage } from './stage.ts';

/** One behaviour beside the real kernel. It becomes a mocha test of the same name. */
export interface Scenario {
  readonly name: string;
  /** Fails by a throw; what it returns is printed below the test. */
  readonly run: (stage: Stage) => Promise<Measured | undefined>;
}

/** Scenarios that share one boot and one stage, in this order. */
export interface Suite {
  readonly name: string;
  /** Of everything, boot included. */
  readonly limitMs: number;
  readonly open: () => Promise<Stage>;
  readonly scenarios: readonly Scenario[];
}

/** A scenario throws it where this kernel lacks something; the test is skipped, aloud. */
export class CannotBeTried extends Error {}

/** Plays the scenarios whose name contains the word, and tells each outcome as soon as it is known. */
export async function playSuite(suite: Suite, tell: (report: Report) => void, word = ''): Promise<void> {
  const fromMs = nowMs();
  let stage: Stage;
  try {
    stage = await suite.open();
  } catch (error) {
    tell({ kind: 'trouble', detail: textOf(error) });
    return;
  }
  await using _stage = stage;
  tell({ kind: 'opened', tookMs: nowMs() - fromMs });
  for (const scenario of suite.scenarios) {
    tell(
      scenario.name.includes(word)
        ? await play(scenario, stage)
        : { ...unplayed, name: scenario.name, detail: `only ${word} was asked for` },
    );
  }
}

const unplayed = { kind: 'case', outcome: 'skipped', tookMs: 0, measured: {} } as const;

async function play({ name, run }: Scenario, stage: Stage): Promise<Report> {
  const fromMs = nowMs();
  try {
    const measured = (await run(stage)) ?? {};
    return { kind: 'case', name, outcome: 'passed', tookMs: nowMs() - fromMs, measured, detail: '' };
  } catch (error) {
    const outcome = error instanceof CannotBeTried ? 'skipped' : 'failed';
    const detail = outcome === 'skipped' ? textOf(error) : `${textOf(error)}\n${stage.logs()}`;
    return { kind: 'case', name, outcome, tookMs: nowMs() - fromMs, measured: {}, detail };
  }
}

function textOf(error: unknown): string {
  if (error instanceof CannotBeTried) {
    return error.message;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
