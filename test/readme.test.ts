import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { references } from './reference.ts';
import { repository } from './repository.ts';

const readme = join(repository, 'README.md');

describe('README', () => {
  it('says what the code says (UPDATE_README=1 rewrites it)', async () => {
    const written = await readFile(readme, 'utf8');
    const options = { ...(await resolveConfig(readme)), filepath: readme };
    const made = await format(withReferences(written), options);
    if (process.env['UPDATE_README'] === '1' && made !== written) {
      await writeFile(readme, made);
      return;
    }
    assert.equal(written, made, 'README.md is out of date: run UPDATE_README=1 npm test');
  }).timeout(20_000);

  it('has a place for every reference, and no other', async () => {
    const markers = Array.from(
      (await readFile(readme, 'utf8')).matchAll(/<!-- generated: (.+?) -->/g),
      ([, name]) => name,
    );
    assert.deepEqual(markers.toSorted(), Object.keys(references).toSorted());
  });
});

function withReferences(text: string): string {
  return text.replace(
    /(<!-- generated: (.+?) -->)[^]*?(<!-- \/generated -->)/g,
    (whole, begin: string, name: string, end: string) => {
      const reference = references[name];
      return reference === undefined ? whole : `${begin}\n\n${reference()}\n\n${end}`;
    },
  );
}
