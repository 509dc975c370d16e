import { constants } from 'node:os';
import { fail, ok, type Failure, type Result } from '../core/result.ts';
import { type GateHooks } from '../core/state.ts';
import {
  gateTable,
  gateTables,
  LEASE_KEY,
  leaseSets,
  muteBatch,
  renewBatch,
  SERVE,
  SPEAK,
  timesBatch,
  type GateTimes,
} from '../wire/gate-lease.ts';
import { gateChains, installBatch, removeBatch } from '../wire/gate-ruleset.ts';
import { type GateChain, type GateRuleset } from '../wire/gate-rules.ts';
import { getElement, isNewChain, isNewTable, isSameTable, parseExpiration } from '../wire/nftables.ts';
import { rulesetOf, type GateOptions } from './gate-options.ts';
import { ownerOf, standingOf, type Standing } from './gate-standing.ts';
import { openLibc, type Libc } from './libc.ts';
import { openNftablesTables, type Commit, type NftablesTables } from './nftables-tables.ts';

/**
 * The kernel's gate before the floating addresses: nftables table `netdev vipair_<pair>`, and without the
 * egress hook (before Linux 5.16) those of the families arp and inet, too; `wire/gate-ruleset.ts` explains
 * their rules. All of it is spoken by netlink from this process; no `nft` is run.
 *
 * The tables outlive the process, and are meant to: whatever kills or freezes the daemon, its lease runs
 * out and the gate is shut until a next life of the daemon, or the operator, comes. By hand:
 *
 *     nft delete table netdev vipair_edge
 *
 * (That is also why NFT_TABLE_F_OWNER is not set: it would take them away with the process.)
 *
 * The lease latches, and so does what is restored after someone flushed the ruleset: no more than what
 * `open` gave or `remaining` last saw, less the time since. So an active director calls `remaining` on
 * every tick.
 */
export interface Gate extends Disposable {
  /** With `output`, heartbeats must be followed by `renew`, and announcements preceded by `remaining`. */
  readonly hooks: GateHooks;
  /** Gives a whole lease, whatever there was: the claim. Puts the table and missing hooks back first. */
  open(): Result<void, GateReason>;
  /** Ends speaking for the addresses at once; serving goes on until the lease ends. */
  mute(): Result<void, GateReason>;
  /** Ends both at once. */
  close(): Result<void, GateReason>;
  /**
   * To be called after an active heartbeat was sent, with the `performance.now()` from before. Gives the
   * lease its time again, counted from then: delayed in between, however long, it ends no later than if
   * the packet had renewed it. False when the lease is no longer whole, which stays so, or it is too late.
   * In the arrangement `egress` the packet has done it, and nothing is done here.
   *
   * Each renewal is a transaction of nf_tables: where auditd runs it is logged, unless told
   * `-a never,exclude -F msgtype=NETFILTER_CFG`.
   */
  renew(sentAtMs: number): boolean;
  /**
   * What is left of the lease by the kernel's own clock; 0: expired. Undefined when a table is gone or
   * the kernel does not answer.
   */
  remaining(): GateTimes | undefined;
  /**
   * Who changed or removed a table since the last call; undefined when nobody did. Does not block, and
   * is one system call while nothing happens.
   */
  tampered(): GateTampering | undefined;
  /** Asks the kernel for the tables and every chain: all there, unchanged in number, in force. */
  isIntact(): boolean;
  /** Puts the tables back, with what was left of the lease. */
  reinstall(): Result<void, GateReason>;
  /**
   * Puts hooks on interfaces that appeared or were made again; true when there was something to do. An
   * interface that is missing is no failure: it cannot carry an address.
   */
  refresh(): Result<boolean, GateReason>;
  /** How the gate is weaker than designed, in words; undefined when it is not. */
  weakness(): string | undefined;
  /** Deletes the tables: the orderly end, after the addresses are released. Idempotent. */
  remove(): Result<void, GateReason>;
  /** Closes the sockets and no more: after a failure the tables must go on fencing. */
  [Symbol.dispose](): void;
}

