import { request, type IncomingMessage } from 'node:http';
import { type Socket } from 'node:net';
import { type CheckResult, type CheckTarget, type HttpCheck, type HttpsCheck } from '../core/check.ts';
import { endpoint } from '../core/table.ts';
import { type Attempt, attempt, failed, failureOf, well } from './check-attempt.ts';
import { judge, LONGEST_ANSWER_BYTES } from './check-expectation.ts';
import { openStream } from './check-stream.ts';

const LONGEST_HEADERS_BYTES = 16 * 1024;
/** `100 Continue` and the like, before the answer. */
const MOST_PRELIMINARIES = 8;

/** One request, whose status and, if so wanted, the beginning of its body are judged. Redirects are not followed. */
export function checkHttp(
  check: HttpCheck | HttpsCheck,
  target: CheckTarget,
  signal: AbortSignal,
): Promise<CheckResult> {
  const { sourceAddress } = check;
  const tls = check.kind === 'https' ? check.tls : undefined;
  return attempt(check, signal, (made) => {
    openStream(made, { target, sourceAddress, tls, protocol: 'http/1.1' }, (socket) => {
      ask(made, { check, target, socket });
    });
  });
}

interface Question {
  readonly check: HttpCheck | HttpsCheck;
  readonly target: CheckTarget;
  readonly socket: Socket;
}

function ask(made: Attempt, { check, target, socket }: Question): void {
  const asked = request({
    createConnection: () => socket,
    method: check.method,
    path: check.path,
    setHost: false,
    headers: {
      host: check.host ?? endpoint(target),
      'user-agent': 'vipair',
      accept: '*/*',
      connection: 'close',
    },
    maxHeaderSize: LONGEST_HEADERS_BYTES,
  });
  let preliminaries = 0;
  asked.on('information', () => {
    preliminaries += 1;
    if (preliminaries > MOST_PRELIMINARIES) {
      made.settle(failed('wrong-answer', 'said again and again that an answer would come'));
    }
  });
  asked.on('error', (error) => {
    made.settle(failureOf(error));
  });
  asked.on('upgrade', (response) => {
    take(made, check, response);
  });
  asked.on('response', (response) => {
    take(made, check, response);
  });
  made.closing(() => {
    asked.destroy();
  });
  asked.end();
}

function take(made: Attempt, check: HttpCheck | HttpsCheck, response: IncomingMessage): void {
  const { status, body } = check;
  const { statusCode = 0, statusMessage = '' } = response;
  if (!status.some(({ from, to }) => statusCode >= from && statusCode <= to)) {
    made.settle(failed('wrong-status', `answered ${statusCode} ${statusMessage}`));
    return;
  }
  if (body === undefined) {
    made.settle(well);
    return;
  }
  const chunks: Buffer[] = [];
  let length = 0;
  const finish = () => {
    const text = Buffer.concat(chunks).subarray(0, LONGEST_ANSWER_BYTES).toString('utf8');
    made.settle(judge(text, body) ?? well);
  };
  response.on('error', (error) => {
    made.settle(failureOf(error));
  });
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= LONGEST_ANSWER_BYTES && !made.isOver()) {
      finish();
    }
  });
  response.on('end', finish);
}
