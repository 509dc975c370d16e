import { Command, CommanderError } from 'commander';
import { addCommands, type Rim } from './commands.ts';
import { exitCode, exitCodeNames } from './exit-codes.ts';
import { exitCodesText } from './help.ts';
import { type Io } from './run-options.ts';

/** Runs one command line and resolves with the exit code of the process. */
export async function runProgram(args: readonly string[], io: Io, rim: Rim): Promise<number> {
  let code = exitCode('ok');
  const program = createProgram(io, rim, (result) => {
    code = result;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      throw error;
    }
    return error.exitCode === 0 ? exitCode('ok') : exitCode('usage');
  }
}

/**
 * The command line as a tree. Each command loads its own code when it is called, so that the daemon does
 * not carry that of the others.
 */
export function createProgram(io: Io, rim: Rim, finish: (code: number) => void): Command {
  const program = new Command('vipair')
    .description('Makes two LVS routers into one: floating addresses that are always on exactly one of them.')
    .option('--config <file>', 'the configuration file', '/etc/vipair/vipair.yaml')
    .option('--node <name>', 'which node of the pair this host is (default: found by the host name)')
    .option('--runtime-dir <directory>', 'where the control socket is (default: /run/vipair)')
    .option(
      '--state-dir <directory>',
      'what survives a restart (default: /var/lib/vipair, or the runtime directory if one is named)',
    )
    .version(rim.version, '--version', 'print the version')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        io.out(text);
      },
      writeErr: (text) => {
        io.err(text);
      },
      getOutHelpWidth: () => io.columns ?? 80,
      getErrHelpWidth: () => io.columns ?? 80,
      getOutHasColors: () => io.useColor,
      outputError: (text, write) => {
        write(text.replace(/^error: /, 'vipair: '));
      },
    })
    .showHelpAfterError('Try: vipair --help');

  addCommands({ program, io, rim, finish });
  program.addHelpText('after', () => `\n${exitCodesText(exitCodeNames)}`);
  return program;
}
