import { request as send } from 'node:http';
import { z } from 'zod';
import { type Services } from '../observe/services.ts';
import { type Status } from '../observe/status.ts';
import {
  type ApiError,
  apiErrorSchema,
  type CommandReport,
  type DrainReport,
  type DrainRequest,
  type EventView,
  type FailoverRequest,
  type MaintenanceRequest,
} from './contract.ts';

/** Why there is no answer, or what the daemon refused. */
export type ClientReason = 'not-running' | 'not-permitted' | 'no-answer' | 'refused';

export type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly reason: ClientReason; readonly error: ApiError };

/** The daemon of a pair on this host, as the command line speaks to it. */
export interface ApiClient {
  status(): Promise<Answer<Status>>;
  services(): Promise<Answer<Services>>;
  events(query: {
    readonly limit: number;
    readonly rolesOnly?: boolean;
  }): Promise<Answer<readonly EventView[]>>;
  /** Calls for each event until the signal; ends with the reason if the daemon ends first. */
  follow(since: number, onEvent: (event: EventView) => void, signal: AbortSignal): Promise<Answer<undefined>>;
  failover(request: FailoverRequest): Promise<Answer<CommandReport>>;
  maintenance(request: MaintenanceRequest): Promise<Answer<CommandReport>>;
  drain(request: DrainRequest): Promise<Answer<DrainReport>>;
}

// The daemon is this program, at most a neighbouring version: what is checked is that it is our answer.
const statusSchema = z.custom<Status>((value) =>
  has(value, ['pair', 'node', 'role', 'peer', 'links', 'floating']),
);
const servicesSchema = z.custom<Services>((value) => has(value, ['mode', 'services', 'problem']));
const drainReportSchema = z.custom<DrainReport>((value) => has(value, ['changed', 'message']));
const reportSchema = z.custom<CommandReport>((value) => has(value, ['changed', 'message', 'tookMs']));
const eventSchema = z.custom<EventView>((value) =>
  has(value, ['id', 'at', 'sentence', 'from', 'to', 'record']),
);
const eventsSchema = z.object({ events: z.array(eventSchema) });

/** Beyond the deadline of a command itself, for the way there and back. */
const slackMs = 1000;
const mostBytes = 32 * 1024 * 1024;

export function createClient(socketPath: string, timeoutMs = 3000): ApiClient {
  const get = <Value>(path: string, schema: z.ZodType<Value>) =>
    ask(socketPath, { method: 'GET', path, timeoutMs }, schema);
  const post = <Value>(
    path: string,
    body: object & { readonly timeoutMs?: number | undefined },
    schema: z.ZodType<Value>,
  ) => ask(socketPath, { method: 'POST', path, body, timeoutMs: (body.timeoutMs ?? 5000) + slackMs }, schema);
  return {
    status: () => get('/status', statusSchema),
    services: () => get('/services', servicesSchema),
    async events({ limit, rolesOnly = false }) {
      const answer = await get(`/events?limit=${limit}&roles=${rolesOnly}`, eventsSchema);
      return answer.ok ? { ok: true, value: answer.value.events } : answer;
    },
    follow: (since, onEvent, signal) => follow(socketPath, since, onEvent, signal),
    failover: (request) => post('/failover', request, reportSchema),
    maintenance: (request) => post('/maintenance', request, reportSchema),
    drain: (request) => post('/drain', request, drainReportSchema),
  };
}

interface Request {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
  readonly timeoutMs: number;
}

async function ask<Value>(
  socketPath: string,
  { method, path, body, timeoutMs }: Request,
  schema: z.ZodType<Value>,
): Promise<Answer<Value>> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const { code, text } = await exchange(socketPath, { method, path, body, signal });
    const json: unknown = JSON.parse(text);
    if (code === 200) {
      return { ok: true, value: schema.parse(json) };
    }
    return { ok: false, reason: 'refused', error: apiErrorSchema.parse(json) };
  } catch (error) {
    return failure(error, socketPath);
  }
}

function exchange(
  socketPath: string,
  options: {
    readonly method: string;
    readonly path: string;
    readonly body: unknown;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly code: number; readonly text: string }> {
  const { method, path, body, signal } = options;
  return new Promise((resolve, reject) => {
    const request = send({ socketPath, method, path, signal, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > mostBytes) {
          request.destroy(new Error('the answer is too long'));
        }
      });
      response.on('end', () => {
        resolve({ code: response.statusCode ?? 0, text });
      });
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Server-sent events: an `id`, an `event` and a `data` line each, an empty line between. */
function follow(
  socketPath: string,
  since: number,
  onEvent: (event: EventView) => void,
  signal: AbortSignal,
): Promise<Answer<undefined>> {
  return new Promise((resolve) => {
    const end = (error: unknown) => {
      resolve(signal.aborted ? { ok: true, value: undefined } : failure(error, socketPath));
    };
    const request = send(
      { socketPath, path: `/events/stream?since=${since}`, signal, agent: false },
      (response) => {
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          const frames = (rest + part).split('\n\n');
          rest = frames.pop() ?? '';
          for (const frame of frames) {
            const data = frame.split('\n').find((line) => line.startsWith('data: '));
            const event = data === undefined ? undefined : eventSchema.safeParse(JSON.parse(data.slice(6)));
            if (event?.success === true) {
              onEvent(event.data);
            }
          }
        });
        response.on('end', () => {
          end(new Error('the daemon ended the stream'));
        });
        response.on('error', end);
      },
    );
    request.on('error', end);
    request.end();
  });
}

function failure(error: unknown, socketPath: string): Extract<Answer<never>, { ok: false }> {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  switch (code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return {
        ok: false,
        reason: 'not-running',
        error: {
          error: `no daemon answers at ${socketPath}`,
          reason: 'not-running',
          remedy: 'start it: systemctl start vipair; or name its --runtime-dir',
        },
      };
    case 'EACCES':
    case 'EPERM':
      return {
        ok: false,
        reason: 'not-permitted',
        error: {
          error: `${socketPath} may not be opened by this user`,
          reason: 'not-permitted',
          remedy: 'use sudo, or join the group of the socket',
        },
      };
    default:
      return {
        ok: false,
        reason: 'no-answer',
        error: {
          error: `the daemon at ${socketPath} gave no proper answer (${message})`,
          reason: 'no-answer',
          remedy: 'look at its log: journalctl -u vipair',
        },
      };
  }
}

function has(value: unknown, keys: readonly string[]): boolean {
  return typeof value === 'object' && value !== null && keys.every((key) => key in value);
}
