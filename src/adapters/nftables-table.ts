import { constants } from 'node:os';
import { ok, type Result } from '../core/result.ts';
import { NFTABLES_GROUP, parseNotice, sequenceOf } from '../wire/nftables.ts';
import { describeErrno, type Libc } from './libc.ts';
import { NETLINK_NETFILTER, openNetlink, type Answer, type NetlinkReason } from './netlink.ts';

/** One table of the netdev family: its batches carried out, and watched for the changes of others. */
export interface NftablesTable extends Disposable {
  /** All of the batch at one instant, or nothing. */
  commit(batch: readonly Buffer[]): Commit;
  ask(request: Buffer): Answer;
  /**
   * The program that changed the table since the last call; undefined when none did. `unsure` when
   * notices were lost: then the table must be looked at.
   */
  changedBy(): { readonly by: string } | 'unsure' | undefined;
  /** Changes so far are history: the next `changedBy` does not speak of them. */
  forgetChanges(): void;
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

const THE_KERNEL = 'the kernel';

export function openNftablesTable(libc: Libc, table: string): Result<NftablesTable, NetlinkReason> {
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
  // The kernel announces our own changes to us as well; each bears the sequence number of its message.
  let ownSequences = new Set<number>();

  return ok({
    commit: (batch) => {
      const sent = requests.transact(batch);
      for (const message of batch) {
        ownSequences.add(sequenceOf(message));
      }
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
      // Nobody else's notice can bear one of these numbers by chance except while ours waits beside it.
      const own = ownSequences;
      ownSequences = new Set();
      // A transaction's end names its author; what the kernel does by itself has no such end.
      let isForeign = false;
      let by: string | undefined;
      for (const notice of waiting.messages.map(parseNotice)) {
        if (notice?.kind === 'change') {
          isForeign = notice.table === table && !own.has(notice.sequence);
          by ??= isForeign ? THE_KERNEL : undefined;
        } else if (notice?.kind === 'generation' && isForeign) {
          by = by === THE_KERNEL ? notice.by : by;
          isForeign = false;
        }
      }
      if (by !== undefined) {
        return { by };
      }
      return waiting.isOverrun ? 'unsure' : undefined;
    },
    forgetChanges: () => {
      notices.poll();
      ownSequences = new Set();
    },
    [Symbol.dispose]: () => {
      requests[Symbol.dispose]();
      notices[Symbol.dispose]();
    },
  });
}
