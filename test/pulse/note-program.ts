import { parseArgs } from 'node:util';
import { createPulseLine } from '../../src/director/pulse-line.ts';
import { type ToDirector } from '../../src/pulse/channel.ts';
import { runPulse } from '../../src/pulse/pulse.ts';

/**
 * The real daemon with a director process that does nothing but write notes and print what it reads: a
 * line of JSON for each note of the peer, and one with the counts of its own pulse every so often.
 */
const { values } = parseArgs({
  args: process.argv.slice(2),
  allowPositionals: true,
  options: {
    config: { type: 'string', default: '' },
    node: { type: 'string', default: '' },
    'runtime-dir': { type: 'string', default: '' },
    'state-dir': { type: 'string', default: '' },
  },
});

if (process.send === undefined) {
  process.exitCode = await runPulse(
    {
      config: values.config,
      node: values.node,
      runtimeDir: values['runtime-dir'],
      stateDir: values['state-dir'],
    },
    import.meta.filename,
  );
} else {
  const say = (line: unknown) => process.stderr.write(`${JSON.stringify(line)}\n`);
  const line = createPulseLine({
    channel: {
      get connected() {
        return process.connected;
      },
      send: (message) => process.send?.(message, undefined, undefined, () => undefined),
    },
    onRecord: () => undefined,
    onTrouble: () => undefined,
    onNote: (text, bootId) =>
      say({ noteOf: text.split(' ')[0], count: Number(text.split(' ')[1]), bootId, bytes: text.length }),
  });
  process.on('message', (message) => {
    line.receive(message as ToDirector);
  });
  process.once('disconnect', () => process.exit());
  let count = 0;
  setInterval(() => {
    count += 1;
    line.tellPeer(`${values.node} ${count} `.padEnd(1024, '.'));
  }, 60);
  setInterval(() => {
    void line.snapshot().then((snapshot) => {
      if (snapshot.ok) {
        const { notes, refused, bootId } = snapshot.value;
        say({ counts: notes, heartbeatsRefused: refused, ownBootId: bootId });
      }
    });
  }, 200);
}
