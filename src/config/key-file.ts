import { constants, open } from 'node:fs/promises';
import { type Failure, ok, type Result } from '../core/result.ts';
import { type Keys, parseKeyFile } from '../wire/key.ts';

const LARGEST_FILE_BYTES = 4096;
/** Read and write for the owner, read for the group. */
const MOST_MODE = 0o640;

export type KeyFileRefusal =
  'missing' | 'not-permitted' | 'not-a-file' | 'exposed' | 'wrong-owner' | 'malformed';

/**
 * Reads the keys of the heartbeats. A file that others may read or change is refused, for who knows the key
 * can take the addresses. On failure `detail` says what is wrong and what mends it, and never a key.
 */
export async function readKeyFile(
  path: string,
  ownUid: number = process.geteuid?.() ?? 0,
): Promise<Result<Keys, KeyFileRefusal>> {
  const refuse = (reason: KeyFileRefusal, why: string, remedy: string): Failure<KeyFileRefusal> => ({
    ok: false,
    reason,
    detail: `cannot read the key file ${path}: ${why}. Remedy: ${remedy}`,
  });
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = await file.stat();
    const mode = status.mode & 0o7777;
    if (!status.isFile()) {
      return refuse(
        'not-a-file',
        'it is not a file',
        `name another as heartbeat.key_file, or make one: ${makeKey(path)}`,
      );
    }
    if (status.uid !== 0 && status.uid !== ownUid) {
      return refuse(
        'wrong-owner',
        `it belongs to user ${status.uid}, who could change it`,
        `chown root ${path}`,
      );
    }
    if ((mode & ~MOST_MODE & 0o777) !== 0) {
      return refuse('exposed', exposure(mode), `chmod 0600 ${path}`);
    }
    if (status.size > LARGEST_FILE_BYTES) {
      return refuse('malformed', `it is larger than ${LARGEST_FILE_BYTES} bytes`, makeKey(path));
    }
    const keys = parseKeyFile(await file.readFile('latin1'));
    return keys.ok ? ok(keys.value) : refuse('malformed', keys.detail ?? keys.reason, makeKey(path));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return refuse('missing', 'it does not exist', `${makeKey(path)}, and copy it to the other router`);
    }
    if (code === 'EACCES' || code === 'EPERM') {
      return refuse('not-permitted', 'permission denied', 'run vipair as root');
    }
    throw error;
  }
}

function exposure(mode: number): string {
  const text = `(mode ${mode.toString(8).padStart(4, '0')})`;
  if ((mode & 0o004) !== 0) {
    return `it is readable by everyone ${text}`;
  }
  return (mode & 0o022) === 0
    ? `its mode is neither 0600 nor 0640 ${text}`
    : `others than its owner can change it ${text}`;
}

function makeKey(path: string): string {
  return `(umask 077; echo "1 $(openssl rand -hex 32)" > ${path})`;
}
