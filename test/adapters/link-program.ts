import { setMinimumTtl } from '../../src/adapters/minimum-ttl.ts';
import {
  openLink,
  type HeartbeatLink,
  type LinkOptions,
  type LinkSocketCounts,
} from '../../src/adapters/multicast.ts';

/** Holds heartbeat links inside a namespace and does what a test tells it over the process channel. */

export type ToLinkProgram =
  | { readonly kind: 'open'; readonly links: readonly Omit<LinkOptions, 'setMinimumTtl'>[] }
  | { readonly kind: 'send'; readonly link: number; readonly text: string }
  | { readonly kind: 'refresh' }
  | { readonly kind: 'look' };

export type FromLinkProgram =
  | { readonly kind: 'opened'; readonly failures: readonly (string | undefined)[] }
  | { readonly kind: 'heard'; readonly link: number; readonly text: string; readonly source: string }
  | { readonly kind: 'looked'; readonly links: readonly LinkView[] };

export interface LinkView {
  readonly counts: LinkSocketCounts;
  readonly ownAddress: string | undefined;
  readonly problem: string | undefined;
}

const links: HeartbeatLink[] = [];

/** The test may have let go of the channel while a datagram was on its way. */
function tell(message: FromLinkProgram): void {
  process.send?.(message, undefined, undefined, () => undefined);
}

async function open(options: LinkOptions, index: number): Promise<string | undefined> {
  const opened = await openLink({ ...options, setMinimumTtl }, (datagram, source) => {
    tell({ kind: 'heard', link: index, text: datagram.toString(), source });
  });
  if (!opened.ok) {
    return opened.reason;
  }
  links[index] = opened.value;
  return undefined;
}

async function obey(message: ToLinkProgram): Promise<void> {
  switch (message.kind) {
    case 'open':
      tell({ kind: 'opened', failures: await Promise.all(message.links.map(open)) });
      return;
    case 'send':
      links[message.link]?.send(Buffer.from(message.text));
      return;
    case 'refresh':
      for (const link of links) {
        link.refresh();
      }
      return;
    case 'look':
      tell({
        kind: 'looked',
        links: links.map((link) => ({
          counts: link.counts(),
          ownAddress: link.ownAddress(),
          problem: link.problem(),
        })),
      });
  }
}

// Only as a process of its own: a test imports the types.
if (process.send !== undefined && process.argv[1] === import.meta.filename) {
  process.on('message', (message: ToLinkProgram) => void obey(message));
  process.on('disconnect', () => process.exit());
}
