import { openLibc, uint32 } from './libc.ts';

const optionOf = {
  // IPPROTO_IP, IP_MINTTL: ip(7).
  4: [0, 21],
  // IPPROTO_IPV6, IPV6_MINHOPCOUNT: linux/in6.h.
  6: [41, 73],
} as const;

/** Lets a socket hear only what no router has passed on (RFC 5082); false where the kernel refuses. */
export function setMinimumTtl(descriptor: number, family: 4 | 6): boolean {
  const libc = openLibc();
  const [level, name] = optionOf[family];
  return libc.ok && libc.value.setsockopt(descriptor, level, name, uint32(255)) === 0;
}
