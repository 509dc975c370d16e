import { readSysctl, writeSysctl } from '../adapters/sysctl.ts';
import { type NeededSysctl } from '../core/sysctls.ts';

export interface SysctlKeeper extends AsyncDisposable {
  /** Looks again, and sets what is to be set. */
  look(needed: readonly NeededSysctl[]): Promise<void>;
  /** What is wrong, one sentence each. */
  problems(): readonly string[];
}

/**
 * Compares what the virtual services need of the kernel with what it has. With `set` it is set while this
 * process lives, and put back at the end as it was, unless somebody else has changed it meanwhile.
 */
export function keepSysctls(mode: 'check' | 'set' | 'ignore'): SysctlKeeper {
  const before = new Map<string, { readonly was: string; readonly set: string }>();
  let problems: readonly string[] = [];

  async function lookAt({ name, value, why }: NeededSysctl): Promise<readonly string[]> {
    const read = await readSysctl(name);
    if (read.ok && read.value === value) {
      return [];
    }
    if (mode === 'set' && read.ok) {
      const written = await writeSysctl(name, value);
      if (written.ok) {
        before.set(name, { was: before.get(name)?.was ?? read.value, set: value });
        return [];
      }
      return [`${written.detail ?? name}, and ${why}. Remedy: sysctl -w ${name}="${value}".`];
    }
    return [
      read.ok
        ? `${name} is ${read.value}, and ${why}. Remedy: sysctl -w ${name}="${value}", or lvs.sysctls: set.`
        : `${read.detail ?? name}, and ${why}.`,
    ];
  }

  return {
    async look(needed) {
      if (mode !== 'ignore') {
        problems = (await Promise.all(needed.map(lookAt))).flat();
      }
    },
    problems: () => problems,
    async [Symbol.asyncDispose]() {
      for (const [name, { was, set }] of before) {
        const read = await readSysctl(name);
        if (read.ok && read.value === set) {
          await writeSysctl(name, was);
        }
      }
    },
  };
}