export type GateReason =
  | 'koffi-unavailable'
  | 'not-permitted'
  /** The kernel has no nf_tables, or not for a family that is needed. */
  | 'no-nftables'
  /** Before Linux 5.16; a reason only where nothing but this hook will do. */
  | 'no-egress-hook'
  /** Another program's table bears the name. */
  | 'foreign-table'
  /** An option that should be an address is none. */
  | 'invalid-address'
  /** The kernel refused for another reason; the detail has its words. */
  | 'refused';

export interface GateTampering {
  /** The program and its process id, as the kernel names them. */
  readonly by: string;
}

/**
 * Puts the gate up, shut. Tables that an earlier life of this pair's daemon left behind are taken over, or
 * away; one that somebody else made is refused.
 */
export function openGate(options: GateOptions, libc = openLibc()): Result<Gate, GateReason> {
  if (!libc.ok) {
    return libc;
  }
  const gate = openArrangement(libc.value, options, options.hooks ?? 'egress');
  if (gate.ok || gate.reason !== 'no-egress-hook' || options.hooks !== undefined) {
    return gate;
  }
  const other = openArrangement(libc.value, options, 'output');
  return other.ok
    ? other
    : fail(other.reason, `${other.detail ?? other.reason} (no egress hook: ${gate.detail ?? ''})`);
}

function openArrangement(libc: Libc, options: GateOptions, hooks: GateHooks): Result<Gate, GateReason> {
  const ruleset = rulesetOf(options, hooks);
  if (!ruleset.ok) {
    return ruleset;
  }
  const wanted = gateTables(ruleset.value);
  const tables = openNftablesTables(libc, (table) => wanted.some((one) => isSameTable(one, table)));
  if (!tables.ok) {
    const reason = tables.reason === 'not-permitted' ? 'not-permitted' : 'no-nftables';
    return fail(reason, tables.detail);
  }
  const foreign = wanted.find((table) => ownerOf(tables.value, table, options.pair) === 'another');
  if (foreign !== undefined) {
    tables.value[Symbol.dispose]();
    const { family, name } = foreign;
    return fail(
      'foreign-table',
      `table ${family} ${name} is not vipair's for this pair; ` +
        `if nothing needs it: nft delete table ${family} ${name}`,
    );
  }
  const gate = gateOver(libc, tables.value, ruleset.value);
  const installed = gate.reinstall();
  if (!installed.ok) {
    gate[Symbol.dispose]();
    return installed;
  }
  return ok(gate);
}

/** What was put up last. */
interface Installed {
  readonly standing: Standing;
  /** 0 for an interface that was not there. */
  readonly interfaceIndexes: readonly number[];
}

