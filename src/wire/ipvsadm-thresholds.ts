import { fail, ok, type Result } from '../core/result.ts';
import { endpoint, serviceKey, type RealServer, type Table, type VirtualAddress } from '../core/table.ts';
import { parseEndpoint, parseMark } from './ipvsadm-values.ts';

type Thresholds = Pick<RealServer, 'upperThreshold' | 'lowerThreshold'>;

/** Of each real server, by its service's name and its own. */
export type ThresholdsByServer = ReadonlyMap<string, Thresholds>;

/** As much as of the rules: 16 MiB. */
const LONGEST_TEXT = 16 * 1024 * 1024;

/** What `ipvsadm -Ln --thresholds` prints. */
export function parseThresholds(text: string): Result<ThresholdsByServer, 'too-large' | 'bad-line'> {
  if (text.length > LONGEST_TEXT) {
    return fail('too-large', `more than ${LONGEST_TEXT} characters`);
  }
  const found = new Map<string, Thresholds>();
  let at: VirtualAddress | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const server = /^ {2}-> (\S+) +([0-9]+) +([0-9]+) +[0-9]+ +[0-9]+ *$/.exec(line);
    if (server === null) {
      at = parseService(line);
      if (at === undefined && !headings.test(line)) {
        return fail('bad-line', `line ${index + 1}: ${line.slice(0, 200)}`);
      }
      continue;
    }
    const [, text = '', upper, lower] = server;
    const place = parseEndpoint(text);
    if (at === undefined || place?.port === undefined) {
      return fail('bad-line', `line ${index + 1}: ${line.slice(0, 200)}`);
    }
    const key = keyOf(at, { address: place.address, port: place.port });
    found.set(key, { upperThreshold: Number(upper), lowerThreshold: Number(lower) });
  }
  return ok(found);
}

/** The table with these thresholds; undefined when they do not name all of its real servers: it has changed. */
export function withThresholds(table: Table, thresholds: ThresholdsByServer): Table | undefined {
  const known = table.every(({ at, servers }) =>
    servers.every((server) => thresholds.has(keyOf(at, server))),
  );
  return known
    ? table.map((service) => ({
        ...service,
        servers: service.servers.map((server) => ({
          ...server,
          ...thresholds.get(keyOf(service.at, server)),
        })),
      }))
    : undefined;
}

const headings = /^(?:IP Virtual Server version .*|Prot LocalAddress:Port .*| {2}-> RemoteAddress:Port *|)$/;

function parseService(line: string): VirtualAddress | undefined {
  const [, protocol, text = ''] = /^(TCP|UDP|SCTP) +(\S+) /.exec(line) ?? [];
  const [, markText = '', ipv6] = /^FWM +(-?[0-9]+)( IPv6)? /.exec(line) ?? [];
  const place = parseEndpoint(text);
  const mark = parseMark(markText);
  if (mark !== undefined) {
    return { kind: 'fwmark', mark, family: ipv6 === undefined ? 4 : 6 };
  }
  return place?.port === undefined
    ? undefined
    : {
        kind: 'address',
        protocol: protocol === 'TCP' ? 'tcp' : protocol === 'UDP' ? 'udp' : 'sctp',
        address: place.address,
        port: place.port,
      };
}

function keyOf(at: VirtualAddress, server: { readonly address: string; readonly port: number }): string {
  return `${serviceKey(at)} -> ${endpoint(server)}`;
}
