import { constants } from 'node:os';
import { ok, type Result } from '../core/result.ts';
import { NFTABLES_GROUP, parseNotice, type Notice, type Table } from '../wire/nftables.ts';
import { describeErrno, type Libc } from './libc.ts';
import { NETLINK_NETFILTER, openNetlink, type Answer, type NetlinkReason } from './netlink.ts';

/** Tables that are one thing: their batches carried out, and watched for the changes of others. */
export interface NftablesTables extends Disposable {
  /** All of the batch at one instant, or nothing. */
  commit(batch: readonly Buffer[]): Commit;
  ask(request: Buffer): Answer;
  /**
   * The program that changed one of the tables since the last call; undefined when none did. `unsure` when
   * notices were lost: then the tables must be looked at.
   */
  changedBy(): { readonly by: string } | 'unsure' | undefined;
  /**
   * To be called right after a `commit` that made tables, chains or rules: what happened until then is
   * history. Of other commits `changedBy` knows by itself that they are ours.
   */
  forgetOwnChange(): void;
}

export type Commit =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** Of the first message that was refused; 0 when the batch as a whole could not be sent. */
      readonly index: number;
      readonly errno: number;
      readonly detail: string;
    };

export function openNftablesTables(
  libc: Libc,
  isWatched: (table: Table) => boolean,
): Result<NftablesTables, NetlinkReason> {
  const opened = openNetlink(libc, { protocol: NETLINK_NETFILTER });
  if (!opened.ok) {
    return opened;
  }
  const requests = opened.value;
  const watching = openNetlink(libc, { protocol: NETLINK_NETFILTER, groups: [NFTABLES_GROUP] });
  if (!watching.ok) {
    requests[Symbol.dispose]();
    return watching;
  }
  const notices = watching.value;
  let own: number | undefined;

  return ok({
    commit: (batch) => {
      const sent = requests.transact(batch);
      if (!sent.ok) {
        const errno = sent.reason === 'not-permitted' ? constants.errno.EPERM : 0;
        return { ok: false, index: 0, errno, detail: sent.detail ?? sent.reason };
      }
      const index = sent.value.findIndex((errno) => errno !== undefined && errno !== 0);
      const errno = sent.value[index];
      return errno === undefined ? { ok: true } : { ok: false, index, errno, detail: describeErrno(errno) };
    },
    ask: (request) => requests.ask(request),
    changedBy: () => {
      const waiting = notices.poll();
      const by = foreignAuthor(waiting.messages.map(parseNotice), isWatched, own);
      if (by !== undefined) {
        return { by };
      }
      return waiting.isOverrun ? 'unsure' : undefined;
    },
    forgetOwnChange: () => {
      const generations = notices
        .poll()
        .messages.map(parseNotice)
        .filter((notice) => notice?.kind === 'generation');
      // The latest transaction was ours. Its notice tells our process id as the kernel counts, which a
      // process in a container cannot know otherwise.
      own = generations.at(-1)?.processId;
    },
    [Symbol.dispose]: () => {
      requests[Symbol.dispose]();
      notices[Symbol.dispose]();
    },
  });
}

/**
 * Each transaction announces its changes and ends with a notice that names its author; what the kernel
 * does by itself, as when an interface goes, has no such end. Ours touch set elements only.
 */
function foreignAuthor(
  notices: readonly (Notice | undefined)[],
  isWatched: (table: Table) => boolean,
  own: number | undefined,
): string | undefined {
  let touchesElements = false;
  let touchesStructure = false;
  for (const notice of notices) {
    if (notice?.kind === 'change' && isWatched(notice.table)) {
      touchesElements ||= notice.isElement;
      touchesStructure ||= !notice.isElement;
    } else if (notice?.kind === 'generation') {
      if ((touchesElements || touchesStructure) && notice.processId !== own) {
        return notice.by;
      }
      if (touchesStructure) {
        return THE_KERNEL;
      }
      touchesElements = false;
    }
  }
  return touchesElements || touchesStructure ? THE_KERNEL : undefined;
}

const THE_KERNEL = 'the kernel';
