import { z } from 'zod';
import { parseAddress } from '../core/address.ts';
import { checkKinds, dnsRecordTypes, type StatusRange, USUAL_TIMING } from '../core/check.ts';
import {
  absoluteFile,
  count,
  formatDuration,
  hostAddress,
  interval,
  perNode,
  programAndArguments,
  timeout,
} from './values.ts';

/**
 * How real servers are checked, as the file writes it: a word alone (`check: tcp`), or a mapping with a
 * `kind`. Each kind has its own keys, and a key of another kind is an error.
 */

const LONGEST_TEXT = 4096;
const LONGEST_REGEX = 1024;

const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[1-9]\d{0,4})?$/;
const HOST_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})$/;
const DNS_NAME = /^(?:\.|(?=.{1,254}$)(?:[A-Za-z0-9_*-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?)$/;

const text = z.string().max(LONGEST_TEXT, `must have at most ${LONGEST_TEXT} characters`);
const word = text.regex(/^[^\0\r\n]+$/, 'must be a text of one line');

const regex = z
  .string()
  .max(LONGEST_REGEX, `must have at most ${LONGEST_REGEX} characters`)
  .superRefine((source, context) => {
    const complaint = complaintAbout(source);
    if (complaint !== undefined) {
      context.addIssue(complaint);
    }
  });

export const expectation = z.union(
  [
    text.min(1, 'must not be empty').transform((wanted) => ({ text: wanted })),
    z
      .strictObject({
        text: text
          .min(1, 'must not be empty')
          .optional()
          .meta({ description: 'A text that must be in it.', example: 'OK' }),
        regex: regex.optional().meta({
          description: 'A regular expression that must match; `^` and `$` match at the ends of lines.',
          example: '"^status: (ok|warm)$"',
        }),
        not: regex.optional().meta({
          description: 'A regular expression that must not match.',
          example: 'draining',
        }),
      })
      .refine(
        ({ text, regex, not }) => (text ?? regex ?? not) !== undefined,
        'needs one of text, regex and not',
      ),
  ],
  { error: 'must be a text, or a mapping of text, regex and not' },
);

const timing = {
  interval: interval.prefault('2s').meta({ description: 'Time from one check to the next.' }),
  timeout: timeout.prefault('1s').meta({
    description: 'How long a check may take, from the first packet to the last. At most the interval.',
  }),
  rise: count
    .default(USUAL_TIMING.rise)
    .meta({ description: 'Checks in a row that succeed until a failed real server is well again.' }),
  fall: count
    .default(USUAL_TIMING.fall)
    .meta({ description: 'Checks in a row that fail until a real server has failed.' }),
};

const port = z.int().min(1).max(65_535).optional().meta({
  description: 'Another port than that of the real server.',
  example: 8080,
});
const source = perNode(hostAddress).optional().meta({
  description:
    'An own address to check from, instead of the one that the routes choose; a map of node names.',
  example: '{ lvs1: 10.99.0.2, lvs2: 10.99.0.3 }',
});
const connecting = { ...timing, port, source };

const tls = {
  server_name: z.string().refine(isHostName, 'is not a host name or an address').optional().meta({
    description: 'The name that is asked for (SNI), and that the certificate must have.',
    example: 'www.example.net',
  }),
  verify: z.boolean().default(true).meta({
    description: 'Whether the certificate must be from a known authority, for the name, and of today.',
  }),
  ca_file: absoluteFile.optional().meta({
    description: 'The authorities to know (PEM), instead of the usual ones.',
    example: '/etc/vipair/ca.pem',
  }),
  certificate_days: z.int().min(1).max(3650).optional().meta({
    description: 'Fails when the certificate is valid for fewer days than this.',
    example: 3,
  }),
};

const optionalTls = {
  tls: z.boolean().default(false).meta({ description: 'Whether it is spoken to by TLS.' }),
  server_name: tls.server_name,
  verify: z.boolean().optional().meta({
    description: 'Of `tls`: as for https; true unless set.',
  }),
  ca_file: tls.ca_file,
  certificate_days: tls.certificate_days,
};

const http = {
  method: z.enum(['GET', 'HEAD']).default('GET').meta({ description: 'What is asked with.' }),
  path: z
    .string()
    .regex(/^\/[!-~]{0,2047}$/, 'must begin with a slash and be without space')
    .default('/')
    .meta({ description: 'What is asked for.', example: '/health' }),
  host: z.string().regex(HOST, 'is not a host name, with or without a port').optional().meta({
    description: 'The host header; the address and port of the real server unless set.',
    example: 'www.example.net',
  }),
  status: z
    .union([z.int(), z.string()])
    .transform((given, context) => {
      const ranges = parseStatus(String(given));
      if (ranges === undefined) {
        context.addIssue('is not a status or a range of it, such as 200, "200-299" or "200-299, 401"');
        return z.NEVER;
      }
      return ranges;
    })
    .prefault('200-299')
    .meta({
      description: 'The status that is right: one or more, or ranges. Redirects are not followed.',
      example: '"200-299, 401"',
    }),
  body: expectation.optional().meta({
    description: 'What must be true of the first 64 KiB of the body: a text that is in it, or a mapping.',
    example: 'OK',
  }),
};

const tcpSchema = z.strictObject({ kind: z.literal('tcp'), ...connecting }).superRefine(refineTiming);

const httpSchema = z
  .strictObject({ kind: z.literal('http'), ...connecting, ...http })
  .superRefine(refineTiming)
  .superRefine(refineHttp);

const httpsSchema = z
  .strictObject({ kind: z.literal('https'), ...connecting, ...http, ...tls })
  .superRefine(refineTiming)
  .superRefine(refineHttp)
  .superRefine((given, context) => {
    refineVerification({ ...given, serverName: given.server_name ?? given.host }, context);
  });

const grpcSchema = z
  .strictObject({
    kind: z.literal('grpc'),
    ...connecting,
    service: z
      .string()
      .regex(/^[!-~]{0,255}$/, 'is not the name of a gRPC service')
      .default('')
      .meta({ description: 'The service that is asked about; all of the server unless set.' }),
    ...optionalTls,
  })
  .superRefine(refineTiming)
  .superRefine(refineOptionalTls);

const dnsSchema = z
  .strictObject({
    kind: z.literal('dns'),
    ...connecting,
    name: z
      .string()
      .regex(DNS_NAME, 'is not a name of the DNS')
      .meta({ description: 'The name that is asked about.', example: 'www.example.net' }),
    type: z.enum(dnsRecordTypes).default('A').meta({ description: 'The type of record.' }),
    answer: word.optional().meta({
      description:
        'One of the records must be this: an address, a name, `10 mx.example.net` for MX. Unless set, any record will do.',
      example: '192.0.2.80',
    }),
  })
  .superRefine(refineTiming)
  .superRefine(({ type, answer }, context) => {
    const family = type === 'A' ? 4 : type === 'AAAA' ? 6 : undefined;
    if (family !== undefined && answer !== undefined && parseAddress(answer)?.family !== family) {
      context.addIssue({ code: 'custom', path: ['answer'], message: `is not an IPv${family} address` });
    }
  });

const smtpSchema = z
  .strictObject({
    kind: z.literal('smtp'),
    ...connecting,
    helo: z
      .string()
      .regex(HOST_NAME, 'is not a host name')
      .default('vipair')
      .meta({ description: 'The name to greet with.', example: 'lvs1.example.net' }),
  })
  .superRefine(refineTiming);

const expectSchema = z
  .strictObject({
    kind: z.literal('expect'),
    ...connecting,
    send: text.optional().meta({
      description: 'What is said once connected; line ends as the protocol wants them.',
      example: '"version\\r\\n"',
    }),
    expect: expectation.optional().meta({
      description: 'What must be true of what comes back: a text that is in it, or a mapping.',
      example: '{ regex: "^VERSION " }',
    }),
    ...optionalTls,
  })
  .superRefine(refineTiming)
  .superRefine(refineOptionalTls)
  .superRefine((given, context) => {
    if (given.expect === undefined && !given.tls) {
      context.addIssue('needs expect: that somebody listens is what kind: tcp finds out');
    }
  });

const udpSchema = z
  .strictObject({
    kind: z.literal('udp'),
    ...connecting,
    send: text.optional().meta({ description: 'The datagram as a text; empty unless set.' }),
    send_hex: z
      .string()
      .regex(/^(?:\s*[0-9A-Fa-f]{2})*\s*$/, 'must be pairs of hexadecimal digits')
      .max(2 * LONGEST_TEXT)
      .optional()
      .meta({ description: 'Instead: the datagram in hexadecimal digits.', example: '"0a 1b"' }),
    require_reply: z.boolean().default(false).meta({
      description:
        'Whether a datagram must come back. If not, only an ICMP error fails, and a check without an answer lasts until its timeout.',
    }),
    expect: expectation.optional().meta({
      description: 'What must be true of the reply, which is then required.',
      example: 'pong',
    }),
  })
  .superRefine(refineTiming)
  .superRefine((given, context) => {
    if (given.send !== undefined && given.send_hex !== undefined) {
      context.addIssue('has both send and send_hex, and only one datagram is sent');
    }
  });

const icmpSchema = z.strictObject({ kind: z.literal('icmp'), ...timing, source }).superRefine(refineTiming);

const redisSchema = z
  .strictObject({
    kind: z.literal('redis'),
    ...connecting,
    user: word.regex(/^\S*$/, 'must be without space').optional().meta({
      description: 'Who to log in as; the default user unless set.',
      example: 'vipair',
    }),
    password_file: absoluteFile.optional().meta({
      description: 'The first line is the password. Read for each check.',
      example: '/etc/vipair/redis.password',
    }),
  })
  .superRefine(refineTiming)
  .superRefine((given, context) => {
    if (given.user !== undefined && given.password_file === undefined) {
      context.addIssue('has a user, which needs a password_file');
    }
  });

const scriptSchema = z
  .strictObject({
    kind: z.literal('script'),
    ...timing,
    port,
    command: programAndArguments.meta({
      description:
        'Program and arguments, run without a shell; all is well when it ends with 0. It is given `VIPAIR_ADDRESS`, `VIPAIR_PORT` and `VIPAIR_TIMEOUT_MS`.',
      example: '[/usr/local/bin/check-ldap, "-w", "5"]',
    }),
  })
  .superRefine(refineTiming);

const noneSchema = z.strictObject({ kind: z.literal('none'), ...timing }).superRefine(refineTiming);

const kindSchema = z.discriminatedUnion('kind', [
  tcpSchema.meta({ description: 'A connection is accepted.' }),
  httpSchema.meta({ description: 'A request is answered with the right status, and the right body.' }),
  httpsSchema.meta({ description: 'The same by TLS, with a certificate to be believed.' }),
  grpcSchema.meta({ description: '`grpc.health.v1.Health` says SERVING.' }),
  dnsSchema.meta({ description: 'A record is there, by UDP.' }),
  smtpSchema.meta({ description: 'A greeting, an answer to EHLO, a farewell.' }),
  expectSchema.meta({ description: 'Something is said over TCP, and what comes back is as expected.' }),
  udpSchema.meta({ description: 'A datagram is sent, and no ICMP error or the right reply comes back.' }),
  icmpSchema.meta({ description: 'An echo request is answered.' }),
  redisSchema.meta({ description: 'PING is answered by PONG.' }),
  scriptSchema.meta({ description: 'A program ends with 0.' }),
  noneSchema.meta({ description: 'Nothing is asked: always well.' }),
]);

/** The word alone is the mapping with nothing but its kind; what else that kind needs is then missing. */
export const checkSchema = z.union([
  z
    .enum(checkKinds)
    .transform((kind) => ({ kind }))
    .pipe(kindSchema),
  kindSchema,
]);

export type CheckConfig = z.infer<typeof checkSchema>;

/** What each kind that speaks TLS may be given. */
export interface TlsConfig {
  readonly server_name?: string | undefined;
  readonly verify?: boolean | undefined;
  readonly ca_file?: string | undefined;
  readonly certificate_days?: number | undefined;
}

/** Without a port, and an IPv6 address without its brackets. */
export function hostNameOf(host: string | undefined): string | undefined {
  return host?.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

/** `200`, `200-299`, `200-299, 401`; undefined for anything else. */
function parseStatus(given: string): readonly StatusRange[] | undefined {
  const ranges = given.split(',').map((part) => {
    const [, from = '', to = from] = /^\s*([1-5]\d\d)(?:\s*-\s*([1-5]\d\d))?\s*$/.exec(part) ?? [];
    return { from: Number(from), to: Number(to) };
  });
  return ranges.length <= MOST_RANGES && ranges.every(({ from, to }) => from >= 100 && to >= from)
    ? ranges
    : undefined;
}

const MOST_RANGES = 16;

/** What V8 says of a regular expression that does not compile. */
function complaintAbout(source: string): string | undefined {
  try {
    new RegExp(source, 'm');
    return undefined;
  } catch (error) {
    if (error instanceof SyntaxError) {
      const why = error.message.slice(error.message.lastIndexOf(': ') + 2);
      return `is not a regular expression: ${why}`;
    }
    throw error;
  }
}

function isHostName(given: string): boolean {
  return HOST_NAME.test(given) || parseAddress(given) !== undefined;
}

/** Checks of one real server do not overlap: one that may take longer than the interval would stretch it unsaid. */
function refineTiming(
  { interval: intervalMs, timeout: timeoutMs }: { readonly interval: number; readonly timeout: number },
  context: z.RefinementCtx,
): void {
  if (timeoutMs > intervalMs) {
    context.addIssue(
      `must not have a timeout (${formatDuration(timeoutMs)}) longer than its interval (${formatDuration(intervalMs)})`,
    );
  }
}

function refineHttp(
  { method, body }: { readonly method: string; readonly body?: object | undefined },
  context: z.RefinementCtx,
): void {
  if (method === 'HEAD' && body !== undefined) {
    context.addIssue('has a body to be judged, which only method: GET brings');
  }
}

function refineOptionalTls(given: TlsConfig & { readonly tls: boolean }, context: z.RefinementCtx): void {
  if (given.tls) {
    refineVerification({ verify: given.verify ?? true, serverName: given.server_name }, context);
    return;
  }
  const idle = (['server_name', 'verify', 'ca_file', 'certificate_days'] as const).filter(
    (key) => given[key] !== undefined,
  );
  if (idle.length > 0) {
    context.addIssue(`has ${idle.join(', ')}, which only tls: true knows`);
  }
}

/** A certificate is for a name; without one there is nothing to hold it against. */
function refineVerification(
  { verify, serverName }: { readonly verify: boolean; readonly serverName: string | undefined },
  context: z.RefinementCtx,
): void {
  if (verify && serverName === undefined) {
    context.addIssue('needs a server_name that its certificate must have, or verify: false');
  }
}
