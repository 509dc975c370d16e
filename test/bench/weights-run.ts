/** Runs beside a kernel with IPVS, in a network namespace of its own: changes many weights and tells how long it took. */
import { closeSync, openSync, readSync } from 'node:fs';
import { openIpvs } from '../../src/adapters/ipvs.ts';
import { difference } from '../../src/core/reconcile.ts';
import { type Table } from '../../src/core/table.ts';
import { run } from '../lab/command.ts';
import { nowMs } from '../lab/eventually.ts';
import { type WeightsRun } from './weights.ts';

const SERVICES = 50;
const SERVERS = 100;
const TIMES = 5;

const ipvs = openIpvs();
const { signal } = new AbortController();

function tableOf(weight: number): Table {
  return Array.from({ length: SERVICES }, (_, service) => ({
    at: { kind: 'address', protocol: 'tcp', address: '192.0.2.10', port: 1000 + service },
    scheduler: 'wlc',
    schedulerFlags: [],
    persistence: undefined,
    isOnePacket: false,
    servers: Array.from({ length: SERVERS }, (__, server) => ({
      address: `10.99.${service}.${server + 1}`,
      port: 80,
      forwarding: { method: 'masquerading' },
      weight,
      upperThreshold: 0,
      lowerThreshold: 0,
    })),
  }));
}

async function read(): Promise<Table> {
  const table = await ipvs.readTable(signal);
  if (!table.ok) {
    throw new Error(table.detail ?? table.reason);
  }
  return table.value;
}

/** What it takes to go into the kernel and back, whatever for. */
function callUs(): number {
  const times = 2000;
  const zero = openSync('/dev/zero', 'r');
  const byte = Buffer.alloc(1);
  const beganAtMs = nowMs();
  for (let time = 0; time < times; time += 1) {
    readSync(zero, byte);
  }
  const tookMs = nowMs() - beganAtMs;
  closeSync(zero);
  return (1000 * tookMs) / times;
}

async function become(wanted: Table): Promise<WeightsRun> {
  const [beganAtMs, actual, readAtMs] = [nowMs(), await read(), nowMs()];
  const changes = difference(wanted, actual);
  const comparedAtMs = nowMs();
  const applied = await ipvs.applyChanges(changes, signal);
  const appliedAtMs = nowMs();
  if (!applied.ok) {
    throw new Error(applied.detail ?? applied.reason);
  }
  const left = difference(wanted, await read()).length;
  if (left > 0) {
    throw new Error(`${left} changes took no effect`);
  }
  return {
    callUs: callUs(),
    changes: changes.length,
    readMs: readAtMs - beganAtMs,
    compareMs: comparedAtMs - readAtMs,
    applyMs: appliedAtMs - comparedAtMs,
  };
}

// Without any route the kernel takes no address for unicast.
run(['ip', 'link', 'set', 'lo', 'up']);
await become(tableOf(1));
for (let time = 1; time <= TIMES; time += 1) {
  process.stdout.write(`${JSON.stringify(await become(tableOf(1 + (time % 2))))}\n`);
}
