/**
 * `npm run bench`: what client and real server notice when the active router goes, beside keepalived.
 *
 * Contestants take turns within each round, so that noise of the machine meets all of them. A sample is
 * distrusted, left out of the figures and counted when the measuring process itself was not scheduled for
 * more than 10 ms around the interruption, or has no real-time permission.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { whyNoNamespaces } from '../lab/requirements.ts';
import { contestants } from './contestants.ts';
import { machineFacts, tableOf } from './report.ts';
import { faults, openArena, type Sample } from './trial.ts';

const USAGE = `npm run bench -- [--runs N] [--quick] [--only WORD]...

  --runs N      rounds; each contestant suffers each fault once a round (default 20)
  --quick       3 rounds
  --only WORD   only faults or contestants whose name contains the word; may be given again
                faults: ${faults.join(', ')}
                contestants: ${contestants.map(({ name }) => name).join(', ')}
`;

process.exitCode = await main();

async function main(): Promise<number> {
  const asked = parseArgs({
    options: {
      runs: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  }).values;
  const runs = Number(asked.runs ?? (asked.quick ? 3 : 20));
  if (asked.help || !Number.isInteger(runs) || runs < 1) {
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
  const samples: Sample[] = [];
  const troubles: string[] = [];
  process.stdout.write(`${JSON.stringify(machine)}\n`);
  for (let round = 1; round <= runs; round += 1) {
    for (const contestant of wantedContestants) {
      try {
        await using arena = await openArena(contestant);
        for (const fault of wantedFaults) {
          samples.push(say(round, await arena.trial(fault)));
        }
      } catch (error) {
        const trouble = `round ${round}, ${contestant.name}: ${error instanceof Error ? error.message : String(error)}`;
        troubles.push(trouble);
        process.stderr.write(`${trouble}\n`);
      }
    }
    write(startedAt, { machine, runs, samples, troubles });
  }
  process.stdout.write(`\n${tableOf(samples)}\n`);
  process.stdout.write(`\n${write(startedAt, { machine, runs, samples, troubles })}\n`);
  return troubles.length === 0 ? 0 : 1;
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

function say(round: number, sample: Sample): Sample {
  const { contestant, fault, client, realServer, bothAnsweredMs, distrust } = sample;
  process.stdout.write(
    `${String(round).padStart(3)} ${contestant.padEnd(16)} ${fault.padEnd(8)}` +
      ` client ${client.silenceMs.toFixed(1).padStart(7)} ms, lost ${String(client.lostCount).padStart(4)}` +
      ` | real server ${realServer.silenceMs.toFixed(1).padStart(7)} ms` +
      ` | both answered ${bothAnsweredMs.toFixed(0).padStart(5)} ms${distrust === undefined ? '' : ` (distrusted: ${distrust})`}\n`,
  );
  return sample;
}

/** After every round, so that a bench that is stopped has not been in vain. */
function write(
  startedAt: Date,
  result: { machine: object; runs: number; samples: readonly Sample[]; troubles: readonly string[] },
): string {
  mkdirSync('bench-results', { recursive: true });
  const file = `bench-results/${startedAt.toISOString().slice(0, 19).replaceAll(':', '')}.json`;
  writeFileSync(file, `${JSON.stringify({ startedAt: startedAt.toISOString(), ...result }, undefined, 1)}\n`);
  return file;
}
