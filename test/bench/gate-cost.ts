/**
 * `npm run bench -- gate`: what the gate costs traffic that the active director forwards. The client floods the
 * real server with pings by way of the floating addresses; each round trip is forwarded twice, and so meets
 * the rules of two interfaces coming in and going out, twice.
 */
import { fileURLToPath } from 'node:url';
import { run } from '../lab/command.ts';
import { openLab, realServerAddress } from '../lab/lab.ts';
import { whyNoNamespaces } from '../lab/requirements.ts';
import { configurePair, startVipair, untilOwner } from '../lab/vipair.ts';
import { machineFacts } from './report.ts';
import { figuresOf } from './statistics.ts';

const ROUNDS = 7;
const PINGS = 30_000;

const outputHooks = fileURLToPath(new URL('../lab/output-hooks.js', import.meta.url));
const arrangements = [
  { name: 'no gate', extra: 'gate: off\n', options: {} },
  { name: 'gate at the egress hooks', extra: '', options: {} },
  { name: 'gate at the output hooks', extra: '', options: { program: outputHooks } },
];

export async function measureGate(): Promise<number> {
  process.stdout.write(`${JSON.stringify(machineFacts())}\n`);
  const reason = whyNoNamespaces(['ip', 'nft', 'ping']);
  if (reason !== undefined) {
    process.stdout.write(`bench: ${reason}\n`);
    return 77;
  }
  const roundTripsUs = new Map<string, number[]>(arrangements.map(({ name }) => [name, []]));
  // In turns, so that noise of the machine meets all of them.
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const arrangement of arrangements) {
      roundTripsUs.get(arrangement.name)?.push(await roundTripUs(arrangement));
    }
  }
  for (const [name, values] of roundTripsUs) {
    const figures = figuresOf(values);
    if (figures !== undefined) {
      const { median, min, max } = figures;
      process.stdout.write(
        `${name.padEnd(26)} a round trip takes ${median.toFixed(2)} us (median of ${values.length} times ${PINGS}; ${min.toFixed(2)} to ${max.toFixed(2)})\n`,
      );
    }
  }
  return 0;
}

async function roundTripUs({ extra, options }: (typeof arrangements)[number]): Promise<number> {
  const lab = openLab();
  try {
    configurePair(lab, { extra });
    startVipair(lab, 'lvs1', options);
    startVipair(lab, 'lvs2', options);
    await untilOwner(lab, 'lvs1');
    const flood = ['ping', '-f', '-q', '-c', String(PINGS), realServerAddress];
    const said = run(['ip', 'netns', 'exec', lab.hosts.client, ...flood]);
    const [, tookMs] = /, 0% packet loss, time (\d+)ms/.exec(said) ?? [];
    if (tookMs === undefined) {
      throw new Error(`ping said: ${said}`);
    }
    // Each is sent when the one before is answered. The average that it prints is cut off at the microsecond.
    return (1000 * Number(tookMs)) / PINGS;
  } finally {
    lab.remove();
  }
}
