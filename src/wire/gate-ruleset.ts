import { gateTable, gateTables, leaseSets, liveElements, type GateTimes } from './gate-lease.ts';
import { addressSet, rulesOf, type GateChain, type GateRuleset } from './gate-rules.ts';
import {
  addElements,
  batchBegin,
  batchEnd,
  deleteIfThere,
  isSameTable,
  newAddressSet,
  newBaseChain,
  newRule,
  newTable,
  newTimeoutSet,
  type SetName,
  type Table,
} from './nftables.ts';

/**
 * The gate as nftables rules: what the kernel lets through while nobody proves that the daemon lives.
 *
 * Theory of operation. Two sets hold at most one element each, which expires by the kernel's own clock.
 * While `speak` holds it, everything passes. While only `serve` does, traffic passes, but nothing leaves
 * that would draw more of it here: no ARP and no neighbour discovery in the name of a floating address.
 * While neither does, nothing leaves with a floating address as source, nothing addressed to one comes
 * in, and what hosts still send here to be forwarded is dropped.
 *
 * The heartbeat itself renews both on its way out, so what tells the peer "I live" is what keeps the
 * addresses. The rule looks `speak` up first: an expired lease stays expired (latching), whatever is sent,
 * until a claim opens the gate by netlink. Only a datagram of this program's own user, from and to the
 * addresses of a link, of this pair and with the role byte `active` renews.
 *
 * Incoming ARP is never dropped: a shut gate hears gratuitous ARP and answers to its own probes, and says
 * nothing, for the answer to a query is stopped on its way out. It is stopped on every interface that a
 * heartbeat leaves by, too: Linux answers for an address on whatever interface it is asked.
 *
 * To be forwarded is what arrives for our MAC address and not for an address of ours (`fib daddr type
 * unicast`), on an interface that carries a floating address, for there the floating address is the
 * gateway. Traffic of the router itself, its checks and its management among it, is never that.
 *
 * Each interface has chains of its own, so that one that is missing or comes back does not concern the
 * others. They come before all others of the netdev family (priority -500).
 *
 * That is the arrangement `egress`. Before Linux 5.16 nothing can be hooked to where an interface sends, so
 * in the arrangement `output` two more tables stop what goes out, one in the output hook of the arp
 * family, one in the postrouting hook of the inet family, after all translation of addresses: it sees also
 * what is forwarded under a floating address. They hold on every interface. A table sees no sets but its
 * own, so each has its copy of what it asks for, and all copies change in one transaction, that is, at one
 * instant (`gate-lease.ts`).
 *
 * There no packet can renew all copies, so whoever sent a heartbeat does it afterwards by netlink, for no
 * longer than a lease from before it was sent; `deleteElement` finds no expired element and so fails, and
 * with it the renewal: that is the same latch. What differs: a heartbeat that the kernel took but dropped
 * in a queue renews as well; and frames from packet sockets pass neither of these hooks, so that whoever
 * announces addresses must look at the lease before.
 */

/** The mark by which a later life knows the table for its own, and what `nft list` shows the operator. */
export function gateComment(pair: string, table: Table): string {
  return `${commentStart(pair)} by hand: nft delete table ${table.family} ${table.name}`;
}

/** The mark where the kernel keeps no comment of a table (before Linux 5.10): at a set that every one has. */
export function gateMark(pair: string): string {
  return `${commentStart(pair)} keep`;
}

export const MARKED_SET = 'floating4';

export function isGateComment(pair: string, comment: string | undefined): boolean {
  return comment?.startsWith(commentStart(pair)) === true;
}

