import { X509Certificate } from 'node:crypto';
import { stat, readFile } from 'node:fs/promises';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  connect as connectTls,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { type CheckTarget, type TlsSettings } from '../core/check.ts';
import { type Attempt, failed, failureOf, type Outcome } from './check-attempt.ts';

export interface StreamOptions {
  readonly target: CheckTarget;
  readonly sourceAddress: string | undefined;
  readonly tls?: TlsSettings | undefined;
  /** ALPN, with TLS. */
  readonly protocol?: string;
}

/**
 * Connects, shakes hands where there is TLS, and judges the certificate. `onOpen` is called with a socket
 * that is ready, or the attempt is settled. The socket is closed with the attempt.
 */
export function openStream(attempt: Attempt, options: StreamOptions, onOpen: (socket: Socket) => void): void {
  const { tls } = options;
  if (tls === undefined) {
    const socket = connectPlain(addressOf(options));
    own(attempt, socket);
    socket.once('connect', () => {
      onOpen(socket);
    });
    return;
  }
  void contextOf(tls.caFile).then((context) => {
    if (context instanceof Error) {
      attempt.settle(failed('cannot-check', context.message));
    } else if (!attempt.isOver()) {
      shakeHands(attempt, { ...options, tls, context }, onOpen);
    }
  });
}

function addressOf({ target, sourceAddress }: StreamOptions) {
  return {
    host: target.address,
    port: target.port,
    autoSelectFamily: false,
    ...(sourceAddress === undefined ? {} : { localAddress: sourceAddress }),
  };
}

/** Listens for errors for ever: one that comes after the end must not end the process. */
function own(attempt: Attempt, socket: Socket): void {
  attempt.closing(() => {
    socket.destroy();
  });
  socket.on('error', (error) => {
    attempt.settle(failureOf(error));
  });
}

interface HandshakeOptions extends StreamOptions {
  readonly tls: TlsSettings;
  readonly context: SecureContext;
}

function shakeHands(attempt: Attempt, options: HandshakeOptions, onOpen: (socket: Socket) => void): void {
  const { tls, target, protocol } = options;
  const name = tls.serverName ?? target.address;
  const socket = connectTls({
    ...addressOf(options),
    secureContext: options.context,
    // Judged below: so the certificate's days are known even of one that is refused.
    rejectUnauthorized: false,
    // Else an address that is named would be judged as if the target's had been.
    checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
  });
  own(attempt, socket);
  socket.once('secureConnect', () => {
    const refusal = judgeCertificate(attempt, socket, tls);
    if (refusal === undefined) {
      onOpen(socket);
    } else {
      attempt.settle(refusal);
    }
  });
}

function judgeCertificate(attempt: Attempt, socket: TLSSocket, tls: TlsSettings): Outcome | undefined {
  const daysLeft = daysLeftOf(socket);
  if (daysLeft !== undefined) {
    attempt.sawCertificate(daysLeft);
  }
  if (tls.verify && !socket.authorized) {
    return failed('certificate', String(socket.authorizationError));
  }
  const { minimumDays } = tls;
  return minimumDays !== undefined && (daysLeft ?? -Infinity) < minimumDays
    ? failed('certificate', `is valid for ${Math.floor(daysLeft ?? 0)} days, and ${minimumDays} are wanted`)
    : undefined;
}

const DAY_MS = 86_400_000;

function daysLeftOf(socket: TLSSocket): number | undefined {
  // The wall clock, for a certificate is valid by the calendar.
  const days = (Date.parse(socket.getPeerX509Certificate()?.validTo ?? '') - Date.now()) / DAY_MS;
  return Number.isNaN(days) ? undefined : days;
}

interface KnownContext {
  readonly context: SecureContext;
  readonly stamp: string;
}

/** Made once: to parse some hundred authorities takes longer than a whole check. */
const contexts = new Map<string, KnownContext>();
/** Far more than a configuration names; so that files of earlier ones are not held for ever. */
const MOST_CONTEXTS = 64;

/** An error when the file cannot be read or is no certificate. A file that has changed is read again. */
async function contextOf(caFile: string | undefined): Promise<SecureContext | Error> {
  try {
    const key = caFile ?? '';
    const stamp = caFile === undefined ? '' : await stampOf(caFile);
    const known = contexts.get(key);
    if (known?.stamp === stamp) {
      return known.context;
    }
    const ca = caFile === undefined ? undefined : await readFile(caFile, { encoding: 'utf8' });
    if (ca !== undefined) {
      // Refuses what is none, which a context takes for no authorities at all.
      new X509Certificate(ca);
    }
    const context = createSecureContext(ca === undefined ? {} : { ca });
    if (contexts.size >= MOST_CONTEXTS) {
      contexts.clear();
    }
    contexts.set(key, { context, stamp });
    return context;
  } catch (error) {
    if (error instanceof Error && 'code' in error) {
      return error;
    }
    throw error;
  }
}

async function stampOf(file: string): Promise<string> {
  const { mtimeMs, size, ino } = await stat(file);
  return `${mtimeMs} ${size} ${ino}`;
}
