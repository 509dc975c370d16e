import { type FileHandle, open } from 'node:fs/promises';
import { type CheckResult, type CheckTarget, type RedisCheck } from '../core/check.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { attempt, failed, type Outcome, unable, well } from './check-attempt.ts';
import { readLines } from './check-lines.ts';
import { openStream } from './check-stream.ts';

const LONGEST_PASSWORD_BYTES = 4096;

/** PING is answered by PONG, after AUTH where there is a password. A server that is loading its data fails. */
export function checkRedis(
  check: RedisCheck,
  target: CheckTarget,
  signal: AbortSignal,
): Promise<CheckResult> {
  return attempt(check, signal, (made) => {
    void commandsFor(check).then((commands) => {
      if (!commands.ok) {
        made.settle(unable(commands));
      } else if (!made.isOver()) {
        openStream(made, { target, sourceAddress: check.sourceAddress }, (socket) => {
          const replies = commands.value.map(({ reply }) => reply);
          readLines(made, socket, (line) => {
            const expected = replies.shift();
            if (line !== expected) {
              made.settle(complaintAbout(line));
            } else if (replies.length === 0) {
              made.settle(well);
            }
          });
          socket.write(commands.value.map(({ words }) => format(words)).join(''));
        });
      }
    });
  });
}

function complaintAbout(line: string): Outcome {
  return line.startsWith('-LOADING') || line.startsWith('-MASTERDOWN') || line.startsWith('-BUSY ')
    ? failed('not-serving', `answered ${line}`)
    : failed('wrong-answer', `answered ${line}`);
}

interface Command {
  readonly words: readonly string[];
  readonly reply: string;
}

async function commandsFor({
  user,
  passwordFile,
}: RedisCheck): Promise<Result<readonly Command[], 'unreadable'>> {
  const ping = { words: ['PING'], reply: '+PONG' };
  if (passwordFile === undefined) {
    return ok([ping]);
  }
  const password = await firstLineOf(passwordFile);
  if (!password.ok) {
    return password;
  }
  const words = ['AUTH', ...(user === undefined ? [] : [user]), password.value];
  return ok([{ words, reply: '+OK' }, ping]);
}

/** RESP: an array of bulk strings, whose lengths are in octets. */
function format(words: readonly string[]): string {
  const bulks = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${bulks.join('')}`;
}

async function firstLineOf(path: string): Promise<Result<string, 'unreadable'>> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST_PASSWORD_BYTES));
    const [line = ''] = buffer.toString('utf8', 0, bytesRead).split(/\r?\n/);
    return ok(line);
  } catch (error) {
    if (error instanceof Error && 'code' in error) {
      return fail('unreadable', error.message);
    }
    throw error;
  } finally {
    await file?.close();
  }
}
