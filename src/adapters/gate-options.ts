import { parseAddress } from '../core/address.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { type GateHooks } from '../core/state.ts';
import { type GateLink, type GateRuleset } from '../wire/gate-rules.ts';
import { pairIdOf } from '../wire/heartbeat.ts';

/** What the gate shall stand before. */
export interface GateOptions {
  readonly pair: string;
  readonly floating: readonly { readonly address: string; readonly interfaceName: string }[];
  readonly links: readonly GateLinkOptions[];
  readonly leaseMs: number;
  /** Unless given: the best that this kernel has. */
  readonly hooks?: GateHooks | undefined;
}

export interface GateLinkOptions {
  readonly interfaceName: string;
  /** The group, or the peer's address; a zone (`%eth0`) is allowed and not looked at. */
  readonly destination: string;
  /** The own address that heartbeats are sent from; undefined: any of this host's. */
  readonly source?: string | undefined;
  readonly port: number;
}

/** The same as rules are made of it. */
export function rulesetOf(options: GateOptions, hooks: GateHooks): Result<GateRuleset, 'invalid-address'> {
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
  return ok({
    hooks,
    pair: options.pair,
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
