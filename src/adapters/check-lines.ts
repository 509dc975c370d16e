import { type Socket } from 'node:net';
import { type Attempt, failed } from './check-attempt.ts';

/** Far more than any greeting. */
const LONGEST_TALK_BYTES = 16 * 1024;

/** Hands over each line that comes, without its end; settles the attempt when the other side ends or does not stop. */
export function readLines(made: Attempt, socket: Socket, onLine: (line: string) => void): void {
  let rest = '';
  let length = 0;
  socket.on('data', (chunk: Buffer) => {
    length += chunk.length;
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (made.isOver()) {
        return;
      }
      onLine(line.replace(/\r$/, ''));
    }
    if (length > LONGEST_TALK_BYTES) {
      made.settle(failed('wrong-answer', `said more than ${LONGEST_TALK_BYTES} octets`));
    }
  });
  socket.on('end', () => {
    made.settle(failed('closed', 'ended the conversation'));
  });
}
