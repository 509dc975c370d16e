import assert from 'node:assert/strict';
import { chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readKeyFile } from '../../src/config/key-file.ts';

const right = `1 ${'ab'.repeat(32)}\n`;

describe('key file', () => {
  let directory = '';
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vipair-key-'));
  });
  after(() => rm(directory, { recursive: true }));

  const file = async (text: string, mode: number): Promise<string> => {
    const path = join(directory, 'heartbeat.key');
    await writeFile(path, text);
    await chmod(path, mode);
    return path;
  };
  const refusalOf = async (path: string, uid?: number) => {
    const read = await readKeyFile(path, uid);
    assert.ok(!read.ok);
    return [read.reason, read.detail?.replace(path, 'FILE')];
  };

  it('is read when only its owner, or its group too, may read it', async () => {
    for (const mode of [0o400, 0o600, 0o440, 0o640]) {
      assert.equal((await readKeyFile(await file(right, mode))).ok, true, mode.toString(8));
    }
  });

  it('is refused with the remedy when others may read or change it', async () => {
    const path = await file(right, 0o644);
    assert.deepEqual(await refusalOf(path), [
      'exposed',
      `cannot read the key file FILE: it is readable by everyone (mode 0644). Remedy: chmod 0600 ${path}`,
    ]);
    for (const mode of [0o604, 0o620, 0o660, 0o666, 0o700, 0o602, 0o610]) {
      assert.equal((await refusalOf(await file(right, mode)))[0], 'exposed', mode.toString(8));
    }
  });

  it('is refused when it belongs to neither root nor the reader', async () => {
    const path = await file(right, 0o600);
    const { uid } = await stat(path);
    if (uid === 0) {
      await chown(path, 1, 1);
    }
    const [reason, detail] = await refusalOf(path, uid === 0 ? 0 : uid + 1);
    assert.equal(reason, 'wrong-owner');
    assert.match(detail ?? '', /Remedy: chown root /);
    await rm(path);
  });

  it('is refused when it is missing, no file or no key, with the command that makes one', async () => {
    const make = /Remedy: .*\(umask 077; echo "1 \$\(openssl rand -hex 32\)" > /;
    const absent = await refusalOf(join(directory, 'absent'));
    assert.equal(absent[0], 'missing');
    assert.match(absent[1] ?? '', make);
    assert.equal((await refusalOf(directory))[0], 'not-a-file');
    const malformed = await refusalOf(await file('1 abcd\n', 0o600));
    assert.equal(malformed[0], 'malformed');
    assert.match(malformed[1] ?? '', make);
    assert.equal((await refusalOf(await file(right.repeat(100), 0o600)))[0], 'malformed');
  });

  it('never shows a key in a refusal', async () => {
    const secret = 'deadbeef'.repeat(8);
    for (const text of [`1 ${secret}x`, `300 ${secret}`, secret, `1 ${secret}\n1 ${secret}`]) {
      const [, detail] = await refusalOf(await file(text, 0o600));
      assert.ok(!detail?.includes('deadbeef'), detail);
    }
  });
});
