import { constants } from 'node:os';
import { parseAddress } from '../core/address.ts';
import { fail, ok, type Failure, type Result } from '../core/result.ts';
import {
  gateChains,
  gateComment,
  installBatch,
  isGateComment,
  LEASE_KEY,
  muteBatch,
  SERVE,
  SPEAK,
  timesBatch,
  type GateChain,
  type GateLink,
  type GateRuleset,
  type GateTimes,
} from '../wire/gate-ruleset.ts';
import { pairIdOf } from '../wire/heartbeat.ts';
import { type NetlinkMessage } from '../wire/netlink.ts';
import {
  deleteBatch,
  getChain,
  getElement,
  getTable,
  isNewChain,
  parseChain,
  parseExpiration,
  parseTable,
  type Identity,
} from '../wire/nftables.ts';
import { openLibc, type Libc } from './libc.ts';
import { openNftablesTable, type Commit, type NftablesTable } from './nftables-table.ts';

/**
 * The kernel's gate before the floating addresses: nftables table `netdev vipair_<pair>`, whose rules
 * `wire/gate-ruleset.ts` explains. All of it is spoken by netlink from this process; no `nft` is run.
 *
 * The table outlives the process, and is meant to: whatever kills or freezes the daemon, its lease runs
 * out and the gate is shut until a next life of the daemon, or the operator, comes. By hand:
 *
 *     nft delete table netdev vipair_edge
 *
 * (That is also why NFT_TABLE_F_OWNER is not set: it would take the table away with the process.)
 *
 * The lease latches, and so does what is restored after someone flushed the ruleset: no more than what
 * `open` gave or `remaining` last saw, less the time since. So an active director calls `remaining` on
 * every tick.
 */
export interface Gate extends Disposable {
  /** Gives a whole lease, whatever there was: the claim. Puts the table and missing hooks back first. */
  open(): Result<void, GateReason>;
  /** Ends speaking for the addresses at once; serving goes on until the lease ends. */
  mute(): Result<void, GateReason>;
  /** Ends both at once. */
  close(): Result<void, GateReason>;
  /**
   * What is left of the lease by the kernel's own clock; 0: expired. Undefined when the table is gone or
   * the kernel does not answer.
   */
  remaining(): GateTimes | undefined;
  /**
   * Who changed or removed the table since the last call; undefined when nobody did. Does not block, and
   * is one system call while nothing happens.
   */
  tampered(): GateTampering | undefined;
  /** Asks the kernel for the table and every chain: all there, unchanged in number, in force. */
  isIntact(): boolean;
  /** Puts the table back, with what was left of the lease. */
  reinstall(): Result<void, GateReason>;
  /**
   * Puts hooks on interfaces that appeared or were made again; true when there was something to do. An
   * interface that is missing is no failure: it cannot carry an address.
   */
  refresh(): Result<boolean, GateReason>;
  /** How the gate is weaker than designed, in words; undefined when it is not. */
  weakness(): string | undefined;
  /** Deletes the table: the orderly end, after the addresses are released. Idempotent. */
  remove(): Result<void, GateReason>;
  /** Closes the sockets and no more: after a failure the table must go on fencing. */
  [Symbol.dispose](): void;
}

export interface GateOptions {
  readonly pair: string;
  readonly floating: readonly { readonly address: string; readonly interfaceName: string }[];
  readonly links: readonly GateLinkOptions[];
  readonly leaseMs: number;
}

export interface GateLinkOptions {
  readonly interfaceName: string;
  /** The group, or the peer's address; a zone (`%eth0`) is allowed and not looked at. */
  readonly destination: string;
  /** The own address that heartbeats are sent from; undefined: any of this host's. */
  readonly source?: string | undefined;
  readonly port: number;
}

export type GateReason =
  | 'koffi-unavailable'
  | 'not-permitted'
  /** The kernel has no nf_tables, or not for the netdev family. */
  | 'no-nftables'
  /** Before Linux 5.16. */
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
 * Puts the gate up, shut. A table that an earlier life of this pair's daemon left behind is taken over;
 * one that somebody else made is refused.
 */
