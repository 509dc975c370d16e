import { openLibc } from './libc.ts';

/**
 * Lets a UDP socket hear only what no router has passed on (RFC 5082): what arrives with a TTL, or hop
 * limit, below 255 is dropped in the kernel. False where the kernel refuses.
 *
 * By a socket filter, for Linux heeds IP_MINTTL and IPV6_MINHOPCOUNT on TCP alone: a UDP socket takes the
 * option without a word and goes on hearing everything.
 */
export function setMinimumTtl(descriptor: number, family: 4 | 6): boolean {
  const libc = openLibc();
  return libc.ok && libc.value.attachFilter(descriptor, filterOf(offsetOfTtl[family])) === 0;
}

const offsetOfTtl = { 4: 8, 6: 7 } as const;
const mostHops = 255;

/** linux/filter.h: SKF_NET_OFF, from where offsets count in the network header. */
const networkHeader = 0xfff0_0000;

/** Classic BPF, linux/bpf_common.h: take the octet; 255 passes whole, anything else not at all. */
function filterOf(offset: number): Uint8Array {
  return Buffer.concat([
    // BPF_LD | BPF_B | BPF_ABS
    instruction(0x30, 0, 0, networkHeader + offset),
    // BPF_JMP | BPF_JEQ | BPF_K
    instruction(0x15, 0, 1, mostHops),
    // BPF_RET | BPF_K
    instruction(0x06, 0, 0, 0xffff_ffff),
    instruction(0x06, 0, 0, 0),
  ]);
}

/** struct sock_filter. */
function instruction(code: number, ifTrue: number, ifFalse: number, k: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(k, 4);
  return bytes;
}
