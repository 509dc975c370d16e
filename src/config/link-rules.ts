import { parseAddress } from '../core/address.ts';
import { type Draft, type Entry, type Problem } from './draft.ts';
import { groupOfLink } from './group.ts';
import { duplicates, perNodeProblems } from './per-node-rules.ts';
import { type LinkConfig } from './schema.ts';

export function linkProblems(draft: Draft): Problem[] {
  const { links, nodeNames } = draft;
  return [
    ...duplicates(
      links,
      ({ value }) => value.name,
      (link, first) => ({
        path: [...at(link), 'name'],
        message: `is already the name of link ${first.index + 1}`,
      }),
    ),
    ...links.flatMap((link) => perNodeProblems(link.value.interface, [...at(link), 'interface'], nodeNames)),
    ...links.flatMap((link) => peersProblems(link, nodeNames)),
    ...groupProblems(draft),
  ];
}

function peersProblems(link: Entry<LinkConfig>, nodeNames: readonly string[]): Problem[] {
  const { peers, group } = link.value;
  if (peers === undefined) {
    return [];
  }
  const path = [...at(link), 'peers'];
  const addresses = Object.values(peers);
  const families = new Set(addresses.map((address) => parseAddress(address)?.family));
  return [
    ...perNodeProblems(peers, path, nodeNames),
    ...(new Set(addresses).size < addresses.length
      ? [{ path, message: 'must be two different addresses' }]
      : []),
    ...(families.size > 1 ? [{ path, message: 'must be both IPv4 or both IPv6' }] : []),
    ...(group === undefined
      ? []
      : [{ path: at(link), message: 'is either multicast with a group or unicast with peers, not both' }]),
  ];
}

/** Each way that heartbeats take must be one of its own, or one cut would silence two. */
function groupProblems({ links, group }: Draft): Problem[] {
  if (group === undefined) {
    return [];
  }
  // Positions count in the file, wrong entries included, as they will once these are mended.
  const inFile = Array.from({ length: Math.max(0, ...links.map(({ index }) => index + 1)) }, () => ({}));
  const heartbeat = {
    group,
    links: inFile.map((none, index) => links.find((link) => link.index === index)?.value ?? none),
  };
  const groups = links
    .filter(({ value }) => value.peers === undefined)
    .map((link) => ({ link, group: groupOfLink(heartbeat, link.index) }));
  return [
    ...groups
      .filter((entry) => entry.group === undefined)
      .map(({ link }) => ({
        path: at(link),
        message: `has no multicast group: ${group} plus ${link.index} is none; set heartbeat.group lower or a group here`,
      })),
    ...duplicates(
      groups,
      (entry) => entry.group,
      ({ link, group: same }, first) => ({
        path: at(link),
        message: `has the multicast group ${same ?? ''} of link ${first.link.index + 1}; each link needs one of its own`,
      }),
    ),
    ...duplicates(
      links,
      ({ value }) => (value.peers === undefined ? undefined : Object.values(value.peers).sort().join(' ')),
      (link, first) => ({
        path: [...at(link), 'peers'],
        message: `are those of link ${first.index + 1}: one way counts once`,
      }),
    ),
  ];
}

function at({ index }: Entry<LinkConfig>): readonly PropertyKey[] {
  return ['heartbeat', 'links', index];
}
