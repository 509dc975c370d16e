/**
 * What two director processes tell each other, as texts of at most 1024 bytes that may get lost (`note.ts`).
 * They are authenticated, and still read as a stranger's: the peer may be of another version.
 *
 * Findings name only whom the checks found failed, by hashes of 32 bits, in numbered parts of one revision: a
 * collision would show a wrong word beside one real server, and decides nothing.
 */
import { type Drain } from '../core/drains.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { parseDrain } from './lvs-memory.ts';

export type Exchange =
  | {
      readonly kind: 'findings';
      /** Of the sender's life; another one begins anew. */
      readonly revision: number;
      readonly part: number;
      readonly partCount: number;
      readonly failed: readonly string[];
    }
  | { readonly kind: 'drain'; readonly drain: Drain }
  /** How many connections the sender's kernel knows, for connection sync. */
  | { readonly kind: 'connections'; readonly count: number };

/** 11 bytes each in the text. */
export const mostFailedPerPart = 80;
export const mostParts = 128;

export function formatExchange(exchange: Exchange): string {
  return JSON.stringify(exchange);
}

export function parseExchange(text: string): Result<Exchange, 'malformed'> {
  const value = valueOf(text);
  if (typeof value !== 'object' || value === null) {
    return fail('malformed');
  }
  const told = value as Readonly<Record<string, unknown>>;
  switch (told['kind']) {
    case 'drain': {
      const drain = parseDrain(told['drain']);
      return drain === undefined ? fail('malformed') : ok({ kind: 'drain', drain });
    }
    case 'connections': {
      const count = told['count'];
      return isCount(count) ? ok({ kind: 'connections', count }) : fail('malformed');
    }
    case 'findings': {
      const { revision, part, partCount, failed } = told;
      return isCount(revision) &&
        isCount(part) &&
        isCount(partCount) &&
        part < partCount &&
        partCount <= mostParts &&
        Array.isArray(failed) &&
        failed.length <= mostFailedPerPart &&
        failed.every((hash): hash is string => typeof hash === 'string' && /^[0-9a-f]{8}$/.test(hash))
        ? ok({ kind: 'findings', revision, part, partCount, failed })
        : fail('malformed');
    }
    default:
      return fail('malformed');
  }
}

/** Names a real server in few bytes. FNV-1a. */
export function hashOfServer(id: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) {
    hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** All parts of what was found, at least one: that nobody failed is news, too. */
export function findingsOf(revision: number, failedIds: readonly string[]): readonly Exchange[] {
  const hashes = failedIds.slice(0, mostParts * mostFailedPerPart).map(hashOfServer);
  const partCount = Math.max(1, Math.ceil(hashes.length / mostFailedPerPart));
  return Array.from({ length: partCount }, (_, part) => ({
    kind: 'findings',
    revision,
    part,
    partCount,
    failed: hashes.slice(part * mostFailedPerPart, (part + 1) * mostFailedPerPart),
  }));
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
