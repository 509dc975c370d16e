import { type Check, type CheckResult, type CheckTarget } from '../core/check.ts';
import { checkDns } from './check-dns.ts';
import { checkExpect } from './check-expect.ts';
import { checkGrpc } from './check-grpc.ts';
import { checkHttp } from './check-http.ts';
import { checkIcmp } from './check-icmp.ts';
import { checkRedis } from './check-redis.ts';
import { checkScript } from './check-script.ts';
import { checkSmtp } from './check-smtp.ts';
import { checkTcp } from './check-tcp.ts';
import { checkUdp } from './check-udp.ts';

/**
 * Looks at a real server once. Never rejects, whatever the other side does, never takes longer than the
 * check's timeout, and leaves no socket and no process behind. When `signal` aborts it ends at once.
 */
export function runCheck(check: Check, real: CheckTarget, signal: AbortSignal): Promise<CheckResult> {
  const target = 'port' in check ? { ...real, port: check.port ?? real.port } : real;
  switch (check.kind) {
    case 'tcp':
      return checkTcp(check, target, signal);
    case 'http':
    case 'https':
      return checkHttp(check, target, signal);
    case 'grpc':
      return checkGrpc(check, target, signal);
    case 'dns':
      return checkDns(check, target, signal);
    case 'smtp':
      return checkSmtp(check, target, signal);
    case 'expect':
      return checkExpect(check, target, signal);
    case 'udp':
      return checkUdp(check, target, signal);
    case 'icmp':
      return checkIcmp(check, target, signal);
    case 'redis':
      return checkRedis(check, target, signal);
    case 'script':
      return checkScript(check, target, signal);
    case 'none':
      return Promise.resolve({ ok: true, durationMs: 0 });
  }
}
