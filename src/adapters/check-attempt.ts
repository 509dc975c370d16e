import { type CheckFailure, type CheckResult } from '../core/check.ts';
import { type Failure } from '../core/result.ts';

/**
 * One attempt at a real server: the first outcome counts, and whatever was opened is closed then.
 *
 * What comes from the network ends up here as a reason and a detail; both are safe to show.
 */
export interface Attempt {
  /** All but the first is ignored. */
  readonly settle: (outcome: Outcome) => void;
  /** To be closed at the end, however it comes; at once when it has come. */
  readonly closing: (close: () => void) => void;
  readonly isOver: () => boolean;
  /** Goes into the result, whatever it is. */
  readonly sawCertificate: (daysLeft: number) => void;
}

export type Outcome =
  { readonly ok: true } | { readonly ok: false; readonly reason: CheckFailure; readonly detail: string };

export interface AttemptOptions {
  readonly timeoutMs: number;
  /** What the end of the time means; a failure unless said. */
  readonly atTimeout?: Outcome;
}

export const well: Outcome = { ok: true };

export function failed(reason: CheckFailure, detail: string): Outcome {
  return { ok: false, reason, detail };
}

export function attempt(
  { timeoutMs, atTimeout = failed('timeout', `no answer within ${timeoutMs} ms`) }: AttemptOptions,
  signal: AbortSignal,
  begin: (attempt: Attempt) => void,
): Promise<CheckResult> {
  return new Promise((resolve) => {
    const startedMs = performance.now();
    const closers: (() => void)[] = [];
    let isOver = false;
    let certificateDays: number | undefined;
    const settle = (outcome: Outcome) => {
      if (isOver) {
        return;
      }
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      for (const close of closers) {
        close();
      }
      const durationMs = performance.now() - startedMs;
      const shown = certificateDays === undefined ? {} : { certificateDays };
      resolve(
        outcome.ok
          ? { ok: true, durationMs, ...shown }
          : { ...outcome, durationMs, detail: printable(outcome.detail), ...shown },
      );
    };
    // After a stall Node runs timers before it reads sockets, so an answer that is already here would be
    // judged late. setImmediate lets the sockets go first.
    const timer = setTimeout(() => setImmediate(settle, atTimeout), timeoutMs);
    const abort = () => {
      settle(failed('cannot-check', 'was called off'));
    };
    signal.addEventListener('abort', abort);
    if (signal.aborted) {
      abort();
      return;
    }
    begin({
      settle,
      closing: (close) => {
        if (isOver) {
          close();
        } else {
          closers.push(close);
        }
      },
      isOver: () => isOver,
      sawCertificate: (daysLeft) => {
        certificateDays = daysLeft;
      },
    });
  });
}

/** What the system, TLS, HTTP or HTTP/2 said of a connection, as a reason. */
export function failureOf(error: Error): Outcome {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const known = reasons[code];
  if (known !== undefined) {
    return failed(known, error.message);
  }
  if (/^(?:ERR_SSL|ERR_TLS|EPROTO|ERR_OSSL)/.test(code)) {
    return failed('tls', error.message);
  }
  // What else the system says is about this host: no descriptors, no such address, not permitted.
  return failed('syscall' in error ? 'cannot-check' : 'wrong-answer', error.message);
}

const reasons: Readonly<Record<string, CheckFailure | undefined>> = {
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  ECONNRESET: 'closed',
  ECONNABORTED: 'closed',
  EPIPE: 'closed',
};

/** A reason of another adapter that says nothing about the real server. */
export function unable({ reason, detail }: Failure<string>): Outcome {
  return failed('cannot-check', detail ?? reason);
}

const LONGEST_DETAIL = 200;

/** One line without control characters, for a server may say anything and a terminal obeys. */
export function printable(text: string): string {
  const line = text.slice(0, 2 * LONGEST_DETAIL).replaceAll(UNPRINTABLE, ' ');
  const tidy = line.replaceAll(/ {2,}/g, ' ').trim();
  return tidy.length > LONGEST_DETAIL ? `${tidy.slice(0, LONGEST_DETAIL - 1)}…` : tidy;
}

/** Controls, format characters (which can turn a line around), halves of pairs, line separators. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
