import { type GateMode } from './state.ts';
import { endpoint, serviceKey, type Table } from './table.ts';

/**
 * What is wrong where a director is a real server, too, one sentence for each entry of the table.
 *
 * With direct routing and tunnelling a packet reaches the real server under the virtual address. A real server
 * that is a director has the same table: while it is not active its gate drops the packet, which to clients is a
 * dead real server that all checks find well; and where nothing is gated its table takes the packet for a new one
 * and forwards it again, maybe to where it came from, round and round.
 */
export function ownServerProblems(
  table: Table,
  { addresses, gate, nodeName }: OwnAddresses,
): readonly string[] {
  const consequence =
    gate === 'nftables'
      ? 'its gate drops what is forwarded to it'
      : 'its own table may forward again what is forwarded to it, round and round';
  return table.flatMap(({ at, servers }) =>
    servers
      .filter(
        ({ address, forwarding }) => forwarding.method !== 'masquerading' && addresses.includes(address),
      )
      .map(
        (server) =>
          `Real server ${endpoint(server)} of ${serviceKey(at)} is ${nodeName} itself: while ${nodeName} is not active, ${consequence}. Remedy: take it out of the service.`,
      ),
  );
}

export interface OwnAddresses {
  /** Of this director's host, without the floating ones. */
  readonly addresses: readonly string[];
  readonly gate: GateMode;
  readonly nodeName: string;
}
