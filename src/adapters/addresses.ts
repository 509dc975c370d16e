import { constants } from 'node:os';
import { compareAddresses, parseAddress, type IpAddress } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import {
  deleteAddress,
  dumpAddresses,
  newAddress,
  parseAddressNotice,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV6_IFADDR,
  type AddressKey,
  type AddressNotice,
} from '../wire/addresses.ts';
import { describeErrno, openLibc, type Libc, type LibcReason } from './libc.ts';
import { NETLINK_ROUTE, openNetlink, type NetlinkReason, type NetlinkSocket } from './netlink.ts';

/**
 * All floating addresses as one thing: held together or not at all.
 *
 * Theory of operation. A claim is one `sendto` with one RTM_NEWADDR per address; the kernel carries them out
 * in order and answers each before the call returns. If one is refused, all are removed again, those an
 * earlier life left behind included: half a pair of addresses is worse than none. An address that is there
 * already is taken over, its lifetime begins anew. Indexes of interfaces are looked up each time, for an
 * interface that was deleted and made again has another one.
 */

export interface FloatingAddress {
  readonly address: string;
  readonly prefixLength: number;
  readonly interfaceName: string;
  /** IPv4 only, such as `eth0:1`; for `ip address show` and old tools. */
  readonly label: string | undefined;
}

export type ClaimReason = 'interface-missing' | 'not-permitted' | 'refused';
export type ReleaseReason = 'not-permitted' | 'refused';
export type OpenReason = LibcReason | NetlinkReason | 'bad-address' | 'command-missing';

/** Work that a system call has done on return and that a spawned command does later: `await` takes both. */
export type Soon<Value> = Value | Promise<Value>;

export interface Addresses extends Disposable {
  /** Adds all or none. `detail` names address, interface and the system's own words. */
  claim(): Soon<Result<void, ClaimReason>>;
  /**
   * Extends the lifetime; does nothing while nothing is claimed. The kernel makes an address again that
   * somebody removed meanwhile: `lost` still tells of it.
   */
  renew(): Soon<Result<void, ClaimReason>>;
  /** Idempotent: an absent address, or interface, is a success. Tries every address whatever fails. */
  release(): Soon<Result<void, ReleaseReason>>;
  /** What the kernel holds, in configured order. */
  held(): readonly boolean[];
  /**
   * The addresses that somebody else, or the end of their lifetime, removed since the last call, while they
   * were claimed. Does not block; call it on every tick, also while nothing is claimed, or notifications
   * pile up.
   */
  lost(): readonly string[];
  /** Takes the claim's way through the code without an effect: the first real claim is then as fast as any. */
  rehearse(): void;
}

/** Fails when koffi, the permission or an address is missing: `openCommandAddresses` is the other way. */
export function openAddresses(
  floating: readonly FloatingAddress[],
  options: { readonly lifetimeSeconds: number },
): Result<Addresses, OpenReason> {
  const parsed = parseFloating(floating);
  const libc = openLibc();
  if (!parsed.ok) {
    return parsed;
  }
  if (!libc.ok) {
    return libc;
  }
  const requests = openNetlink(libc.value, { protocol: NETLINK_ROUTE });
  if (!requests.ok) {
    return requests;
  }
  const notices = openNetlink(libc.value, {
    protocol: NETLINK_ROUTE,
    groups: [RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR],
  });
  if (!notices.ok) {
    requests.value[Symbol.dispose]();
    return notices;
  }
  return ok(
    netlinkAddresses({
      libc: libc.value,
      requests: requests.value,
      notices: notices.value,
      floating: parsed.value,
      lifetimeSeconds: options.lifetimeSeconds,
    }),
  );
}

interface ParsedAddress extends FloatingAddress {
  readonly value: IpAddress;
}

interface Parts {
  readonly libc: Libc;
  readonly requests: NetlinkSocket;
  readonly notices: NetlinkSocket;
  readonly floating: readonly ParsedAddress[];
  readonly lifetimeSeconds: number;
}

function parseFloating(
  floating: readonly FloatingAddress[],
): Result<readonly ParsedAddress[], 'bad-address'> {
  const parsed: ParsedAddress[] = [];
  for (const entry of floating) {
    const value = parseAddress(entry.address);
    if (value === undefined) {
      return fail('bad-address', entry.address);
    }
    parsed.push({ ...entry, value });
  }
  return ok(parsed);
}