function gateOver(libc: Libc, tables: NftablesTables, wanted: GateRuleset): Gate {
  const { hooks, leaseMs } = wanted;
  const wholeLease: GateTimes = { speakMs: leaseMs, serveMs: leaseMs };
  const ownTables = gateTables(wanted);
  const chainsOfAll = gateChains(wanted);
  const interfaceNames = [...new Set(chainsOfAll.flatMap(({ interfaceName }) => interfaceName ?? []))];
  // Made once: opening and muting stand in the path of a takeover.
  const openMessages = timesBatch(wanted, wholeLease);
  const muteMessages = muteBatch(wanted);
  const closeMessages = timesBatch(wanted, expired);
  const lease = leaseSets(wanted);
  const requestsFor = (part: typeof SPEAK | typeof SERVE): readonly Buffer[] =>
    lease.filter(({ set }) => set === part).map(({ table, set }) => getElement(table, set, LEASE_KEY));
  const speakRequests = requestsFor(SPEAK);
  const serveRequests = requestsFor(SERVE);
  let ruleset = wanted;
  let installed: Installed | undefined;
  let seen = { atMs: 0, times: expired };

  const readIndexes = (): readonly number[] =>
    interfaceNames.map((name) => Math.max(0, libc.interfaceIndex(name)));

  const install = (times: GateTimes): Result<void, GateReason> => {
    const interfaceIndexes = readIndexes();
    const chains = chainsOfAll.filter(
      ({ interfaceName }) =>
        interfaceName === undefined || interfaceIndexes[interfaceNames.indexOf(interfaceName)] !== 0,
    );
    const strays = (['netdev', 'arp', 'inet'] as const)
      .map((family) => gateTable(wanted.pair, family))
      .filter((table) => !ownTables.some((own) => isSameTable(own, table)))
      .filter((table) => ownerOf(tables, table, wanted.pair) === 'us');
    const atMs = performance.now();
    const batch = installBatch(ruleset, chains, times, strays);
    const committed = tables.commit(batch);
    if (!committed.ok) {
      return installRefusal(committed, batch, chains);
    }
    tables.forgetOwnChange();
    seen = { atMs, times };
    installed = { standing: standingOf(tables, ownTables, chains), interfaceIndexes };
    return settle(atMs, times);
  };

  /**
   * Takes back what a delay between the clock and the kernel gave too much: the lease counts from when it
   * was decided, however long this process was stopped before the kernel heard of it.
   */
  const settle = (atMs: number, times: GateTimes): Result<void, GateReason> => {
    const passedMs = performance.now() - atMs;
    if (passedMs < PROMPT_MS || (times.speakMs === 0 && times.serveMs === 0)) {
      return ok(undefined);
    }
    const less = lessThan(times, passedMs);
    return change(timesBatch(ruleset, less), less);
  };

  /** Tries again without what this kernel may lack. */
  const installBest = (times: GateTimes): Result<void, GateReason> => {
    const first = install(times);
    if (first.ok || first.reason !== 'refused') {
      return first;
    }
    // An interface may have gone between the look and the installation: then a second look helps.
    const second = install(times);
    if (second.ok || !ruleset.dropsForwarded) {
      return second;
    }
    ruleset = { ...wanted, dropsForwarded: false };
    const third = install(times);
    if (!third.ok) {
      ruleset = wanted;
    }
    return third;
  };

  const left = (): GateTimes => lessThan(seen.times, performance.now() - seen.atMs);

  /** A batch on the sets; when a table is gone, the tables with the outcome that the batch would have had. */
  const change = (batch: readonly Buffer[], next: GateTimes): Result<void, GateReason> => {
    const atMs = performance.now();
    const committed = tables.commit(batch);
    if (committed.ok) {
      seen = { atMs, times: next };
      return settle(atMs, next);
    }
    return committed.errno === constants.errno.ENOENT ? installBest(next) : refusalOf(committed);
  };

  const remaining = (): GateTimes | undefined => {
    const atMs = performance.now();
    const speakMs = shortestOf(tables, speakRequests);
    const serveMs = shortestOf(tables, serveRequests);
    if (speakMs === undefined || serveMs === undefined) {
      return undefined;
    }
    // ENOENT says "expired" of an element and "gone" of a table; only the first is a reason to stay shut.
    if ((speakMs === 0 || serveMs === 0) && installed?.standing.areTablesThere() !== true) {
      return undefined;
    }
    seen = { atMs, times: { speakMs, serveMs } };
    return seen.times;
  };

  const renew = (sentAtMs: number): boolean => {
    let isTooLong = false;
    do {
      const atMs = performance.now();
      const leftMs = leaseMs - (atMs - sentAtMs);
      if (leftMs < 1) {
        if (isTooLong) {
          change(closeMessages, expired);
        }
        return false;
      }
      if (!tables.commit(renewBatch(ruleset, leftMs)).ok) {
        return false;
      }
      seen = { atMs, times: { speakMs: leftMs, serveMs: leftMs } };
      // Stopped before the kernel heard of it: again, with what is left by now.
      isTooLong = performance.now() - atMs >= PROMPT_MS;
    } while (isTooLong);
    return true;
  };

  const isIntact = (): boolean => installed?.standing.isIntact() === true;

  const refresh = (): Result<boolean, GateReason> => {
    const now = readIndexes();
    if (installed?.interfaceIndexes.every((index, position) => index === now[position]) === true) {
      return ok(false);
    }
    // What stands is trusted here, and may have been renewed since it was last looked at.
    remaining();
    const done = installBest(left());
    return done.ok ? ok(true) : done;
  };

  return {
    hooks,
    open: () => {
      // Without the hooks of an interface that came back a moment ago the gate would have a hole there.
      const whole = refresh();
      return whole.ok ? change(openMessages, wholeLease) : whole;
    },
    mute: () => change(muteMessages, { speakMs: 0, serveMs: left().serveMs }),
    close: () => change(closeMessages, expired),
    renew: (sentAtMs) => hooks === 'egress' || renew(sentAtMs),
    remaining,
    tampered: () => {
      const changed = tables.changedBy();
      if (changed === 'unsure') {
        return isIntact() ? undefined : { by: 'an unknown program' };
      }
      return changed;
    },
    isIntact,
    reinstall: () => installBest(left()),
    refresh,
    weakness: () => (ruleset.dropsForwarded ? undefined : NO_FIB),
    remove: () => {
      const removed = tables.commit(removeBatch(ruleset));
      installed = undefined;
      tables.forgetOwnChange();
      return removed.ok ? ok(undefined) : refusalOf(removed);
    },
    [Symbol.dispose]: () => {
      tables[Symbol.dispose]();
    },
  };
}

