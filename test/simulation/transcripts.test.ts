import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Settings } from '../../src/core/state.ts';
import { repository } from '../repository.ts';
import { play } from './script.ts';

const folder = join(repository, 'test', 'transcripts');

/**
 * A transcript is blocks of commands, `----`, and what happened. A block is played after all before it,
 * so a file is one story. `# with KEY VALUE` sets a setting for the whole file.
 */
describe('transcripts', () => {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.txt'))) {
    it(`happens as told in ${file}`, () => {
      const text = readFileSync(join(folder, file), 'utf8');
      const told = retell(text);
      if (process.env['UPDATE_TRANSCRIPTS'] === '1' && told !== text) {
        writeFileSync(join(folder, file), told);
        return;
      }
      assert.equal(told, text);
    });
  }
});

function retell(text: string): string {
  const overrides = Object.fromEntries(
    [...text.matchAll(/^# with (\w+) (.+)$/gm)].map(([, key, value]) => [key, JSON.parse(value ?? '')]),
  ) as Partial<Settings>;
  const before: string[] = [];
  let heard = '';
  return text
    .trimEnd()
    .split(/\n{2,}(?=\S)/)
    .map((block) => {
      const [commands = '', outcome] = block.split(/\n----\n?/);
      if (outcome === undefined) {
        return block;
      }
      before.push(...commands.split('\n').filter((line) => line !== '' && !line.startsWith('#')));
      const all = play(before, overrides);
      const fresh = all === '(quiet)' ? '' : all.slice(heard.length).replace(/^\n/, '');
      heard = all === '(quiet)' ? '' : all;
      return `${commands}\n----\n${fresh === '' ? '(quiet)' : fresh}`;
    })
    .join('\n\n')
    .concat('\n');
}