/** The chains that the ruleset has when all its interfaces are there. */
export function gateChains(ruleset: GateRuleset): readonly GateChain[] {
  const { pair, hooks } = ruleset;
  const netdev = gateTable(pair, 'netdev');
  const floating = distinct(ruleset.floating.map(({ interfaceName }) => interfaceName));
  const links = ruleset.links.map(({ interfaceName }) => interfaceName);
  const ingress = floating.map((interfaceName) => interfaceChain(netdev, 'ingress', interfaceName));
  switch (hooks) {
    case 'egress':
      return [
        ...ingress,
        ...distinct([...floating, ...links]).map((interfaceName) =>
          interfaceChain(netdev, 'egress', interfaceName),
        ),
      ];
    case 'output':
      return [
        ...ingress,
        { table: gateTable(pair, 'arp'), name: 'out', hook: 'output', interfaceName: undefined },
        { table: gateTable(pair, 'inet'), name: 'out', hook: 'postrouting', interfaceName: undefined },
      ];
  }
}

/**
 * One batch that puts the tables in place of whatever bore their names, with what is left of the lease, and
 * takes the stray ones away. The old rules hold until the new ones do.
 */
export function installBatch(
  ruleset: GateRuleset,
  chains: readonly GateChain[],
  times: GateTimes,
  strays: readonly Table[] = [],
): readonly Buffer[] {
  const tables = gateTables(ruleset);
  return [
    batchBegin(),
    ...[...tables, ...strays].flatMap(deleteIfThere),
    ...tables.flatMap((table) => [
      newTable(table, gateComment(ruleset.pair, table)),
      ...setsOf(ruleset, table),
      ...chains
        .filter((chain) => isSameTable(chain.table, table))
        .flatMap((chain) => [
          newBaseChain(table, chain.name, { ...chain, priority: priorityOf(chain) }),
          ...rulesOf(ruleset, chain).map((rule) => newRule(table, chain.name, rule)),
        ]),
    ]),
    ...liveElements(ruleset, times),
    batchEnd(),
  ];
}

/** Takes all tables of the arrangement away; none need be there. */
export function removeBatch(ruleset: GateRuleset): readonly Buffer[] {
  return [batchBegin(), ...gateTables(ruleset).flatMap(deleteIfThere), batchEnd()];
}

const EARLY = -500;
/** After the source was translated (100). */
const LATE = 500;
/** An expired element takes room until it is collected. */
const SET_SIZE = 16;

/** The sets that the rules of the table ask, each with what belongs in it. */
function setsOf(ruleset: GateRuleset, table: Table): readonly Buffer[] {
  const lease = leaseSets(ruleset).filter((one) => isSameTable(one.table, table));
  const families = table.family === 'arp' ? ([4] as const) : ([4, 6] as const);
  const sets = [
    ...lease.map(({ set }) => newTimeoutSet(table, { name: set, id: setIds[set] }, SET_SIZE)),
    ...families.map((family) => newAddressSet(table, addressSetOf(ruleset.pair, family), family)),
  ];
  const elements = families.flatMap((family) => {
    const keys = ruleset.floating
      .filter(({ address }) => address.family === family)
      .map(({ address }) => address.bytes);
    return keys.length === 0 ? [] : [addElements(table, addressSet(family), keys)];
  });
  return [...sets, ...elements];
}

const setIds = { speak: 1, serve: 2, floating4: 3, floating6: 4 };

function addressSetOf(pair: string, family: 4 | 6): SetName {
  const name = addressSet(family);
  return { name, id: setIds[name], ...(name === MARKED_SET ? { comment: gateMark(pair) } : {}) };
}

function priorityOf({ hook }: GateChain): number {
  return hook === 'postrouting' ? LATE : EARLY;
}

function commentStart(pair: string): string {
  return `vipair gate of pair ${pair};`;
}

/** An interface name may hold what a chain's may not; only such a one needs the index to stay unique. */
function interfaceChain(table: Table, hook: 'ingress' | 'egress', interfaceName: string): GateChain {
  const plain = interfaceName.replace(/[^A-Za-z0-9_.-]/g, '_');
  const suffix = plain === interfaceName ? '' : `_${Buffer.from(interfaceName, 'utf8').toString('hex')}`;
  return { table, name: `${hook === 'ingress' ? 'in' : 'out'}_${plain}${suffix}`, hook, interfaceName };
}

function distinct<Value>(values: readonly Value[]): readonly Value[] {
  return [...new Set(values)];
}
