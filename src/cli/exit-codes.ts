/**
 * The exit codes of every command: one table for the program, its help and the README.
 * Source: sysexits.h for 64 and above.
 */
export const exitCodes = {
  ok: { code: 0, meaning: 'done, or already so' },
  failed: { code: 1, meaning: 'the command was refused or failed' },
  usage: { code: 64, meaning: 'the command line is wrong' },
  unreachable: { code: 69, meaning: 'the daemon could not be reached' },
  tryLater: { code: 75, meaning: 'refused for now, for instance because the peer is not ready' },
  notPermitted: { code: 77, meaning: 'a privilege is missing' },
  configuration: { code: 78, meaning: 'the configuration or the key file is wrong' },
} as const;

export type ExitCodeName = keyof typeof exitCodes;

export const exitCodeNames: readonly ExitCodeName[] = [
  'ok',
  'failed',
  'usage',
  'unreachable',
  'tryLater',
  'notPermitted',
  'configuration',
];

export function exitCode(name: ExitCodeName): number {
  return exitCodes[name].code;
}
