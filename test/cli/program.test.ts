import assert from 'node:assert/strict';
import { runProgram } from '../../src/cli/program.ts';
import { type RunOptions } from '../../src/cli/run-options.ts';
import { createTerminal } from './terminal.ts';

const asked: RunOptions[] = [];
const rim = {
  version: '1.2.3',
  run: (options: RunOptions) => {
    asked.push(options);
    return Promise.resolve(7);
  },
  lookUpMac: () =>
    Promise.resolve({
      ok: true as const,
      value: { mac: '02:00:00:00:00:01', interfaceName: 'eth0', isOwn: false },
    }),
  tryGate: () => Promise.resolve({ ok: true as const, value: 'egress' as const }),
  proveSilent: () => Promise.reject(new Error('not asked')),
};

async function run(...args: string[]) {
  const io = createTerminal();
  const code = await runProgram(args, io, rim);
  return { code, ...io.written };
}

describe('command line', () => {
  it('runs the daemon with the places that are named, and returns its exit code', async () => {
    assert.equal(
      (await run('run', '--config', './f.yaml', '--node', 'lvs1', '--runtime-dir', '/tmp/d')).code,
      7,
    );
    assert.deepEqual(asked.pop(), {
      config: './f.yaml',
      node: 'lvs1',
      runtimeDir: '/tmp/d',
      stateDir: '/tmp/d',
    });
  });

  it('takes global options before the command, too', async () => {
    await run('--runtime-dir', '/tmp/d', '--config', 'x', 'run', '--state-dir', '/tmp/s');
    assert.deepEqual(asked.pop(), { config: 'x', node: undefined, runtimeDir: '/tmp/d', stateDir: '/tmp/s' });
  });

  it('looks in the places of the system when none is named', async () => {
    await run('run');
    assert.deepEqual(asked.pop(), {
      config: '/etc/vipair/vipair.yaml',
      node: undefined,
      runtimeDir: '/run/vipair',
      stateDir: '/var/lib/vipair',
    });
  });

  it('helps on request with 0, and on stdout', async () => {
    for (const args of [['--help'], ['help'], ['help', 'failover'], ['failover', '--help']]) {
      const { code, out, err } = await run(...args);
      assert.deepEqual([code, err], [0, ''], args.join(' '));
      assert.match(out, /Exit codes:\n {2}0 {3}done/);
    }
  });

  it('gives every command a summary, an example and its exit codes', async () => {
    const { out } = await run('--help');
    const commands = Array.from(
      out.matchAll(/^ {2}([a-z]+)(?: \[options\])?.* {2,}\S/gm),
      ([, name]) => name ?? '',
    );
    assert.deepEqual(
      ['run', 'check', 'status', 'why', 'events', 'failover', 'maintenance', 'arp'].filter(
        (name) => !commands.includes(name),
      ),
      [],
    );
    for (const name of commands.filter((command) => command !== 'help')) {
      const help = (await run(name, '--help')).out;
      assert.match(help, /Examples:\n {2}vipair /, name);
      assert.match(help, /Exit codes:\n {2}0 /, name);
      assert.match(help, /--config <file>/, name);
    }
  });

  it('prints its version', async () => {
    assert.deepEqual(await run('--version'), { code: 0, out: '1.2.3\n', err: '' });
  });

  describe('refuses with 64, and says how it goes:', () => {
    const rows: readonly (readonly [args: string, complaint: RegExp])[] = [
      ['stauts', /^vipair: unknown command 'stauts'\n\(Did you mean status\?\)/],
      ['status --jsno', /^vipair: unknown option '--jsno'\n\(Did you mean --json\?\)/],
      ['maintenance', /missing required argument 'state'/],
      ['maintenance maybe', /Allowed choices are on, off/],
      ['failover --timeout 5', /a duration with its unit, such as 500ms or 5s/],
      ['failover --timeout 0s', /a duration with its unit/],
      ['events --limit 0', /a whole number from 1 to 9999/],
      ['run --config', /argument missing/],
      ['run extra', /too many arguments/],
    ];
    for (const [args, complaint] of rows) {
      it(args, async () => {
        const { code, out, err } = await run(...args.split(' '));
        assert.deepEqual([code, out], [64, '']);
        assert.match(err, complaint);
      });
    }
  });

  it('shows the help on stderr, with 64, when no command is named', async () => {
    const { code, out, err } = await run();
    assert.deepEqual([code, out], [64, '']);
    assert.match(err, /^Usage: vipair /);
  });

  it('writes no colours where none are wanted', async () => {
    const { out } = await run('--help');
    assert.ok(!out.includes('\u001b'));
  });
});
