import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LvsMemory, noMemory } from '../core/lvs.ts';
import { type Result } from '../core/result.ts';
import { type MemoryFile, parseMemory } from '../wire/lvs-memory.ts';
import { createStateWriter } from './state-writer.ts';

export interface LvsMemoryFile {
  /** Nothing where there is no file; what cannot be understood is complained of, and nothing, too. */
  read(): Promise<LvsMemory>;
  write(memory: LvsMemory): Promise<Result<undefined, 'disk-failed'>>;
}

export function openLvsMemory(
  { stateDir, pair, node }: { readonly stateDir: string; readonly pair: string; readonly node: string },
  onUnreadable: (path: string, detail: string) => void,
): LvsMemoryFile {
  const path = join(stateDir, `${pair}.${node}.lvs.json`);
  const write = createStateWriter(path);
  const bootId = readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
  return {
    async read() {
      const text = await readFile(path, 'utf8').catch((error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
          return undefined;
        }
        onUnreadable(path, error instanceof Error ? error.message : String(error));
        return undefined;
      });
      const memory = text === undefined ? undefined : parseMemory(text, await bootId);
      if (memory?.ok === false) {
        onUnreadable(path, memory.detail ?? memory.reason);
      }
      return memory?.ok === true ? memory.value : noMemory;
    },
    async write(memory) {
      const file: MemoryFile = { ...memory, bootId: await bootId };
      return write(file);
    },
  };
}
