import { type z } from 'zod';
import { type Check, type DnsRecordType, type Expectation, type TlsSettings } from '../core/check.ts';
import { type CheckConfig, type expectation, hostNameOf, type TlsConfig } from './check-schema.ts';
import { valueFor } from './values.ts';

/** Checks as the core knows them, of what the file says. */

/** The check as this node makes it. */
export function checkFrom(config: CheckConfig, nodeName: string): Check {
  const times = {
    intervalMs: config.interval,
    timeoutMs: config.timeout,
    rise: config.rise,
    fall: config.fall,
  };
  if (config.kind === 'none') {
    return { ...times, kind: 'none' };
  }
  if (config.kind === 'script') {
    return { ...times, kind: 'script', command: config.command, port: config.port };
  }
  const sourceAddress = config.source === undefined ? undefined : valueFor(config.source, nodeName);
  if (config.kind === 'icmp') {
    return { ...times, kind: 'icmp', sourceAddress };
  }
  return connectingFrom(config, { ...times, port: config.port, sourceAddress });
}

type ConnectingConfig = Exclude<CheckConfig, { kind: 'none' | 'script' | 'icmp' }>;
type ConnectingCheck = Extract<Check, { kind: ConnectingConfig['kind'] }>;
type Common = Pick<ConnectingCheck, 'intervalMs' | 'timeoutMs' | 'rise' | 'fall' | 'port' | 'sourceAddress'>;

function connectingFrom(config: ConnectingConfig, common: Common): ConnectingCheck {
  switch (config.kind) {
    case 'tcp':
      return { ...common, kind: 'tcp' };
    case 'http':
      return { ...common, kind: 'http', ...httpFrom(config) };
    case 'https':
      return {
        ...common,
        kind: 'https',
        ...httpFrom(config),
        tls: tlsFrom({ ...config, server_name: config.server_name ?? hostNameOf(config.host) }),
      };
    case 'grpc':
      return { ...common, kind: 'grpc', service: config.service, tls: optionalTlsFrom(config) };
    case 'dns': {
      const { name, type, answer } = config;
      return { ...common, kind: 'dns', name, recordType: type satisfies DnsRecordType, answer };
    }
    case 'smtp':
      return { ...common, kind: 'smtp', helo: config.helo };
    case 'expect': {
      const { send, expect } = config;
      return {
        ...common,
        kind: 'expect',
        send,
        expect: expectationFrom(expect),
        tls: optionalTlsFrom(config),
      };
    }
    case 'udp':
      return {
        ...common,
        kind: 'udp',
        payload: payloadFrom(config),
        requiresReply: config.require_reply || config.expect !== undefined,
        expect: expectationFrom(config.expect),
      };
    case 'redis':
      return { ...common, kind: 'redis', user: config.user, passwordFile: config.password_file };
  }
}

type HttpConfig = Extract<CheckConfig, { kind: 'http' }>;

function httpFrom({ method, path, host, status, body }: Omit<HttpConfig, 'kind'>) {
  return { method, path, host, status, body: expectationFrom(body) };
}

function tlsFrom({ server_name, verify, ca_file, certificate_days }: TlsConfig): TlsSettings {
  return {
    serverName: server_name,
    verify: verify ?? true,
    caFile: ca_file,
    minimumDays: certificate_days,
  };
}

function optionalTlsFrom(config: TlsConfig & { readonly tls: boolean }): TlsSettings | undefined {
  return config.tls ? tlsFrom(config) : undefined;
}

function expectationFrom(given: z.infer<typeof expectation> | undefined): Expectation | undefined {
  return given === undefined ? undefined : { text: undefined, regex: undefined, not: undefined, ...given };
}

function payloadFrom({ send = '', send_hex }: { send?: string | undefined; send_hex?: string | undefined }) {
  if (send_hex === undefined) {
    return new TextEncoder().encode(send);
  }
  return Uint8Array.from(send_hex.match(/[0-9A-Fa-f]{2}/g) ?? [], (digits) => parseInt(digits, 16));
}
