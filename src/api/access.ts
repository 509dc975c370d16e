import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { type IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { refused, served, type Served } from './refusal.ts';

/** Who is at the other end: whoever may open the control socket, or anybody on the network. */
export type Access =
  | { readonly kind: 'control' }
  | {
      readonly kind: 'network';
      readonly tokenFile: string | undefined;
      /** Names by which this host may be asked, besides its addresses and localhost. */
      readonly hostNames: readonly string[];
    };

/** Short tokens can be guessed. */
const leastTokenLength = 16;
const mostTokenBytes = 4096;
const makeToken = 'umask 077; openssl rand -hex 32';

/**
 * Refuses a request that was meant for another host. A page of a foreign site may let its own name resolve
 * to this address and would then read the answer ("DNS rebinding"); a browser tells the name in Host.
 */
export function checkHost(request: IncomingMessage, access: Access): Served<undefined> {
  if (access.kind === 'control') {
    return served(undefined);
  }
  const name = hostNameOf(request.headers.host);
  if (name !== undefined && (isIP(name) !== 0 || ['localhost', ...access.hostNames].includes(name))) {
    return served(undefined);
  }
  return refused(
    403,
    'wrong-host',
    'the request names a host that this is not',
    `ask by address, or as one of: ${['localhost', ...access.hostNames].join(', ')}`,
  );
}

/** Without port and brackets, in lower case. */
function hostNameOf(host = ''): string | undefined {
  const [, v6, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/.exec(host.toLowerCase()) ?? [];
  return v6 ?? name?.replace(/\.$/, '');
}

/** Who comes over the network may change nothing unless it shows the token. Read anew each time: it may be rotated. */
export async function checkToken(request: IncomingMessage, access: Access): Promise<Served<undefined>> {
  if (access.kind === 'control') {
    return served(undefined);
  }
  if (access.tokenFile === undefined) {
    return refused(
      403,
      'writes-disabled',
      'commands over the network are disabled',
      `use the command line on the router, or set api.token_file to a file made by: ${makeToken}`,
    );
  }
  const shown = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (shown === undefined) {
    return unauthorized('token-missing', 'a token is needed');
  }
  const token = await readToken(access.tokenFile);
  if (!token.ok) {
    return token;
  }
  return isSame(shown, token.value) ? served(undefined) : unauthorized('token-wrong', 'the token is wrong');
}

function unauthorized(reason: string, error: string): Served<never> {
  const { ok, refusal } = refused(401, reason, error, 'send the header Authorization: Bearer TOKEN');
  return { ok, refusal: { ...refusal, headers: { 'WWW-Authenticate': 'Bearer realm="vipair"' } } };
}

async function readToken(path: string): Promise<Served<string>> {
  try {
    const { mode, size } = await stat(path);
    if ((mode & 0o007) !== 0) {
      return refused(403, 'token-file-unsafe', `${path} is open to everyone`, `chmod 0640 ${path}`);
    }
    const token = size > mostTokenBytes ? '' : (await readFile(path, 'utf8')).trim();
    return token.length >= leastTokenLength && !/\s/.test(token)
      ? served(token)
      : refused(
          403,
          'token-file-bad',
          `${path} does not hold one token of ${leastTokenLength} or more characters`,
          `${makeToken} > ${path}`,
        );
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return refused(
      403,
      'token-file-unreadable',
      `the token file cannot be read: ${message}`,
      `${makeToken} > ${path}`,
    );
  }
}

/** In a time that tells nothing of where they differ, nor of their lengths. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
