#!/usr/bin/env -S node --single-threaded-gc
import { terminal } from './cli/print.ts';
import { runProgram } from './cli/program.ts';
import { readVersion } from './director/version.ts';

/**
 * The only file that acts when it is loaded. The director process is this same file, started by the pulse
 * with `director` as its first argument, and so are the children that ask for a MAC address and try
 * the gate; people see the command line.
 */
const [role, ...rest] = process.argv.slice(2);
if (role === 'director' && process.send !== undefined) {
  const { runDirector } = await import('./director/director.ts');
  await runDirector(rest);
} else if (role === 'arp-child' && process.send !== undefined) {
  const { answerMac } = await import('./adapters/arp-table.ts');
  await answerMac(rest[0] ?? '');
} else if (role === 'gate-child') {
  const { answerGate } = await import('./adapters/gate-trial.ts');
  process.stdout.write(await answerGate());
} else {
  process.exitCode = await runProgram(process.argv.slice(2), terminal(process), {
    version: readVersion(),
    run: async (options) => {
      const { runPulse } = await import('./pulse/pulse.ts');
      return runPulse(options, import.meta.filename);
    },
    lookUpMac: async (address, { timeoutMs }) => {
      const { lookUpMac } = await import('./adapters/arp-table.ts');
      return lookUpMac(address, { timeoutMs, modulePath: import.meta.filename });
    },
    tryGate: async () => {
      const { tryGate } = await import('./adapters/gate-trial.ts');
      return tryGate({ timeoutMs: 5000, modulePath: import.meta.filename });
    },
    proveSilent: async (question) => {
      const { proveSilent } = await import('./adapters/arp-proof.ts');
      return proveSilent(question);
    },
  });
}