export function openGate(options: GateOptions): Result<Gate, GateReason> {
  const ruleset = rulesetOf(options);
  if (!ruleset.ok) {
    return ruleset;
  }
  const libc = openLibc();
  if (!libc.ok) {
    return libc;
  }
  const name = ruleset.value.table;
  const table = openNftablesTable(libc.value, name);
  if (!table.ok) {
    const reason = table.reason === 'not-permitted' ? 'not-permitted' : 'no-nftables';
    return fail(reason, table.detail);
  }
  const earlier = identityOf(table.value, getTable(name), parseTable);
  if (earlier !== undefined && !isGateComment(earlier.comment)) {
    table.value[Symbol.dispose]();
    return fail(
      'foreign-table',
      `table netdev ${name} is not vipair's (comment: ${earlier.comment ?? 'none'}); ` +
        `if nothing needs it: nft delete table netdev ${name}`,
    );
  }
  const gate = gateOver(libc.value, table.value, ruleset.value);
  const installed = gate.reinstall();
  if (!installed.ok) {
    gate[Symbol.dispose]();
    return installed;
  }
  return ok(gate);
}

/** `netdev` table of a pair, with what a table's name may not hold replaced. */
export function gateTableName(pair: string): string {
  return `vipair_${pair.replace(/[^A-Za-z0-9_.-]/g, '_')}`;
}

/** What stands in the kernel since the last installation, to be compared with what is there later. */
interface Installed {
  readonly chains: readonly GateChain[];
  /** 0 for an interface that was not there. */
  readonly interfaceIndexes: readonly number[];
  readonly table: Identity | undefined;
  readonly chainIdentities: readonly (Identity | undefined)[];
}

function gateOver(libc: Libc, table: NftablesTable, wanted: GateRuleset): Gate {
  const { leaseMs } = wanted;
  const wholeLease: GateTimes = { speakMs: leaseMs, serveMs: leaseMs };
  const chainsOfAll = gateChains(wanted);
  const interfaceNames = [...new Set(chainsOfAll.map(({ interfaceName }) => interfaceName))];
  // Made once: opening and muting stand in the path of a takeover.
  const openMessages = timesBatch(wanted.table, wholeLease);
  const muteMessages = muteBatch(wanted.table);
  const closeMessages = timesBatch(wanted.table, expired);
  const speakRequest = getElement(wanted.table, SPEAK, LEASE_KEY);
  const serveRequest = getElement(wanted.table, SERVE, LEASE_KEY);
  let ruleset = wanted;
  let installed: Installed | undefined;
  let seen = { atMs: 0, times: expired };

  const readIndexes = (): readonly number[] =>
    interfaceNames.map((name) => Math.max(0, libc.interfaceIndex(name)));

  const install = (times: GateTimes): Result<void, GateReason> => {
    const interfaceIndexes = readIndexes();
    const chains = chainsOfAll.filter(
      ({ interfaceName }) => interfaceIndexes[interfaceNames.indexOf(interfaceName)] !== 0,
    );
    const atMs = performance.now();
    const batch = installBatch(ruleset, chains, times);
    const committed = table.commit(batch);
    if (!committed.ok) {
      return installRefusal(committed, batch, chains);
    }
    table.forgetOwnChange();
    seen = { atMs, times };
    installed = {
      chains,
      interfaceIndexes,
      table: identityOf(table, getTable(ruleset.table), parseTable),
      chainIdentities: chains.map(({ name }) => identityOf(table, getChain(ruleset.table, name), parseChain)),
    };
    return ok(undefined);
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

  const left = (): GateTimes => {
    const passedMs = performance.now() - seen.atMs;
    return {
      speakMs: Math.max(0, seen.times.speakMs - passedMs),
      serveMs: Math.max(0, seen.times.serveMs - passedMs),
    };
  };

  /** A batch on the sets; when the table is gone, the table with the outcome that the batch would have had. */
  const change = (batch: readonly Buffer[], next: GateTimes): Result<void, GateReason> => {
    const atMs = performance.now();
    const committed = table.commit(batch);
    if (committed.ok) {
      seen = { atMs, times: next };
      return ok(undefined);
    }
    return committed.errno === constants.errno.ENOENT ? installBest(next) : refusalOf(committed);
  };

  const isTableThere = (): boolean => {
    const current = identityOf(table, getTable(ruleset.table), parseTable);
    return current !== undefined && current.handle === installed?.table?.handle;
  };

  const remaining = (): GateTimes | undefined => {
    const atMs = performance.now();
    const speakMs = timeOf(table, speakRequest);
    const serveMs = timeOf(table, serveRequest);
    if (speakMs === undefined || serveMs === undefined) {
      return undefined;
    }
    // ENOENT says "expired" of an element and "gone" of a table; only the first is a reason to stay shut.
    if ((speakMs === 0 || serveMs === 0) && !isTableThere()) {
      return undefined;
    }
    seen = { atMs, times: { speakMs, serveMs } };
    return seen.times;
  };

  const isIntact = (): boolean => {
    if (installed === undefined) {
      return false;
    }
    const { chains, chainIdentities } = installed;
    const current = identityOf(table, getTable(ruleset.table), parseTable);
    return (
      isSame(current, installed.table) &&
      chains.every(({ name }, index) =>
        isSame(identityOf(table, getChain(ruleset.table, name), parseChain), chainIdentities[index]),
      )
    );
  };

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
    open: () => {
      // Without the hooks of an interface that came back a moment ago the gate would have a hole there.
      const whole = refresh();
      return whole.ok ? change(openMessages, wholeLease) : whole;
    },
    mute: () => change(muteMessages, { speakMs: 0, serveMs: left().serveMs }),
    close: () => change(closeMessages, expired),
    remaining,
    tampered: () => {
      const changed = table.changedBy();
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
      const removed = table.commit(deleteBatch(ruleset.table, ruleset.comment));
      installed = undefined;
      table.forgetOwnChange();
      return removed.ok ? ok(undefined) : refusalOf(removed);
    },
    [Symbol.dispose]: () => {
      table[Symbol.dispose]();
    },
  };
}

