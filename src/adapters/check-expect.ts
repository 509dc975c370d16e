import { type Socket } from 'node:net';
import { type CheckResult, type CheckTarget, type ExpectCheck, type Expectation } from '../core/check.ts';
import { type Attempt, attempt, failed, well } from './check-attempt.ts';
import { judge, LONGEST_ANSWER_BYTES } from './check-expectation.ts';
import { openStream } from './check-stream.ts';

/** How long what has come is left unread for more to come with it: a server that dribbles is not judged octet by octet. */
const GATHER_MS = 10;

/** Something is said, and what comes back is judged as it comes; until it is right, or the other side ends. */
export function checkExpect(
  check: ExpectCheck,
  target: CheckTarget,
  signal: AbortSignal,
): Promise<CheckResult> {
  const { sourceAddress, tls, send, expect } = check;
  return attempt(check, signal, (made) => {
    openStream(made, { target, sourceAddress, tls }, (socket) => {
      if (send !== undefined) {
        socket.write(send);
      }
      if (expect === undefined) {
        made.settle(well);
      } else {
        listen(made, socket, expect);
      }
    });
  });
}

function listen(made: Attempt, socket: Socket, expect: Expectation): void {
  let heard = Buffer.alloc(0);
  let timer: NodeJS.Timeout | undefined;
  made.closing(() => {
    clearTimeout(timer);
  });
  const look = (isAll: boolean) => {
    clearTimeout(timer);
    timer = undefined;
    const complaint = judge(heard.toString('utf8'), expect);
    // What must not be in it may still come: with `not` alone, all is waited for.
    if (complaint === undefined && (isAll || isPositive(expect))) {
      made.settle(well);
    } else if (complaint !== undefined && isAll) {
      made.settle(heard.length === 0 ? failed('closed', 'ended without a word') : complaint);
    }
  };
  socket.on('data', (chunk: Buffer) => {
    heard = Buffer.concat([heard, chunk]).subarray(0, LONGEST_ANSWER_BYTES);
    if (heard.length === LONGEST_ANSWER_BYTES) {
      socket.pause();
      look(true);
    } else {
      timer ??= setTimeout(look, GATHER_MS, false);
    }
  });
  socket.on('end', () => {
    look(true);
  });
}

function isPositive({ text, regex }: Expectation): boolean {
  return text !== undefined || regex !== undefined;
}
