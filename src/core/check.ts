/** Checks of real servers as values. The adapters look, the core weighs what they saw (`hysteresis.ts`). */

/** Why a check failed: metric label and log field. */
export const checkFailures = [
  'refused',
  'timeout',
  'unreachable',
  'closed',
  'wrong-status',
  'wrong-answer',
  'not-serving',
  'tls',
  'certificate',
  'exit-code',
  /** The check itself could not be made: a missing program or privilege. Says nothing about the real server. */
  'cannot-check',
] as const;
export type CheckFailure = (typeof checkFailures)[number];

export type CheckResult =
  | {
      readonly ok: true;
      readonly durationMs: number;
      /** How long the certificate that was shown is valid yet, in days; only where there is one. */
      readonly certificateDays?: number;
    }
  | {
      readonly ok: false;
      readonly durationMs: number;
      readonly reason: CheckFailure;
      /** For a person: the status that came, the system's own words. Never more than 200 characters. */
      readonly detail: string;
      readonly certificateDays?: number;
    };

/** Where a check goes: the real server, as the IPVS table has it. */
export interface CheckTarget {
  readonly address: string;
  readonly port: number;
}

export const checkKinds = [
  'tcp',
  'http',
  'https',
  'grpc',
  'dns',
  'smtp',
  'expect',
  'udp',
  'icmp',
  'redis',
  'script',
  'none',
] as const;
export type CheckKind = (typeof checkKinds)[number];

/** How a real server is looked at, and how often. */
export type Check =
  | TcpCheck
  | HttpCheck
  | HttpsCheck
  | GrpcCheck
  | DnsCheck
  | SmtpCheck
  | ExpectCheck
  | UdpCheck
  | IcmpCheck
  | RedisCheck
  | ScriptCheck
  | NoCheck;

/** What every check has. `timeoutMs` is at most `intervalMs`. */
export interface CheckTiming {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Successes in a row that make it well. */
  readonly rise: number;
  /** Failures in a row that make it failed. */
  readonly fall: number;
}

export const USUAL_TIMING: CheckTiming = { intervalMs: 2000, timeoutMs: 1000, rise: 2, fall: 2 };

/** What every check has that opens a socket. */
interface Connecting extends CheckTiming {
  /** Another port than that of the service. */
  readonly port: number | undefined;
  /** An own address to connect from, instead of the one that the routes choose. */
  readonly sourceAddress: string | undefined;
}

/** A connection is accepted. */
export interface TcpCheck extends Connecting {
  readonly kind: 'tcp';
}

/** What must be true of the text that came; what is undefined is not asked for. */
export interface Expectation {
  /** Is contained. */
  readonly text: string | undefined;
  /** A regular expression that matches. */
  readonly regex: string | undefined;
  /** A regular expression that does not. */
  readonly not: string | undefined;
}

/** How the certificate that a server shows is judged. */
export interface TlsSettings {
  /** Sent as SNI, and what the certificate must name. An address is not sent, and must be named all the same. */
  readonly serverName: string | undefined;
  readonly verify: boolean;
  /** Authorities to believe instead of those that came with Node. */
  readonly caFile: string | undefined;
  /** Fails when it is valid for fewer days than this. */
  readonly minimumDays: number | undefined;
}

export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

interface Http extends Connecting {
  readonly method: 'GET' | 'HEAD';
  readonly path: string;
  /** The host header; the target's address and port unless set. */
  readonly host: string | undefined;
  readonly status: readonly StatusRange[];
  readonly body: Expectation | undefined;
}

export interface HttpCheck extends Http {
  readonly kind: 'http';
}

export interface HttpsCheck extends Http {
  readonly kind: 'https';
  readonly tls: TlsSettings;
}

/** grpc.health.v1.Health/Check answers SERVING. */
export interface GrpcCheck extends Connecting {
  readonly kind: 'grpc';
  /** Empty asks for the server as a whole. */
  readonly service: string;
  /** Without it, HTTP/2 in plain text (h2c). */
  readonly tls: TlsSettings | undefined;
}

export const dnsRecordTypes = ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'TXT'] as const;
export type DnsRecordType = (typeof dnsRecordTypes)[number];

/** A record of the type is there, or one that says what is expected. */
export interface DnsCheck extends Connecting {
  readonly kind: 'dns';
  readonly name: string;
  readonly recordType: DnsRecordType;
  /** One of the records, as text: an address, a name, `10 mx.example.net` for MX. */
  readonly answer: string | undefined;
}

/** A greeting, an answer to EHLO, and a farewell. */
export interface SmtpCheck extends Connecting {
  readonly kind: 'smtp';
  readonly helo: string;
}

/** Something is said over TCP, and what comes back is as expected. */
export interface ExpectCheck extends Connecting {
  readonly kind: 'expect';
  readonly send: string | undefined;
  readonly expect: Expectation | undefined;
  readonly tls: TlsSettings | undefined;
}

/** A datagram is sent. An ICMP error is a refusal; silence is one only where a reply is required. */
export interface UdpCheck extends Connecting {
  readonly kind: 'udp';
  readonly payload: Uint8Array;
  readonly requiresReply: boolean;
  readonly expect: Expectation | undefined;
}

/** An echo request is answered. */
export interface IcmpCheck extends CheckTiming {
  readonly kind: 'icmp';
  readonly sourceAddress: string | undefined;
}

/** PING is answered by PONG. */
export interface RedisCheck extends Connecting {
  readonly kind: 'redis';
  readonly user: string | undefined;
  readonly passwordFile: string | undefined;
}

/** A program ends with 0. It is told the real server by its environment. */
export interface ScriptCheck extends CheckTiming {
  readonly kind: 'script';
  /** Program and arguments; there is no shell. */
  readonly command: readonly string[];
  readonly port: number | undefined;
}

/** Nothing is asked: always well. */
export interface NoCheck extends CheckTiming {
  readonly kind: 'none';
}
