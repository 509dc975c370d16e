import { fileURLToPath } from 'node:url';
import { runPulse } from '../../src/pulse/pulse.ts';

/** `main.ts run` on a kernel as before Linux 5.16, whose gate stops what goes out at the output hooks. */
const options: Record<string, string> = {};
const words = process.argv.slice(3);
for (let at = 0; at + 1 < words.length; at += 2) {
  options[(words[at] ?? '').replace(/^--/, '')] = words[at + 1] ?? '';
}
process.exitCode = await runPulse(
  {
    config: options['config'] ?? '',
    node: options['node'],
    runtimeDir: options['runtime-dir'] ?? '',
    stateDir: options['state-dir'] ?? '',
    gateHooks: 'output',
  },
  fileURLToPath(new URL('../../src/main.js', import.meta.url)),
);
