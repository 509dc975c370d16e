import { type CheckResult, type CheckTarget, type IcmpCheck } from '../core/check.ts';
import { type Attempt, attempt, failed, unable, well } from './check-attempt.ts';
import { sendEcho } from './echo.ts';
import { ping } from './icmp.ts';

/** An echo request is answered. By the program `ping` where no socket for it can be had. */
export function checkIcmp(check: IcmpCheck, target: CheckTarget, signal: AbortSignal): Promise<CheckResult> {
  const { sourceAddress } = check;
  const { address } = target;
  return attempt(check, signal, (made) => {
    const sent = sendEcho({ address, sourceAddress }, () => {
      made.settle(well);
    });
    if (sent.ok) {
      made.closing(sent.value);
      return;
    }
    switch (sent.reason) {
      case 'unreachable':
        made.settle(failed('unreachable', sent.detail ?? sent.reason));
        return;
      case 'refused':
        made.settle(unable(sent));
        return;
      case 'not-permitted':
      case 'koffi-unavailable':
        void askByProgram(made, check, address);
    }
  });
}

async function askByProgram(
  made: Attempt,
  { timeoutMs, sourceAddress }: IcmpCheck,
  address: string,
): Promise<void> {
  const end = new AbortController();
  made.closing(() => {
    end.abort();
  });
  const asked = await ping({ address, sourceAddress, timeoutMs }, end.signal);
  if (asked.ok) {
    made.settle(well);
  } else if (asked.reason === 'no-answer') {
    made.settle(failed('timeout', asked.detail ?? asked.reason));
  } else {
    made.settle(unable(asked));
  }
}
