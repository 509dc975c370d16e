import { constants } from 'node:os';
import { ok, type Result } from '../core/result.ts';
import {
  acknowledgedErrno,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  parseMessages,
  withSequence,
  type NetlinkMessage,
} from '../wire/netlink.ts';
import { AF_NETLINK, describeErrno, SO_RCVBUF, SOCK_RAW, SOL_SOCKET, uint32, type Libc } from './libc.ts';

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

export type NetlinkReason = 'not-permitted' | 'refused' | 'no-answer';

export interface NetlinkOptions {
  readonly protocol: number;
  /** Multicast groups by number, as in RTNLGRP_* and NFNLGRP_*. */
  readonly groups?: readonly number[];
}

/**
 * A netlink socket. The kernel does what it is asked inside `sendto`, so every answer is there when that
 * returns: nothing here waits.
 *
 * Use one socket for requests and another for notifications, or the two mix.
 */
export interface NetlinkSocket extends Disposable {
  /**
   * Sends all messages in one call and numbers them. Per message: 0, the errno, or undefined where no
   * answer came (one without NLM_F_ACK that succeeded, or one that the kernel did not reach).
   */
  transact(messages: readonly Buffer[]): Result<readonly (number | undefined)[], NetlinkReason>;
  /**
   * Sends one request and returns what is answered, the acknowledgement excepted: one message for a plain
   * request, all of them for a dump. `refused` says the errno in `detail`; `errno` is for deciding.
   */
  ask(request: Buffer): Answer;
  /** The notifications that wait, at most `POLL_LIMIT` datagrams. Without any: one system call. */
  poll(): Notifications;
}

export type Answer =
  | { readonly ok: true; readonly value: readonly NetlinkMessage[] }
  | { readonly ok: false; readonly reason: NetlinkReason; readonly detail: string; readonly errno: number };

export interface Notifications {
  readonly messages: readonly NetlinkMessage[];
  /** Notifications were lost (or unreadable): whoever follows them must look for itself. */
  readonly isOverrun: boolean;
}

export function openNetlink(libc: Libc, options: NetlinkOptions): Result<NetlinkSocket, NetlinkReason> {
  const descriptor = libc.socket(AF_NETLINK, SOCK_RAW, options.protocol);
  if (descriptor < 0) {
    return refusal(-descriptor);
  }
  for (const step of [
    () => libc.setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, uint32(RECEIVE_BUFFER_BYTES)),
    () => libc.bind(descriptor, socketAddress()),
    ...(options.groups ?? []).map(
      (group) => () => libc.setsockopt(descriptor, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, uint32(group)),
    ),
  ]) {
    const result = step();
    if (result < 0) {
      libc.close(descriptor);
      return refusal(-result);
    }
  }
  return ok(netlinkSocket(libc, descriptor));
}

/** `not-permitted` for EPERM and EACCES, `refused` for the rest; the words of the errno as detail. */
function refusal(errno: number): {
  readonly ok: false;
  readonly reason: NetlinkReason;
  readonly detail: string;
  readonly errno: number;
} {
  const isForbidden = errno === constants.errno.EPERM || errno === constants.errno.EACCES;
  return {
    ok: false,
    reason: isForbidden ? 'not-permitted' : 'refused',
    detail: describeErrno(errno),
    errno,
  };
}

const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
/** The kernel makes netlink datagrams of a dump no larger than this. */
const DATAGRAM_BYTES = 32768;
const RECEIVE_BUFFER_BYTES = 1 << 20;
const POLL_LIMIT = 256;
const DUMP_ATTEMPTS = 3;

function netlinkSocket(libc: Libc, descriptor: number): NetlinkSocket {
  const kernel = socketAddress();
  const datagram = Buffer.alloc(DATAGRAM_BYTES);
  let sequence = 0;
  let isOpen = true;

  /** The next datagram's messages; undefined when none waits. */
  const receive = (): Notifications | undefined => {
    const length = libc.recv(descriptor, datagram);
    if (length === -constants.errno.EAGAIN || length === 0) {
      return undefined;
    }
    if (length < 0) {
      return { messages: [], isOverrun: true };
    }
    // Copied, for the buffer is used again while the caller still reads.
    const parsed = parseMessages(Buffer.from(datagram.subarray(0, length)));
    return parsed.ok ? { messages: parsed.value, isOverrun: false } : { messages: [], isOverrun: true };
  };

  const receiveAll = (limit: number): Notifications => {
    const messages: NetlinkMessage[] = [];
    let isOverrun = false;
    for (let count = 0; count < limit; count += 1) {
      const received = receive();
      if (received === undefined) {
        break;
      }
      messages.push(...received.messages);
      isOverrun ||= received.isOverrun;
    }
    return { messages, isOverrun };
  };

  const askOnce = (request: Buffer): Answer & { readonly isInterrupted: boolean } => {
    sequence += 1;
    const sent = libc.sendto(descriptor, withSequence(request, sequence), kernel);
    if (sent < 0) {
      return { ...refusal(-sent), isInterrupted: false };
    }
    const answers: NetlinkMessage[] = [];
    let isInterrupted = false;
    for (let received = receive(); received !== undefined; received = receive()) {
      for (const message of received.messages.filter((candidate) => candidate.sequence === sequence)) {
        isInterrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
        const errno = acknowledgedErrno(message);
        if (errno !== undefined && errno > 0) {
          return { ...refusal(errno), isInterrupted };
        }
        if (message.type === NLMSG_DONE || message.type === NLMSG_ERROR) {
          return { ok: true, value: answers, isInterrupted };
        }
        answers.push(message);
      }
    }
    return answers.length > 0
      ? { ok: true, value: answers, isInterrupted }
      : { ok: false, reason: 'no-answer', detail: 'the kernel did not answer', errno: 0, isInterrupted };
  };

  return {
    transact: (messages) => {
      if (messages.length === 0) {
        return ok([]);
      }
      const first = sequence + 1;
      for (const message of messages) {
        sequence += 1;
        withSequence(message, sequence);
      }
      const sent = libc.sendto(descriptor, Buffer.concat(messages), kernel);
      if (sent < 0) {
        return refusal(-sent);
      }
      const outcomes = new Array<number | undefined>(messages.length).fill(undefined);
      for (const answer of receiveAll(messages.length + POLL_LIMIT).messages) {
        const index = answer.sequence - first;
        if (answer.type === NLMSG_ERROR && index >= 0 && index < outcomes.length) {
          outcomes[index] = acknowledgedErrno(answer);
        }
      }
      return ok(outcomes);
    },
    ask: (request) => {
      let answer = askOnce(request);
      for (let attempt = 1; answer.ok && answer.isInterrupted && attempt < DUMP_ATTEMPTS; attempt += 1) {
        answer = askOnce(request);
      }
      return answer;
    },
    poll: () => receiveAll(POLL_LIMIT),
    [Symbol.dispose]: () => {
      if (isOpen) {
        isOpen = false;
        libc.close(descriptor);
      }
    },
  };
}

/** struct sockaddr_nl: the kernel as receiver, or a port number of the kernel's choice when binding. */
function socketAddress(): Buffer {
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK, 0);
  return address;
}
