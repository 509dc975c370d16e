/**
 * `npm run bench`: what client and real server notice when the active router goes, beside keepalived.
 *
 * Contestants take turns within each round, so that noise of the machine meets all of them. A sample is
 * distrusted, left out of the figures and counted when the measuring process itself was not scheduled for
 * more than 10 ms around the interruption, or has no real-time permission. It is repeated, twice at most.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { whyNoNamespaces } from '../lab/requirements.ts';
import { measureChecks } from './checks.ts';
import { contestants, type Contestant } from './contestants.ts';
import { measureGate } from './gate-cost.ts';
import { canSuffer, faults, type FaultName } from './faults.ts';
import { machineFacts, processorTimes, stolenShare, tableOf } from './report.ts';
import { watchUnderLoad, type Steadiness } from './steadiness.ts';
import { openArena, type Sample } from './trial.ts';
import { measureWeights } from './weights.ts';

const USAGE = `npm run bench -- [--runs N] [--quick] [--only WORD]... [--hogs MINUTES [--loops N]]
       npm run bench -- checks
       npm run bench -- weights
       npm run bench -- gate

  --runs N      rounds; each contestant suffers each fault once a round (default 20)
  --quick       3 rounds
  --hogs M      instead: leave each pair alone for M minutes beside busy loops and count
                false takeovers
  --loops N     so many busy loops (default 4)
  --only WORD   only faults or contestants whose name contains the word; may be given again
                faults: ${faults.join(', ')}
                contestants: ${contestants.map(({ name }) => name).join(', ')}
  checks        instead: check 10,000 real servers every second, and say how late and at what cost, and what a
                pair beside it makes of that
  gate          instead: how much longer packets take that are forwarded past the gate
  weights       instead: give 5,000 real servers another weight in one go, and say how long it takes
`;

const MOST_ATTEMPTS = 3;

const others: Readonly<Record<string, () => Promise<number>>> = {
  checks: measureChecks,
  gate: measureGate,
  weights: measureWeights,
};
process.exitCode = await (others[process.argv[2] ?? ''] ?? main)();

async function main(): Promise<number> {
  const asked = parseArgs({
    options: {
      runs: { type: 'string' },
      quick: { type: 'boolean', default: false },
      hogs: { type: 'string' },
      loops: { type: 'string', default: '4' },
      only: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  }).values;
  const runs = Number(asked.runs ?? (asked.quick ? 3 : 20));
  const minutes = asked.hogs === undefined ? undefined : Number(asked.hogs);
  const hogs = Number(asked.loops);
  const isWrong =
    [runs, hogs].some((count) => !Number.isInteger(count) || count < 1) || !((minutes ?? 1) > 0);
  if (asked.help || isWrong) {
    process.stdout.write(USAGE);
    return asked.help ? 0 : 64;
  }
  const reason = whyNoNamespaces(['ip', 'nft', 'keepalived']);
  if (reason !== undefined) {
    process.stderr.write(`bench: ${reason}\n`);
    return 77;
  }
  const wantedFaults = select(faults, (fault) => fault, asked.only);
  const wantedContestants = select(contestants, ({ name }) => name, asked.only);
  const startedAt = new Date();
  const machine = machineFacts();
  const stolenBefore = processorTimes();
  process.stdout.write(`${JSON.stringify(machine)}\n`);
  const result: Result = { machine, runs, samples: [], steadiness: [], troubles: [] };
  const keep = () =>
    write(startedAt, { ...result, stolenShare: stolenShare(stolenBefore, processorTimes()) });
  for (let round = 1; round <= (minutes === undefined ? runs : 1); round += 1) {
    for (const contestant of wantedContestants) {
      try {
        await (minutes === undefined
          ? sufferRound(round, contestant, wantedFaults, result)
          : leaveAlone(contestant, { hogs, minutes }, result));
      } catch (error) {
        const trouble = `round ${round}, ${contestant.name}: ${error instanceof Error ? error.message : String(error)}`;
        result.troubles.push(trouble);
        process.stderr.write(`${trouble}\n`);
      }
    }
    // After every round, so that a bench that is stopped has not been in vain.
    keep();
  }
  const stolen = stolenShare(stolenBefore, processorTimes());
  process.stdout.write(`\n${tableOf(result.samples)}\n`);
  process.stdout.write(
    `\nThe hypervisor took ${(100 * stolen).toFixed(1)} % of this machine meanwhile.\n${keep()}\n`,
  );
  return result.troubles.length === 0 ? 0 : 1;
}

interface Result {
  readonly machine: object;
  readonly runs: number;
  readonly samples: Sample[];
  readonly steadiness: Steadiness[];
  readonly troubles: string[];
}

/** Each fault once; a distrusted sample is kept and tried again. */
async function sufferRound(
  round: number,
  contestant: Contestant,
  wanted: readonly FaultName[],
  { samples }: Result,
): Promise<void> {
  await using arena = await openArena(contestant);
  for (const fault of wanted.filter((name) => canSuffer(contestant, name))) {
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt += 1) {
      const sample = await arena.trial(fault);
      samples.push(sample);
      say(round, sample);
      if (sample.distrust === undefined) {
        break;
      }
    }
  }
}

async function leaveAlone(
  contestant: Contestant,
  load: { readonly hogs: number; readonly minutes: number },
  { steadiness }: Result,
): Promise<void> {
  const watched = await watchUnderLoad(contestant, load);
  steadiness.push(watched);
  process.stdout.write(
    `${contestant.name.padEnd(16)} ${watched.falseTakeovers} false takeovers in ${load.minutes} minutes beside ${load.hogs} hogs,` +
      ` longest silence ${watched.longestSilenceMs.toFixed(0)} ms\n`,
  );
}

/** Words that name no item of this list choose from another list: then all are meant. */
function select<Item>(
  items: readonly Item[],
  nameOf: (item: Item) => string,
  words: readonly string[],
): readonly Item[] {
  const chosen = items.filter((item) => words.some((word) => nameOf(item).includes(word)));
  return chosen.length === 0 ? items : chosen;
}

function say(round: number, sample: Sample): void {
  const { contestant, fault, client, realServer, bothAnsweredMs, untilMended, distrust } = sample;
  process.stdout.write(
    `${String(round).padStart(3)} ${contestant.padEnd(16)} ${fault.padEnd(11)}` +
      ` client ${client.silenceMs.toFixed(1).padStart(7)} ms, lost ${String(client.lostCount).padStart(4)}` +
      ` | real server ${realServer.silenceMs.toFixed(1).padStart(7)} ms` +
      ` | both answered ${bothAnsweredMs.toFixed(0).padStart(5)} ms` +
      (untilMended.length === 0 ? '' : ` | until healed: ${untilMended.join(', ')}`) +
      `${distrust === undefined ? '' : ` (distrusted: ${distrust})`}\n`,
  );
}

function write(startedAt: Date, result: Result & { readonly stolenShare: number }): string {
  mkdirSync('bench-results', { recursive: true });
  const file = `bench-results/${startedAt.toISOString().slice(0, 19).replaceAll(':', '')}.json`;
  writeFileSync(file, `${JSON.stringify({ startedAt: startedAt.toISOString(), ...result }, undefined, 1)}\n`);
  return file;
}
