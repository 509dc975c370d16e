import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, ok, type Result } from '../core/result.ts';

export type SysctlReason = 'missing' | 'not-permitted' | 'refused' | 'failed';

/** A setting of the kernel, its words apart by one space. `net.ipv4.conf.eth0/7.x` is below `eth0.7`. */
export async function readSysctl(name: string): Promise<Result<string, SysctlReason>> {
  try {
    const text = await readFile(pathOf(name), 'utf8');
    return ok(text.trim().split(/\s+/).join(' '));
  } catch (error) {
    return failure(name, error);
  }
}

export async function writeSysctl(name: string, value: string): Promise<Result<undefined, SysctlReason>> {
  try {
    await writeFile(pathOf(name), `${value}\n`);
    return ok(undefined);
  } catch (error) {
    return failure(name, error);
  }
}

function pathOf(name: string): string {
  const parts = name.split('.').map((part) => part.replaceAll('/', '.'));
  return join('/proc/sys', ...parts);
}

function failure(name: string, error: unknown): Result<never, SysctlReason> {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return fail('missing', `${name}: this kernel has no such setting`);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return fail('not-permitted', `${name}: may not be written here (${code})`);
    case 'EINVAL':
      return fail('refused', `${name}: the kernel refuses the value`);
    default:
      return fail('failed', `${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
