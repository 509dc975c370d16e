import { createColors } from 'picocolors';
import { type ServerStatus, type Services, type ServiceStatus } from '../api/contract.ts';
import { reachDaemon, reject } from './daemon.ts';
import { exitCode } from './exit-codes.ts';
import { alignColumns, printJson } from './print.ts';
import { type Io, type ServicesOptions } from './run-options.ts';

/** The table with the health of its real servers. */
export async function servicesCommand(options: ServicesOptions, io: Io): Promise<number> {
  const { json } = options;
  const daemon = await reachDaemon(options, io);
  if (typeof daemon === 'number') {
    return daemon;
  }
  const answer = await daemon.services();
  if (!answer.ok) {
    return reject(answer, io, { json });
  }
  if (json) {
    printJson(io, answer.value);
  } else {
    io.out(servicesText(answer.value, io));
  }
  return exitCode('ok');
}

export function servicesText(services: Services, io: Pick<Io, 'useColor'>): string {
  const { yellow } = createColors(io.useColor);
  const { mode, problem } = services;
  if (mode === 'off') {
    return 'This director has nothing to do with virtual services (lvs.mode: off).\n';
  }
  const blocks = services.services.map((service) => serviceText(service, io));
  return [
    ...(problem === null ? [] : [yellow(`! The table cannot be read or changed: ${problem.detail}`), '']),
    ...(blocks.length === 0 && problem === null ? ['There is no virtual service in the table.'] : blocks),
    '',
  ].join('\n');
}

function serviceText(service: ServiceStatus, io: Pick<Io, 'useColor'>): string {
  const { bold, dim, green, red } = createColors(io.useColor);
  const { up, usable, quorum, check, scheduler, servers } = service;
  const title = service.name === null ? service.service : `${service.name} (${service.service})`;
  const state = up ? green('up') : red('down');
  const facts = dim(
    `${usable} of ${servers.length} usable${quorum > 1 ? `, quorum ${quorum}` : ''}, ${scheduler}, check ${check}`,
  );
  const rows = alignColumns(servers.map(rowOf)).map((line, index) =>
    isWell(servers[index]) ? line : red(line),
  );
  return [`${bold(title)} ${state}  ${facts}`, ...rows, ''].join('\n');
}

function rowOf(server: ServerStatus): readonly string[] {
  return [
    `  ${server.server}`,
    methods[server.forwarding],
    server.weight === null ? 'not in the table' : `weight ${server.weight}${weightNote(server)}`,
    server.health,
    server.checkMs === null ? '' : `${server.checkMs} ms`,
    server.activeConnections === null
      ? ''
      : `${server.activeConnections}/${server.inactiveConnections ?? 0} connections`,
    notesOf(server).join(', '),
  ];
}

const methods: Readonly<Record<ServerStatus['forwarding'], string>> = {
  masquerading: 'masq',
  direct: 'direct',
  tunnelling: 'tunnel',
};

function weightNote({ weight, fullWeight }: ServerStatus): string {
  return weight === fullWeight ? '' : ` of ${fullWeight}`;
}

function notesOf(server: ServerStatus): readonly string[] {
  const { failure, drained, byHand, sorry, peerUp, health } = server;
  return [
    ...(failure === null ? [] : [`${failure.reason}: ${failure.detail}`]),
    ...(drained === null ? [] : [`drained on ${drained.by}`]),
    ...(byHand ? ['weight set by hand'] : []),
    ...(sorry ? ['sorry server'] : []),
    ...(peerUp === null || health === 'unknown' || peerUp === (health === 'up')
      ? []
      : [`the peer finds it ${peerUp ? 'up' : 'down'}`]),
  ];
}

function isWell(server: ServerStatus | undefined): boolean {
  return server?.health !== 'down';
}
