import { attempt } from './command.ts';

/**
 * Why network namespaces cannot be made here, with the remedy; undefined when they can.
 * Namespace tests print it and skip.
 */
export function whyNoNamespaces(tools: readonly Tool[] = ['ip', 'nft']): string | undefined {
  if (process.platform !== 'linux') {
    return 'network namespaces need Linux';
  }
  if (process.getuid?.() !== 0) {
    return 'network namespaces need root. Remedy: run it as root, or in a container started with --privileged';
  }
  const missing = tools.filter((tool) => attempt([tool, versionFlags[tool]]).code === 127);
  if (missing.length > 0) {
    return `missing: ${missing.join(', ')}. Remedy: apt-get install ${missing.map((tool) => packages[tool]).join(' ')}`;
  }
  const name = `vp${process.pid}x0-try`;
  const made = attempt(['ip', 'netns', 'add', name]);
  attempt(['ip', 'netns', 'del', name]);
  return made.code === 0
    ? undefined
    : `network namespaces are not allowed here (${made.stderr.trim()}). Remedy: give the container CAP_SYS_ADMIN and CAP_NET_ADMIN`;
}

export type Tool = keyof typeof packages;

/** Debian's package of each tool that tests, demo and benchmark need beyond Node. */
const packages = {
  ip: 'iproute2',
  nft: 'nftables',
  ping: 'iputils-ping',
  arping: 'iputils-arping',
  tcpdump: 'tcpdump',
  keepalived: 'keepalived',
} as const;

const versionFlags: Readonly<Record<Tool, string>> = {
  ip: '-V',
  nft: '-v',
  ping: '-V',
  arping: '-V',
  tcpdump: '--version',
  keepalived: '-v',
};
