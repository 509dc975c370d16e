/** What stands of the gate in the kernel: whose a table is, and whether it is still the one that was put up. */
import { isGateComment, MARKED_SET } from '../wire/gate-ruleset.ts';
import { type GateChain } from '../wire/gate-rules.ts';
import { type NetlinkMessage } from '../wire/netlink.ts';
import { type Result } from '../core/result.ts';
import {
  getChain,
  getSet,
  getTable,
  parseChain,
  parseSetComment,
  parseTable,
  type Identity,
  type Table,
} from '../wire/nftables.ts';
import { type NftablesTables } from './nftables-tables.ts';

/** What was just put up, to be compared with what is there later. */
export interface Standing {
  /** All there, and of the same life. */
  areTablesThere(): boolean;
  /** Tables and every chain: all there, unchanged in number, in force. */
  isIntact(): boolean;
}

export function standingOf(
  tables: NftablesTables,
  ownTables: readonly Table[],
  chains: readonly GateChain[],
): Standing {
  const readTables = () => ownTables.map((table) => identityOf(tables, getTable(table), parseTable));
  const readChains = () =>
    chains.map(({ table, name }) => identityOf(tables, getChain(table, name), parseChain));
  const before = { tables: readTables(), chains: readChains() };
  return {
    areTablesThere: () =>
      readTables().every(
        (current, index) => current !== undefined && current.handle === before.tables[index]?.handle,
      ),
    isIntact: () => areSame(readTables(), before.tables) && areSame(readChains(), before.chains),
  };
}

function identityOf(
  tables: NftablesTables,
  request: Buffer,
  parse: (answer: NetlinkMessage) => Result<Identity, 'malformed'>,
): Identity | undefined {
  const answer = tables.ask(request);
  const first = answer.ok ? answer.value[0] : undefined;
  const parsed = first === undefined ? undefined : parse(first);
  return parsed?.ok === true ? parsed.value : undefined;
}

/** By its comment; on a kernel that keeps none, by the mark at one of its sets. */
export function ownerOf(tables: NftablesTables, table: Table, pair: string): 'nobody' | 'us' | 'another' {
  const found = identityOf(tables, getTable(table), parseTable);
  if (found === undefined) {
    return 'nobody';
  }
  if (found.comment !== undefined) {
    return isGateComment(pair, found.comment) ? 'us' : 'another';
  }
  const marked = tables.ask(getSet(table, MARKED_SET));
  const set = marked.ok ? marked.value[0] : undefined;
  const comment = set === undefined ? undefined : parseSetComment(set);
  return comment?.ok === true && isGateComment(pair, comment.value) ? 'us' : 'another';
}

function areSame(
  current: readonly (Identity | undefined)[],
  before: readonly (Identity | undefined)[],
): boolean {
  return current.every((one, index) => isSame(one, before[index]));
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