/** Far more than a batch takes, far less than what the sum of the timers leaves beside a lease. */
const PROMPT_MS = 5;
const expired: GateTimes = { speakMs: 0, serveMs: 0 };
const NO_FIB =
  'this kernel has no fib expression for the netdev family (CONFIG_NFT_FIB_NETDEV): ' +
  'what hosts send through this router while it is not active is still forwarded';

function lessThan(times: GateTimes, passedMs: number): GateTimes {
  return {
    speakMs: Math.max(0, times.speakMs - passedMs),
    serveMs: Math.max(0, times.serveMs - passedMs),
  };
}

/** Of the copies of one part of the lease; undefined when the kernel does not answer for one. */
function shortestOf(tables: NftablesTables, requests: readonly Buffer[]): number | undefined {
  let shortestMs = Infinity;
  for (const request of requests) {
    const timeMs = timeOf(tables, request);
    if (timeMs === undefined) {
      return undefined;
    }
    shortestMs = Math.min(shortestMs, timeMs);
  }
  return shortestMs;
}

function timeOf(tables: NftablesTables, request: Buffer): number | undefined {
  const answer = tables.ask(request);
  if (!answer.ok) {
    return answer.errno === constants.errno.ENOENT ? 0 : undefined;
  }
  const first = answer.value[0];
  const expiration = first === undefined ? undefined : parseExpiration(first);
  return expiration?.ok === true ? expiration.value : undefined;
}

type Refused = Extract<Commit, { readonly ok: false }>;

function installRefusal(
  refused: Refused,
  batch: readonly Buffer[],
  chains: readonly GateChain[],
): Failure<GateReason> {
  const unsupported: readonly number[] = [
    constants.errno.EOPNOTSUPP,
    constants.errno.EAFNOSUPPORT,
    constants.errno.EINVAL,
    constants.errno.EPROTONOSUPPORT,
  ];
  const message = batch[refused.index];
  if (!unsupported.includes(refused.errno) || message === undefined) {
    return refusalOf(refused);
  }
  if (isNewTable(message)) {
    return fail('no-nftables', refused.detail);
  }
  const chain = chains[batch.slice(0, refused.index).filter(isNewChain).length];
  return isNewChain(message) && chain?.hook === 'egress'
    ? fail('no-egress-hook', refused.detail)
    : refusalOf(refused);
}

function refusalOf({ errno, detail }: Refused): Failure<GateReason> {
  const isForbidden = errno === constants.errno.EPERM || errno === constants.errno.EACCES;
  return fail(isForbidden ? 'not-permitted' : 'refused', detail);
}
