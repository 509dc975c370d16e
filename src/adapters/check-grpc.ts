import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2';
import { type Socket } from 'node:net';
import { type CheckResult, type CheckTarget, type GrpcCheck } from '../core/check.ts';
import { endpoint } from '../core/table.ts';
import { type Attempt, attempt, failed, failureOf, type Outcome, well } from './check-attempt.ts';
import { openStream } from './check-stream.ts';

/** A message of grpc.health.v1.HealthCheckResponse is two octets, and what it may grow by is not ours to read. */
const LONGEST_REPLY_BYTES = 4096;

/** The method Check of grpc.health.v1.Health answers SERVING. */
export function checkGrpc(check: GrpcCheck, target: CheckTarget, signal: AbortSignal): Promise<CheckResult> {
  const { sourceAddress, tls } = check;
  return attempt(check, signal, (made) => {
    openStream(made, { target, sourceAddress, tls, protocol: 'h2' }, (socket) => {
      const authority = tls?.serverName ?? endpoint(target);
      const session = openSession(made, socket);
      ask(made, session, { check, authority });
    });
  });
}

function openSession(made: Attempt, socket: Socket): ClientHttp2Session {
  // The address is not used: the socket is connected.
  const session = connect('http://real-server', {
    createConnection: () => socket,
    settings: { enablePush: false },
    maxSessionMemory: 1,
    maxHeaderListPairs: 64,
  });
  made.closing(() => {
    session.destroy();
  });
  session.on('error', (error: Error) => {
    made.settle(failureOf(error));
  });
  session.on('close', () => {
    made.settle(failed('closed', 'ended the conversation'));
  });
  return session;
}

interface Question {
  readonly check: GrpcCheck;
  readonly authority: string;
}

function ask(made: Attempt, session: ClientHttp2Session, { check, authority }: Question): void {
  const { tls, service, timeoutMs } = check;
  const stream = session.request({
    ':method': 'POST',
    ':scheme': tls === undefined ? 'http' : 'https',
    ':path': '/grpc.health.v1.Health/Check',
    ':authority': authority,
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': `${timeoutMs}m`,
    'user-agent': 'vipair',
  });
  stream.on('error', (error: Error) => {
    made.settle(failureOf(error));
  });
  take(made, stream);
  stream.end(requestFor(service));
}

function take(made: Attempt, stream: ClientHttp2Stream): void {
  const chunks: Buffer[] = [];
  let length = 0;
  let status: string | undefined;
  let hasAnswered = false;
  /** An answer without a message has its status in the only headers there are. */
  const note = (headers: IncomingHttpHeaders) => {
    const word = headers['grpc-status'];
    status ??= typeof word === 'string' ? word : undefined;
  };
  stream.on('response', (headers) => {
    hasAnswered = true;
    const http = headers[':status'];
    if (http !== 200) {
      made.settle(failed('wrong-status', `answered ${String(http)}`));
    }
    note(headers);
  });
  stream.on('trailers', note);
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LONGEST_REPLY_BYTES) {
      made.settle(failed('wrong-answer', `answered with more than ${LONGEST_REPLY_BYTES} octets`));
    }
  });
  stream.on('close', () => {
    made.settle(
      hasAnswered ? judge(status, Buffer.concat(chunks)) : failed('closed', 'ended the conversation'),
    );
  });
}

/** google.rpc.Code, those that are met here. */
const statuses: Readonly<Record<string, string | undefined>> = {
  '4': 'DEADLINE_EXCEEDED',
  '5': 'NOT_FOUND: no such service',
  '7': 'PERMISSION_DENIED',
  '12': 'UNIMPLEMENTED: no health service',
  '13': 'INTERNAL',
  '14': 'UNAVAILABLE',
  '16': 'UNAUTHENTICATED',
};

/** HealthCheckResponse.ServingStatus. */
const servings = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

function judge(status: string | undefined, reply: Buffer): Outcome {
  if (status === undefined) {
    return failed('wrong-answer', 'answered without a grpc-status');
  }
  if (status !== '0') {
    return failed('wrong-status', `answered grpc-status ${status} ${statuses[status] ?? ''}`);
  }
  const serving = servingIn(reply);
  if (serving === undefined) {
    return failed('wrong-answer', 'answered with what is not a HealthCheckResponse');
  }
  return servings[serving] === 'SERVING'
    ? well
    : failed('not-serving', `answered ${servings[serving] ?? `status ${serving}`}`);
}

const PREFIX_BYTES = 5;

/** An uncompressed message: a zero, its length, then protobuf. */
function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** HealthCheckRequest: field 1, a text of at most 255 octets. */
function requestFor(service: string): Buffer {
  const name = Buffer.from(service);
  const length = name.length < 0x80 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7];
  return framed(name.length === 0 ? name : Buffer.concat([Buffer.of(0x0a, ...length), name]));
}

/** HealthCheckResponse: field 1, a number; 0 when it is left out. Undefined for anything else. */
function servingIn(reply: Buffer): number | undefined {
  if (reply.length < PREFIX_BYTES || reply[0] !== 0) {
    return undefined;
  }
  const message = reply.subarray(PREFIX_BYTES);
  if (message.length !== reply.readUInt32BE(1)) {
    return undefined;
  }
  if (message.length === 0) {
    return 0;
  }
  const [tag, value = 0x80] = message;
  return tag === 0x08 && value < 0x80 ? value : undefined;
}
