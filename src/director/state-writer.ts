import { mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail, ok, type Result } from '../core/result.ts';

/** A disk that does not answer is one that refuses. */
const patienceMs = 2000;

/**
 * Writes what is to survive a restart to a file of its own, as JSON: wholly or not at all, and on the disk when
 * this resolves. Writes are done one after the other, also those that nobody waits for any more.
 */
export function createStateWriter(path: string) {
  let queue: Promise<unknown> = Promise.resolve();
  return async (value: object): Promise<Result<undefined, 'disk-failed'>> => {
    const written = queue.then(() => write(path, value));
    queue = written;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Result<undefined, 'disk-failed'>>((resolve) => {
      timer = setTimeout(() => {
        resolve(fail('disk-failed', `${path}: the disk does not answer`));
      }, patienceMs);
    });
    const result = await Promise.race([written, late]);
    clearTimeout(timer);
    return result;
  };
}

async function write(path: string, value: object): Promise<Result<undefined, 'disk-failed'>> {
  const temporary = `${path}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    const file = await open(temporary, 'w', 0o640);
    try {
      await file.writeFile(`${JSON.stringify(value)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
    return ok(undefined);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) {
      throw error;
    }
    await unlink(temporary).catch(() => undefined);
    return fail('disk-failed', error.message);
  }
}

/** The rename itself is on the disk only when the directory is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
