import { createColors } from 'picocolors';
import { formatMs } from '../core/explain.ts';
import { type LinkStatus, type Status } from '../api/contract.ts';
import { alignColumns } from './print.ts';
import { type Io } from './run-options.ts';

/** The status for a person: aligned, in colour where wanted, readable in 80 columns and in 40. */
export function statusText(status: Status, io: Pick<Io, 'useColor' | 'columns'>): string {
  const { bold, green, yellow, red, dim } = createColors(io.useColor);
  const width = io.columns ?? 80;
  const { peer, lease } = status;
  const paintRole = status.role === 'active' ? green : yellow;
  const since = `since ${status.since.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')} (${ago(status.since, status.at)}), term ${status.term}`;
  const head = [
    `${bold(status.node)} of pair ${status.pair} is ${bold(paintRole(status.role))}${status.maintenance ? yellow(', in maintenance') : ''}`,
    ...wrap(since, width, '  ').map(dim),
    ...wrap(`why: ${status.why}`, width, '  '),
    ...wrap(peerText(status), width, '').map((line) => (peer.role === 'unknown' ? red(line) : line)),
  ];
  const isActive = status.role === 'active';
  const floating = alignColumns(
    status.floating.map(({ address, interface: interfaceName, held }) => [
      `  ${address}`,
      interfaceName,
      held ? 'held' : 'not held',
    ]),
  ).map((line, index) => (status.floating[index]?.held === isActive ? line : red(line)));
  const links = linkLines(status, width).map((line, index) =>
    isWell(status.links[index]) ? line : red(line),
  );
  const leaseLine = `lease: ${lease.mode}${lease.mode === lease.configured ? '' : ` instead of ${lease.configured}`}${lease.hooks === 'output' ? ' at the output hooks' : ''}, ${formatMs(status.timers.leaseMs)}${lease.remainingMs === null ? '' : `, ${formatMs(Math.round(lease.remainingMs))} left`}; interval ${formatMs(status.timers.intervalMs)}, dead ${formatMs(status.timers.deadMs)}`;
  const problems = status.problems.flatMap((problem) =>
    wrap(`! ${problem}`, width, '').map((line) => yellow(line)),
  );
  return [
    ...head,
    '',
    bold('floating addresses'),
    ...floating,
    '',
    bold('links'),
    ...links,
    ...(status.paths.length > 0 ? ['', bold('paths')] : []),
    ...pathLines(status).map((line, index) => (status.paths[index]?.up === false ? red(line) : line)),
    '',
    ...wrap(leaseLine, width, ''),
    ...(problems.length > 0 ? ['', ...problems] : []),
    '',
  ].join('\n');
}

function peerText({ peer }: Status): string {
  if (peer.lastHeardMs === null) {
    return `peer ${peer.node}: never heard`;
  }
  const heard = `last heard ${formatMs(peer.lastHeardMs)} ago`;
  if (peer.role === 'unknown') {
    return `peer ${peer.node}: silent, ${heard}`;
  }
  const notes = [
    heard,
    `priority ${String(peer.priority)}`,
    ...(peer.refusal === 'none' ? [] : [`will not take over: ${peer.refusal}`]),
    ...(peer.proven ? [] : ['not proved yet']),
  ];
  return `peer ${peer.node}: ${peer.role}, ${notes.join(', ')}`;
}

function pathLines({ paths }: Status): readonly string[] {
  return alignColumns(
    paths.map(({ name, kind, interface: interfaceName, target, up, peerUp }) => [
      `  ${name}`,
      interfaceName ?? kind,
      target ?? '',
      up === null ? 'unknown' : up ? 'up' : 'down',
      peerUp === null ? '' : `${peerUp ? 'up' : 'down'} at peer`,
    ]),
  );
}

/** As many columns as fit; the rest is in --json. */
function linkLines({ links }: Status, width: number): readonly string[] {
  const columns: readonly ((link: LinkStatus) => string)[] = [
    (link) => `  ${link.name}`,
    (link) => link.interface,
    (link) => linkState(link),
    (link) => (link.roundTripMs === null ? '' : `round trip ${round(link.roundTripMs)} ms`),
    (link) => (link.jitterMs === null ? '' : `jitter ${round(link.jitterMs)} ms`),
    (link) => `lost ${link.lost}`,
  ];
  for (let count = columns.length; count > 3; count -= 1) {
    const lines = alignColumns(links.map((link) => columns.slice(0, count).map((column) => column(link))));
    if (lines.every((line) => line.length <= width)) {
      return lines;
    }
  }
  return alignColumns(links.map((link) => columns.slice(0, 3).map((column) => column(link))));
}

function linkState(link: LinkStatus): string {
  if (!link.carrier) {
    return 'no carrier';
  }
  if (!link.hears) {
    return link.heard_by_peer ? 'does not hear' : 'silent';
  }
  return link.heard_by_peer ? 'both ways' : 'not heard by peer';
}

function isWell(link: LinkStatus | undefined): boolean {
  return link !== undefined && link.carrier && link.hears && link.heard_by_peer;
}

function round(ms: number): string {
  return ms.toFixed(ms < 10 ? 2 : 0);
}

/** Lines no longer than the width; each after the first is indented. */
function wrap(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    const next = line.trim() === '' ? `${line}${word}` : `${line} ${word}`;
    if (next.length > width && line.trim() !== '') {
      lines.push(line);
      line = `${indent}  ${word}`;
    } else {
      line = next;
    }
  }
  return [...lines, line];
}

function ago(since: string, at: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(at) - Date.parse(since)) / 1000));
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor((seconds % 86_400) / 3600),
    Math.floor((seconds % 3600) / 60),
  ];
  if (days > 0) {
    return `${days} d ${hours} h`;
  }
  if (hours > 0) {
    return `${hours} h ${minutes} min`;
  }
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
