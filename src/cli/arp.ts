import { type Result } from '../core/result.ts';
import { exitCode } from './exit-codes.ts';
import { complain, printJson } from './print.ts';
import { type ArpOptions, type Io } from './run-options.ts';

export type LookUpMac = (
  address: string,
  options: { readonly timeoutMs: number },
) => Promise<
  Result<{ readonly mac: string; readonly interfaceName: string; readonly isOwn: boolean }, ArpRefusal>
>;

type ArpRefusal = 'not-an-address' | 'no-answer' | 'tool-missing';

/** `vipair arp`: who answers for an address. For people; the takeover never asks this way. */
export async function arpCommand(options: ArpOptions, io: Io, lookUpMac: LookUpMac): Promise<number> {
  const { address, timeoutMs } = options;
  const found = await lookUpMac(address, { timeoutMs });
  if (!found.ok) {
    complain(io, found.detail ?? `${address}: ${found.reason}`);
    return exitCode(found.reason === 'not-an-address' ? 'usage' : 'failed');
  }
  const { mac, interfaceName, isOwn } = found.value;
  if (options.json) {
    printJson(io, { address, mac, interface: interfaceName, own: isOwn });
  } else {
    io.out(`${address} is at ${mac} on ${interfaceName}${isOwn ? ', this host itself' : ''}\n`);
  }
  return exitCode('ok');
}
