/**
 * Loaded into a daemon before its own program (`node --import`): says how far the process's own clock
 * (`performance.now()`, which starts with it) is behind the monotonic clock that all processes share. Its
 * children load it, too; they are told by the environment to keep quiet.
 */
if (process.env['VIPAIR_LAB_CLOCK'] === undefined) {
  process.env['VIPAIR_LAB_CLOCK'] = 'said';
  const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  process.stderr.write(`lab-clock ${offsetMs}\n`);
}