function netlinkAddresses({ libc, requests, notices, floating, lifetimeSeconds }: Parts): Addresses {
  const interfaceNames = [...new Set(floating.map((entry) => entry.interfaceName))];
  /** The interface indexes that the claim used; undefined while nothing is claimed. */
  let claimed: ReadonlyMap<string, number> | undefined;

  /** Negative where the interface does not exist. */
  const interfaceIndexes = (): ReadonlyMap<string, number> =>
    new Map(interfaceNames.map((name) => [name, libc.interfaceIndex(name)]));

  const dump = (): readonly AddressNotice[] => {
    const answer = requests.ask(dumpAddresses());
    const notes = answer.ok ? answer.value.map(parseAddressNotice) : [];
    return notes.filter((note) => note.ok).map((note) => note.value);
  };

  const held = (): readonly boolean[] => {
    const indexes = interfaceIndexes();
    const present = dump();
    return floating.map((entry) => present.some((notice) => isSame(notice, entry, indexes)));
  };

  const remove = (): Result<void, ReleaseReason> => {
    claimed = undefined;
    const indexes = interfaceIndexes();
    const reachable = floating.filter((entry) => (indexes.get(entry.interfaceName) ?? -1) > 0);
    const outcome = requests.transact(reachable.map((entry) => deleteAddress(keyOf(entry, indexes))));
    if (!outcome.ok) {
      return fail(outcome.reason === 'not-permitted' ? 'not-permitted' : 'refused', outcome.detail);
    }
    for (const [position, entry] of reachable.entries()) {
      const errno = outcome.value[position] ?? constants.errno.EIO;
      if (errno !== 0 && !ABSENT.has(errno)) {
        return fail(reasonOf(errno), sentence('remove', entry, describeErrno(errno)));
      }
    }
    return ok(undefined);
  };

  const assign = (indexes: ReadonlyMap<string, number>): Result<void, ClaimReason> => {
    const orphan = floating.find((entry) => (indexes.get(entry.interfaceName) ?? -1) <= 0);
    if (orphan !== undefined) {
      return fail('interface-missing', sentence('add', orphan, 'there is no such interface'));
    }
    const messages = floating.map((entry) =>
      newAddress({ ...keyOf(entry, indexes), label: entry.label, validSeconds: lifetimeSeconds }),
    );
    const outcome = requests.transact(messages);
    if (!outcome.ok) {
      return fail(outcome.reason === 'not-permitted' ? 'not-permitted' : 'refused', outcome.detail);
    }
    for (const [position, entry] of floating.entries()) {
      const errno = outcome.value[position] ?? constants.errno.EIO;
      if (errno !== 0) {
        return fail(reasonOf(errno), sentence('add', entry, explainErrno(errno, entry)));
      }
    }
    return ok(undefined);
  };

  return {
    claim: () => {
      if (claimed === undefined) {
        // What happened while nothing was claimed, own removals among it, is not a loss.
        notices.poll();
      }
      const indexes = interfaceIndexes();
      const assigned = assign(indexes);
      if (!assigned.ok) {
        remove();
        return assigned;
      }
      claimed = indexes;
      return assigned;
    },
    renew: () => {
      if (claimed === undefined) {
        return ok(undefined);
      }
      const indexes = interfaceIndexes();
      const assigned = assign(indexes);
      claimed = assigned.ok ? indexes : claimed;
      return assigned;
    },
    release: remove,
    held,
    lost: () => {
      const { messages, isOverrun } = notices.poll();
      const indexes = claimed;
      if (indexes === undefined || (messages.length === 0 && !isOverrun)) {
        return [];
      }
      const removed = messages
        .map(parseAddressNotice)
        .filter((notice) => notice.ok)
        .map((notice) => notice.value)
        .filter((notice) => notice.kind === 'removed');
      const present = isOverrun ? held() : [];
      return floating
        .filter(
          (entry, position) =>
            present[position] === false || removed.some((notice) => isSame(notice, entry, indexes)),
        )
        .map((entry) => entry.address);
    },
    rehearse: () => {
      const nowhere = new Map(interfaceNames.map((name) => [name, NO_INTERFACE]));
      interfaceIndexes();
      requests.transact(
        floating.map((entry) =>
          newAddress({ ...keyOf(entry, nowhere), label: entry.label, validSeconds: lifetimeSeconds }),
        ),
      );
      held();
      notices.poll();
    },
    [Symbol.dispose]: () => {
      requests[Symbol.dispose]();
      notices[Symbol.dispose]();
    },
  };
}

/** Answers to a removal that mean: it is not there. */
const ABSENT: ReadonlySet<number> = new Set([
  constants.errno.EADDRNOTAVAIL,
  constants.errno.ENODEV,
  constants.errno.ENXIO,
]);

/** An index that no interface has: the kernel refuses with ENODEV. */
const NO_INTERFACE = 0x7fffffff;

function keyOf(entry: ParsedAddress, indexes: ReadonlyMap<string, number>): AddressKey {
  return {
    interfaceIndex: indexes.get(entry.interfaceName) ?? NO_INTERFACE,
    address: entry.value,
    prefixLength: entry.prefixLength,
  };
}

function isSame(notice: AddressNotice, entry: ParsedAddress, indexes: ReadonlyMap<string, number>): boolean {
  return (
    notice.interfaceIndex === indexes.get(entry.interfaceName) &&
    notice.prefixLength === entry.prefixLength &&
    compareAddresses(notice.address, entry.value) === 0
  );
}

function reasonOf(errno: number): 'not-permitted' | 'refused' {
  return errno === constants.errno.EPERM ? 'not-permitted' : 'refused';
}

function explainErrno(errno: number, entry: ParsedAddress): string {
  return errno === constants.errno.EACCES && entry.value.family === 6
    ? `${describeErrno(errno)}; IPv6 is disabled there (net.ipv6.conf.${entry.interfaceName}.disable_ipv6)`
    : describeErrno(errno);
}

function sentence(verb: 'add' | 'remove', entry: FloatingAddress, words: string): string {
  const preposition = verb === 'add' ? 'to' : 'from';
  return `cannot ${verb} ${entry.address}/${entry.prefixLength} ${preposition} ${entry.interfaceName}: ${words}`;
}
