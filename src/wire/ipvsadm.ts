/**
 * The IPVS table as the text of `ipvsadm`: what `ipvsadm -Sn` prints, what an operator's rules file holds,
 * and the lines that `ipvsadm -R` carries out. As version 1.31 has it, checked against a real kernel.
 *
 * `ipvsadm -S` knows no thresholds: they are read from `ipvsadm -Ln --thresholds` (ipvsadm-thresholds.ts).
 * Whoever edits a real server must know them, for what an edit does not name is set to its default.
 */
import { fail, ok, type Result } from '../core/result.ts';
import {
  applyChange,
  draftOf,
  tableOf,
  type ChangeRefusal,
  type ServiceSettings,
  type TableChange,
} from '../core/table-change.ts';
import {
  endpoint,
  type Forwarding,
  type Protocol,
  type RealServer,
  type Table,
  type VirtualAddress,
} from '../core/table.ts';
import { parseRule, type RuleReason } from './ipvsadm-rule.ts';

export type SaveReason = RuleReason | ChangeRefusal | 'too-large';

/** Some ten times the largest tables that are heard of. */
const LONGEST_TEXT = 16 * 1024 * 1024;
const MOST_LINES = 200_000;
const LONGEST_LINE = 4096;

/**
 * The table that these rules make of an empty one. Empty lines and what follows a `#` are passed over;
 * everything else must be readable: the detail names the line and what is wrong with it.
 */
export function parseSave(text: string): Result<Table, SaveReason> {
  const lines = text.length > LONGEST_TEXT ? [] : text.split('\n', MOST_LINES + 2);
  if (text.length > LONGEST_TEXT || lines.length > MOST_LINES + 1) {
    return fail('too-large', `more than ${LONGEST_TEXT} characters or ${MOST_LINES} lines`);
  }
  const draft = draftOf([]);
  for (const [index, line] of lines.entries()) {
    const command = line.length > LONGEST_LINE ? line : line.replace(/(?:^|\s)#.*$/, '').trim();
    if (command === '') {
      continue;
    }
    const problem = carryOut(draft, command);
    if (problem !== undefined) {
      return fail(problem.reason, `line ${index + 1}: ${problem.detail ?? problem.reason}`);
    }
  }
  return ok(tableOf(draft));
}

/** One line for each service and, behind it, each of its real servers. */
export function formatSave(table: Table): string {
  const changes = table.flatMap(({ servers, ...service }): TableChange[] => [
    { kind: 'add-service', service },
    ...servers.map((server) => ({ kind: 'add-server', at: service.at, server }) as const),
  ]);
  return changes.map((change) => `${formatChange(change)}\n`).join('');
}

/** The line that makes this change, without its end. */
export function formatChange(change: TableChange): string {
  switch (change.kind) {
    case 'add-service':
      return `-A ${formatSettings(change.service)}`;
    case 'edit-service':
      return `-E ${formatSettings(change.service)}`;
    case 'remove-service':
      return `-D ${formatAt(change.at)}`;
    case 'add-server':
      return `-a ${formatAt(change.at)} -r ${formatServer(change.server)}`;
    case 'edit-server':
      return `-e ${formatAt(change.at)} -r ${formatServer(change.server)}`;
    case 'remove-server':
      return `-d ${formatAt(change.at)} -r ${endpoint(change.server)}`;
  }
}

function carryOut(
  draft: ReturnType<typeof draftOf>,
  command: string,
): { readonly reason: SaveReason; readonly detail?: string } | undefined {
  if (command.length > LONGEST_LINE) {
    return fail('too-large', `more than ${LONGEST_LINE} characters`);
  }
  const rule = parseRule(command);
  if (!rule.ok) {
    return rule;
  }
  if (rule.value === 'clear') {
    draft.clear();
    return undefined;
  }
  const refusal = applyChange(draft, rule.value);
  return refusal === undefined ? undefined : fail(refusal, refusals[refusal]);
}

const refusals: Readonly<Record<ChangeRefusal, string>> = {
  'service-exists': 'the service is there already',
  'no-such-service': 'there is no such service',
  'server-exists': 'the service has this real server already',
  'no-such-server': 'the service has no such real server',
};

const serviceOptions: Readonly<Record<Protocol, string>> = { tcp: '-t', udp: '-u', sctp: '--sctp-service' };

function formatAt(at: VirtualAddress): string {
  switch (at.kind) {
    case 'address':
      return `${serviceOptions[at.protocol]} ${endpoint(at)}`;
    case 'fwmark':
      return at.family === 6 ? `-f ${at.mark} -6` : `-f ${at.mark}`;
  }
}

function formatSettings({
  at,
  scheduler,
  schedulerFlags,
  persistence,
  isOnePacket,
}: ServiceSettings): string {
  return [
    `${formatAt(at)} -s ${scheduler}`,
    persistence && `-p ${persistence.timeoutSeconds}`,
    persistence?.netmask !== undefined && `-M ${persistence.netmask}`,
    persistence?.engine !== undefined && `--pe ${persistence.engine}`,
    isOnePacket && '-o',
    schedulerFlags.length > 0 && `-b ${schedulerFlags.join()}`,
  ]
    .filter(Boolean)
    .join(' ');
}

function formatServer(server: RealServer): string {
  const [method, ...tunnel] = forwardingWords(server.forwarding);
  return [
    `${endpoint(server)} ${method} -w ${server.weight}`,
    ...tunnel,
    server.upperThreshold > 0 && `-x ${server.upperThreshold}`,
    server.lowerThreshold > 0 && `-y ${server.lowerThreshold}`,
  ]
    .filter(Boolean)
    .join(' ');
}

function forwardingWords(forwarding: Forwarding): readonly [string, ...string[]] {
  switch (forwarding.method) {
    case 'masquerading':
      return ['-m'];
    case 'direct':
      return ['-g'];
    case 'tunnelling':
      break;
  }
  const { tunnel } = forwarding;
  switch (tunnel.type) {
    case 'ipip':
      return ['-i', '--tun-type ipip'];
    case 'gue':
      return ['-i', `--tun-type gue --tun-port ${tunnel.port} --tun-${tunnel.checksum}`];
    case 'gre':
      return ['-i', `--tun-type gre --tun-${tunnel.checksum}`];
  }
}
