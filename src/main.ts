#!/usr/bin/env node
import { terminal } from './cli/print.ts';
import { runProgram } from './cli/program.ts';

/**
 * The only file that acts when it is loaded. The director process is this same file, started by the pulse
 * with `director` as its first argument; people see the command line.
 */
if (process.argv[2] === 'director' && process.send !== undefined) {
  const { runDirector } = await import('./director/director.ts');
  await runDirector(process.argv.slice(3));
} else {
  process.exitCode = await runProgram(process.argv.slice(2), terminal(process), async (options) => {
    const { runPulse } = await import('./pulse/pulse.ts');
    return runPulse(options, import.meta.filename);
  });
}
