import { type Table } from './table.ts';

/** A setting of the kernel below /proc/sys that the virtual services need. */
export interface NeededSysctl {
  /** `net.ipv4.ip_forward`; a dot within an interface's name is a slash, as sysctl writes it. */
  readonly name: string;
  readonly value: string;
  /** What is wrong without it, as a clause. */
  readonly why: string;
}

/** What the table needs of the kernel; `interfaces` are those of floating addresses. */
export function neededSysctls(
  table: Table,
  { interfaces, isSynced }: { readonly interfaces: readonly string[]; readonly isSynced: boolean },
): readonly NeededSysctl[] {
  const servers = table.flatMap((service) => service.servers);
  const masqueraded = servers.filter(({ forwarding }) => forwarding.method === 'masquerading');
  const masqueradesV4 = masqueraded.some(({ address }) => !address.includes(':'));
  const masqueradesV6 = masqueraded.some(({ address }) => address.includes(':'));
  const isPersistent = table.some(({ persistence }) => persistence !== undefined);
  return [
    ...(masqueradesV4
      ? [
          {
            name: 'net.ipv4.ip_forward',
            value: '1',
            why: 'answers of masqueraded real servers are not forwarded',
          },
          ...['all', ...interfaces].map((name) => ({
            name: `net.ipv4.conf.${name.replaceAll('.', '/')}.send_redirects`,
            value: '0',
            why: 'real servers are sent past this director',
          })),
        ]
      : []),
    ...(masqueradesV6
      ? [
          {
            name: 'net.ipv6.conf.all.forwarding',
            value: '1',
            why: 'answers of masqueraded IPv6 real servers are not forwarded',
          },
        ]
      : []),
    ...(isPersistent
      ? [
          {
            name: 'net.ipv4.vs.expire_quiescent_template',
            value: '1',
            why: 'persistence keeps sending clients to a real server that is quiesced',
          },
        ]
      : []),
    ...(isSynced
      ? [
          {
            name: 'net.ipv4.vs.sync_threshold',
            value: '2 50',
            why: 'connections that say nothing after their handshake are not synchronised, and are reset by a failover',
          },
        ]
      : []),
  ];
}
