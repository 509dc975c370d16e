import { formatAddress, parseAddress } from './address.ts';
import { concerns, type Drain, drainKey, drainOf } from './drains.ts';
import { type Knowledge, policyOf, type Policies } from './pool.ts';
import { fail, ok, type Result } from './result.ts';
import { endpoint, serverId, serviceKey, type Table } from './table.ts';

/** What the operator wrote. */
export interface DrainWish {
  /** An address, or an address with a port. */
  readonly server: string;
  /** Name or key of a virtual service; undefined for all. */
  readonly service: string | undefined;
  readonly isOn: boolean;
}

export type DrainRefusal = 'not-a-server' | 'unknown-service' | 'unknown-server';

/** What is meant by it in this table: every name as the table writes it, or why it means nothing. */
export function understandDrain(
  wish: DrainWish,
  base: Table,
  policies: Policies,
  known: readonly Drain[],
): Result<Pick<Drain, 'server' | 'service' | 'isOn'>, DrainRefusal> {
  const server = canonicalServer(wish.server);
  if (server === undefined) {
    return fail('not-a-server', `${wish.server} is neither an address nor an address with a port`);
  }
  const nameOf = (service: Table[number]) => policyOf(policies, service.at).name;
  const { service: wanted } = wish;
  const found = base.find((service) => serviceKey(service.at) === wanted || nameOf(service) === wanted);
  // A drain may outlive its service, or its real server, in the table, and must be ended all the same.
  const outlived = known.find((drain) => !wish.isOn && drain.isOn && drain.service === wanted);
  const meant = found === undefined ? outlived?.service : serviceKey(found.at);
  if (wanted !== undefined && meant === undefined) {
    const names = base.map((service) => nameOf(service) ?? serviceKey(service.at)).join(', ');
    return fail('unknown-service', `there is no virtual service ${wanted}; there are: ${names || 'none'}`);
  }
  const word = { server, service: wanted === undefined ? undefined : meant, isOn: wish.isOn };
  const isKnown = base.some(({ at, servers }) => servers.some((one) => concerns(word, at, one)));
  return isKnown || !wish.isOn
    ? ok(word)
    : fail(
        'unknown-server',
        `no virtual service has the real server ${server}${wanted === undefined ? '' : ` among those of ${wanted}`}`,
      );
}

/**
 * Does the word change anything? Said again it does not, unless something was done by hand since the last time:
 * then it is contradicted.
 */
export function isNewWord(
  word: Pick<Drain, 'server' | 'service' | 'isOn'>,
  { base, drains, overridden }: Pick<Knowledge, 'base' | 'drains' | 'overridden'>,
): boolean {
  const wasOn = drains.find((drain) => drainKey(drain) === drainKey(word))?.isOn ?? false;
  return (
    wasOn !== word.isOn ||
    base.some(({ at, servers }) =>
      servers.some((one) => concerns(word, at, one) && overridden.has(serverId(at, one))),
    )
  );
}

/** The words by which real servers that this one concerns are drained all the same, for they name them more closely. */
export function stillDrained(
  word: Pick<Drain, 'server' | 'service'>,
  base: Table,
  drains: readonly Drain[],
): readonly Drain[] {
  const found = base.flatMap(({ at, servers }) =>
    servers
      .filter((server) => concerns(word, at, server))
      .flatMap((server) => drainOf(drains, at, server) ?? []),
  );
  return [...new Map(found.map((drain) => [drainKey(drain), drain])).values()];
}

function canonicalServer(text: string): string | undefined {
  const [, v6, v4, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? [];
  const parsed = parseAddress(v6 ?? v4 ?? text);
  if (parsed === undefined || Number(port ?? 0) > 65_535) {
    return undefined;
  }
  const address = formatAddress(parsed);
  return port === undefined ? address : endpoint({ address, port: Number(port) });
}
