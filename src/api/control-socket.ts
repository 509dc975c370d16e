import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { fail, ok, type Result } from '../core/result.ts';
import { createClient } from './client.ts';

/** A daemon that lives answers sooner. */
const knockMs = 1000;

/**
 * Makes the path free to listen on: removes the socket of a daemon that is no more, never that of one that
 * lives, and nothing that is not a socket.
 */
export async function clearWay(
  path: string,
): Promise<Result<undefined, 'busy' | 'in-the-way' | 'not-permitted'>> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    const found = await lstat(path);
    if (!found.isSocket()) {
      return fail('in-the-way', `${path} is there and is not a socket; remove it`);
    }
    if (await isAnswered(path)) {
      return fail('busy', `${path} belongs to ${await whoAnswers(path)}`);
    }
    await unlink(path);
    return ok(undefined);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) {
      throw error;
    }
    return error.code === 'ENOENT' ? ok(undefined) : fail('not-permitted', error.message);
  }
}

/** Root and the group of the daemon may command it. */
export async function openToGroup(path: string): Promise<void> {
  await chmod(path, 0o660);
}

/** Somebody listens there, even if no answer comes: only a refused connection proves that nobody does. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.setTimeout(knockMs);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('timeout', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

async function whoAnswers(path: string): Promise<string> {
  const status = await createClient(path, knockMs).status();
  return status.ok
    ? `a running daemon: pair ${status.value.pair}, node ${status.value.node}, process ${status.value.pid}`
    : 'a process that does not tell its name';
}
