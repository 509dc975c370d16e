import { parseAddress, prefixContains, type AddressPrefix } from '../core/address.ts';
import { type Draft, draftValue, type Entry, type Problem } from './draft.ts';
import { duplicates, perNodeProblems } from './per-node-rules.ts';
import { type FloatingConfig } from './schema.ts';

export function floatingProblems(draft: Draft): Problem[] {
  const { floating, nodeNames } = draft;
  return [
    ...duplicates(
      floating,
      ({ value }) => value.address.address,
      (entry, first) => ({
        path: [...at(entry), 'address'],
        message: `is already floating address ${first.index + 1}`,
      }),
    ),
    ...floating.flatMap((entry) => [
      ...perNodeProblems(entry.value.interface, [...at(entry), 'interface'], nodeNames),
      ...perNodeProblems(entry.value.label, [...at(entry), 'label'], nodeNames),
      ...addressProblems(entry, draft),
      ...labelProblems(entry, nodeNames),
    ]),
    ...overlapProblems(draft),
  ];
}

/** A floating address belongs to no node, and to a host: not to a network. */
function addressProblems(entry: Entry<FloatingConfig>, { links }: Draft): Problem[] {
  const { address, prefixLength } = entry.value.address;
  const path = [...at(entry), 'address'];
  const owner = links
    .flatMap(({ value }) => Object.entries(value.peers ?? {}))
    .find(([, own]) => own === address);
  const host = hostBits(entry.value);
  return [
    ...(owner === undefined
      ? []
      : [{ path, message: `is the own address of ${owner[0]}: a floating address belongs to no node` }]),
    ...(host === 'network' || host === 'broadcast'
      ? [{ path, message: `is the ${host} address of its /${prefixLength}, not that of a host` }]
      : []),
  ];
}

/** The kernel takes a label of an IPv4 address only, of 15 characters, and `ifconfig` wants the interface in it. */
function labelProblems(entry: Entry<FloatingConfig>, nodeNames: readonly string[]): Problem[] {
  const { address, interface: interfaceName, label } = entry.value;
  const path = [...at(entry), 'label'];
  if (label === undefined) {
    return [];
  }
  if (address.address.includes(':')) {
    return [{ path, message: 'is only for IPv4: the kernel knows no labels of IPv6 addresses' }];
  }
  const wrong = new Set<string>();
  // Without usable node names, a value for both nodes can still be judged.
  for (const nodeName of nodeNames.length > 0 ? nodeNames : ['']) {
    const own = draftValue(interfaceName, nodeName);
    const text = draftValue(label, nodeName);
    if (
      own !== undefined &&
      text !== undefined &&
      !(text.startsWith(`${own}:`) && text.length > own.length + 1)
    ) {
      wrong.add(own);
    }
  }
  return Array.from(wrong, (own) => ({
    path,
    message: `must begin with the interface and a colon: "${own}:…"`,
  }));
}

/** Two interfaces in one network: the kernel would send out of either. */
function overlapProblems({ floating, nodeNames }: Draft): Problem[] {
  return floating.flatMap((entry) => {
    const other = floating.find(
      (candidate) =>
        candidate.index < entry.index &&
        candidate.value.address.address !== entry.value.address.address &&
        isOverlap(candidate.value, entry.value) &&
        nodeNames.some(
          (nodeName) =>
            draftValue(candidate.value.interface, nodeName) !== draftValue(entry.value.interface, nodeName),
        ),
    );
    return other === undefined
      ? []
      : [
          {
            path: [...at(entry), 'address'],
            message: `overlaps with floating address ${other.index + 1} on another interface`,
          },
        ];
  });
}

function isOverlap(a: FloatingConfig, b: FloatingConfig): boolean {
  const [left, right] = [prefixOf(a), prefixOf(b)];
  const isNetwork = ({ address, prefixLength }: AddressPrefix) => prefixLength < address.bytes.length * 8;
  return (
    left !== undefined &&
    right !== undefined &&
    isNetwork(left) &&
    isNetwork(right) &&
    (prefixContains(left, right.address) || prefixContains(right, left.address))
  );
}

function prefixOf({ address }: FloatingConfig): AddressPrefix | undefined {
  const parsed = parseAddress(address.address);
  return parsed === undefined ? undefined : { address: parsed, prefixLength: address.prefixLength };
}

function hostBits(floating: FloatingConfig): 'network' | 'broadcast' | 'host' {
  const prefix = prefixOf(floating);
  // /31 has no such addresses (RFC 3021), nor has IPv6.
  if (prefix?.address.family !== 4 || prefix.prefixLength > 30) {
    return 'host';
  }
  const bits = Array.from(prefix.address.bytes, (byte) => byte.toString(2).padStart(8, '0'))
    .join('')
    .slice(prefix.prefixLength);
  return bits.includes('1') ? (bits.includes('0') ? 'host' : 'broadcast') : 'network';
}

function at({ index }: Entry<FloatingConfig>): readonly PropertyKey[] {
  return ['floating', index];
}