const expired: GateTimes = { speakMs: 0, serveMs: 0 };
const NO_FIB =
  'this kernel has no fib expression for the netdev family (CONFIG_NFT_FIB_NETDEV): ' +
  'what hosts send through this router while it is not active is still forwarded';

function rulesetOf(options: GateOptions): Result<GateRuleset, GateReason> {
  const floating = [];
  for (const { address: text, interfaceName } of options.floating) {
    const address = parseAddress(text);
    if (address === undefined) {
      return fail('invalid-address', text);
    }
    floating.push({ address, interfaceName });
  }
  const links: GateLink[] = [];
  for (const { interfaceName, port, destination: destinationText, source: sourceText } of options.links) {
    const destination = parseAddress(withoutZone(destinationText));
    const source = sourceText === undefined ? undefined : parseAddress(withoutZone(sourceText));
    if (destination === undefined || (source === undefined) !== (sourceText === undefined)) {
      return fail('invalid-address', `${sourceText ?? 'any'} to ${destinationText}`);
    }
    links.push({ interfaceName, port, destination, source });
  }
  const table = gateTableName(options.pair);
  return ok({
    table,
    comment: gateComment(options.pair, table),
    pairId: pairIdOf(options.pair),
    floating,
    links,
    leaseMs: options.leaseMs,
    userId: process.geteuid?.() ?? 0,
    dropsForwarded: true,
  });
}

function withoutZone(address: string): string {
  return address.replace(/%.*$/, '');
}

function identityOf(
  table: NftablesTable,
  request: Buffer,
  parse: (answer: NetlinkMessage) => Result<Identity, 'malformed'>,
): Identity | undefined {
  const answer = table.ask(request);
  const first = answer.ok ? answer.value[0] : undefined;
  const parsed = first === undefined ? undefined : parse(first);
  return parsed?.ok === true ? parsed.value : undefined;
}

function isSame(current: Identity | undefined, before: Identity | undefined): boolean {
  return (
    current !== undefined &&
    before !== undefined &&
    current.handle === before.handle &&
    current.useCount === before.useCount &&
    current.flags === before.flags
  );
}

function timeOf(table: NftablesTable, request: Buffer): number | undefined {
  const answer = table.ask(request);
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
  if (refused.index <= FIRST_TABLE_MESSAGE) {
    return fail('no-nftables', refused.detail);
  }
  const chain = chains[batch.slice(0, refused.index).filter(isNewChain).length];
  return isNewChain(message) && chain?.hook === 'egress'
    ? fail('no-egress-hook', `interface ${chain.interfaceName}: ${refused.detail}`)
    : refusalOf(refused);
}

/** The batch begins with its own message, then comes the table. */
const FIRST_TABLE_MESSAGE = 1;

function refusalOf({ errno, detail }: Refused): Failure<GateReason> {
  const isForbidden = errno === constants.errno.EPERM || errno === constants.errno.EACCES;
  return fail(isForbidden ? 'not-permitted' : 'refused', detail);
}
