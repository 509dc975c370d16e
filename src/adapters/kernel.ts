import { fail, ok, type Result } from '../core/result.ts';
import { openAddresses, type Addresses, type FloatingAddress, type OpenReason } from './addresses.ts';
import { openAnnouncer, type Announcer } from './announcer.ts';
import { openCommandAddresses, openCommandAnnouncer } from './commands.ts';
import { interfaceFiles } from './interface-files.ts';
import { openInterfaces, type Interfaces } from './interfaces.ts';
import { openLibc } from './libc.ts';

/** Everything that the pulse asks of the kernel about floating addresses and interfaces. */
export interface Kernel extends Disposable {
  readonly path: 'syscalls' | 'commands';
  /** Why commands are used, or undefined. */
  readonly problem: string | undefined;
  readonly addresses: Addresses;
  readonly announcer: Announcer;
  readonly interfaces: Interfaces;
}

/**
 * By system calls where koffi loads, else by `ip` and `arping`; VIPAIR_KERNEL=commands forces the latter. A
 * missing permission is a failure and no reason to change over: the commands would lack it, too.
 */
export async function openKernel(
  floating: readonly FloatingAddress[],
  options: { readonly lifetimeSeconds: number },
): Promise<Result<Kernel, OpenReason>> {
  const libc = openLibc();
  const [addresses, announcer, interfaces] = libc.ok
    ? [openAddresses(floating, options), openAnnouncer(floating), openInterfaces()]
    : [
        await openCommandAddresses(floating, options),
        await openCommandAnnouncer(floating),
        ok(interfaceFiles),
      ];
  const close = (): void => {
    for (const opened of [interfaces, announcer, addresses]) {
      if (opened.ok) {
        opened.value[Symbol.dispose]();
      }
    }
  };
  if (addresses.ok && announcer.ok && interfaces.ok) {
    return ok({
      path: libc.ok ? 'syscalls' : 'commands',
      problem: libc.ok ? undefined : libc.detail,
      addresses: addresses.value,
      announcer: announcer.value,
      interfaces: interfaces.value,
      [Symbol.dispose]: close,
    });
  }
  close();
  const [problem] = [addresses, announcer, interfaces].flatMap((opened) => (opened.ok ? [] : [opened]));
  return problem ?? fail('refused');
}
