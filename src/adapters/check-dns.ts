import { Resolver } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { formatAddress, parseAddress } from '../core/address.ts';
import { type CheckResult, type CheckTarget, type DnsCheck } from '../core/check.ts';
import { endpoint } from '../core/table.ts';
import { attempt, failed, failureOf, type Outcome, well } from './check-attempt.ts';

/** One question to this server alone; what it answers is judged as text. */
export function checkDns(check: DnsCheck, target: CheckTarget, signal: AbortSignal): Promise<CheckResult> {
  const { timeoutMs, sourceAddress } = check;
  return attempt(check, signal, ({ settle, closing }) => {
    const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
    resolver.setServers([endpoint(target)]);
    if (sourceAddress !== undefined) {
      bindTo(resolver, sourceAddress);
    }
    closing(() => {
      resolver.cancel();
    });
    recordsOf(resolver, check).then(
      (records) => {
        settle(judgeRecords(records, check));
      },
      (error: unknown) => {
        settle(failureFrom(error, check));
      },
    );
  });
}

function bindTo(resolver: Resolver, address: string): void {
  if (address.includes(':')) {
    resolver.setLocalAddress('0.0.0.0', address);
  } else {
    resolver.setLocalAddress(address);
  }
}

/** As `dig +short` writes them, but names without the dot at the end and texts without quotes. */
async function recordsOf(resolver: Resolver, { name, recordType }: DnsCheck): Promise<readonly string[]> {
  switch (recordType) {
    case 'A':
      return resolver.resolve4(name);
    case 'AAAA':
      return resolver.resolve6(name);
    case 'CNAME':
      return resolver.resolveCname(name);
    case 'NS':
      return resolver.resolveNs(name);
    case 'PTR':
      return resolver.resolvePtr(name);
    case 'MX':
      return (await resolver.resolveMx(name)).map(({ priority, exchange }) => `${priority} ${exchange}`);
    case 'TXT':
      return (await resolver.resolveTxt(name)).map((parts) => parts.join(''));
    case 'SRV':
      return (await resolver.resolveSrv(name)).map(
        (record) => `${record.priority} ${record.weight} ${record.port} ${record.name}`,
      );
    case 'SOA': {
      const { nsname, hostmaster, serial, refresh, retry, expire, minttl } = await resolver.resolveSoa(name);
      return [`${nsname} ${hostmaster} ${serial} ${refresh} ${retry} ${expire} ${minttl}`];
    }
  }
}

function judgeRecords(records: readonly string[], { recordType, answer }: DnsCheck): Outcome {
  if (records.length === 0) {
    return failed('wrong-answer', `answered without a record of type ${recordType}`);
  }
  const wanted = answer === undefined ? undefined : comparable(answer, recordType);
  return wanted === undefined || records.some((record) => comparable(record, recordType) === wanted)
    ? well
    : failed('wrong-answer', `answered ${records.join(', ')}`);
}

/** Names are the same in any case and with or without the dot at the end, addresses in any spelling; texts are texts. */
function comparable(record: string, recordType: DnsCheck['recordType']): string {
  if (recordType === 'TXT') {
    return record;
  }
  const address = parseAddress(record);
  return address === undefined ? record.toLowerCase().replace(/\.$/, '') : formatAddress(address);
}

/** c-ares' words for the response code of the answer (RFC 1035 §4.1.1), and for what else can go wrong. */
function failureFrom(error: unknown, { recordType, sourceAddress }: DnsCheck): Outcome {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'EFORMERR':
      return failed('wrong-status', 'answered FORMERR');
    case 'ESERVFAIL':
      return failed('wrong-status', 'answered SERVFAIL');
    case 'ENOTFOUND':
      return failed('wrong-status', 'answered NXDOMAIN');
    case 'ENOTIMP':
      return failed('wrong-status', 'answered NOTIMP');
    case 'EREFUSED':
      return failed('wrong-status', 'answered REFUSED');
    case 'ENODATA':
      return failed('wrong-answer', `answered without a record of type ${recordType}`);
    case 'EBADRESP':
      return failed('wrong-answer', 'answered with what is not DNS');
    case 'ETIMEOUT':
      return failed('timeout', 'no answer in time');
    case 'ECONNREFUSED':
      // The resolver says so, too, of a source address that is not on this host.
      return sourceAddress === undefined || isOwn(sourceAddress)
        ? failed('refused', 'connection refused')
        : failed('cannot-check', `${sourceAddress} is not an address of this host`);
    default:
      return error instanceof Error ? failureOf(error) : failed('wrong-answer', String(error));
  }
}

function isOwn(address: string): boolean {
  const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return address.startsWith('127.') || own.some((entry) => entry.address === address);
}
