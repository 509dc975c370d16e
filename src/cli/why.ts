import { createColors } from 'picocolors';
import { type EventView } from '../api/contract.ts';
import { reachDaemon, reject } from './daemon.ts';
import { exitCode } from './exit-codes.ts';
import { printJson } from './print.ts';
import { type Io, type WhyOptions } from './run-options.ts';

/** The last changes of role: a sentence each, and the facts it was made of. */
export async function whyCommand(options: WhyOptions, io: Io): Promise<number> {
  const daemon = await reachDaemon(options, io);
  if (typeof daemon === 'number') {
    return daemon;
  }
  const answer = await daemon.events({ limit: Math.min(options.limit, 1000), rolesOnly: true });
  if (!answer.ok) {
    return reject(answer, io, { json: options.json });
  }
  if (options.json) {
    printJson(io, answer.value);
  } else if (answer.value.length === 0) {
    io.out('The office has not changed hands since the events began.\n');
  } else {
    io.out(answer.value.map((event) => describe(event, io)).join('\n'));
  }
  return exitCode('ok');
}

function describe({ at, from, to, term, sentence, reason, record }: EventView, io: Io): string {
  const { bold, dim } = createColors(io.useColor);
  const { kind, ...facts } = reason;
  const { peer } = record.after;
  const inputs = [
    ...Object.entries(facts).map(([name, value]) => `${name} ${String(value)}`),
    ...(peer === undefined
      ? ['peer never heard']
      : [
          `peer ${peer.advertisement.role}`,
          `peer term ${peer.advertisement.term}`,
          `peer priority ${peer.advertisement.priority}`,
        ]),
  ];
  return [
    bold(sentence),
    dim(`  ${at}  ${from} -> ${to}  term ${term}`),
    dim(`  ${kind}: ${inputs.join(', ')}`),
    '',
  ].join('\n');
}
