/**
 * What was probably meant by a word that is not known: a misspelling of one that is, or its name in
 * keepalived's language.
 */
export function suggest(word: string, known: readonly string[]): string | undefined {
  if (word.length > LONGEST_WORD) {
    return undefined;
  }
  const spellings = [
    ...known.map((name) => ({ name, spelling: name })),
    ...Object.entries(elsewhere).flatMap(([name, words]) =>
      known.includes(name) ? words.map((spelling) => ({ name, spelling })) : [],
    ),
  ];
  const ranked = spellings
    .map(({ name, spelling }) => ({
      name,
      distance: distance(fold(word), fold(spelling)),
      length: spelling.length,
    }))
    // Up to a third of the letters may differ; more is another word.
    .filter((candidate) => candidate.distance <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.name;
}

const LONGEST_WORD = 64;

/** Other people's words for our keys. */
const elsewhere: Readonly<Record<string, readonly string[]>> = {
  pair: ['name', 'cluster', 'router_id', 'virtual_router_id', 'vrrp_instance'],
  nodes: ['routers', 'directors', 'hosts', 'members'],
  floating: ['vip', 'vips', 'virtual_ipaddress', 'addresses', 'virtual_ips'],
  interface: ['dev', 'device', 'nic', 'iface'],
  address: ['ip', 'addr', 'vip'],
  interval: ['advert_int', 'advertisement_interval', 'keepalive'],
  dead: ['deadtime', 'timeout', 'down_interval'],
  key_file: ['auth_pass', 'key', 'secret', 'authentication', 'password'],
  peers: ['unicast', 'unicast_peer', 'unicast_src_ip'],
  paths: ['track', 'tracks', 'track_interface', 'gateways'],
  target: ['gateway', 'ping', 'host'],
  score: ['weight'],
  failback: ['preempt', 'nopreempt', 'auto_failback'],
  auto: ['delay', 'preempt_delay', 'after'],
  priority: ['prio', 'weight'],
  listen: ['bind', 'port'],
  gate: ['fence', 'fencing', 'lease'],
  lvs: ['ipvs', 'virtual_server', 'services'],
};

function fold(text: string): string {
  return text.toLowerCase().replaceAll('-', '_');
}

/** Optimal string alignment: insertions, deletions, substitutions and swapped neighbours count one each. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const substitution = cell(last, column - 1) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swap = isSwap ? cell(beforeLast, column - 2) + 1 : Infinity;
      current.push(Math.min(substitution, swap, cell(last, column) + 1, cell(current, column - 1) + 1));
    }
    beforeLast = last;
    last = current;
  }
  return cell(last, b.length);
}

function cell(row: readonly number[], column: number): number {
  return row[column] ?? Infinity;
}
