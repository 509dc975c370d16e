import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where the sources are: above this file, or, when it was built elsewhere, where the tests were started. */
export const repository = above(import.meta.dirname) ?? process.cwd();

function above(directory: string): string | undefined {
  if (existsSync(join(directory, 'src', 'main.ts'))) {
    return directory;
  }
  const parent = dirname(directory);
  return parent === directory ? undefined : above(parent);
}
