import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type Access, checkHost, checkToken } from './access.ts';
import { check, readBody } from './body.ts';
import { drainRequest, eventsQuery, failoverRequest, maintenanceRequest, routes } from './contract.ts';
import { renderPage } from './page.ts';
import { type ApiPorts } from './ports.ts';
import { refused, type Served } from './refusal.ts';
import { createStream } from './stream.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse, access: Access) => Promise<void>;

interface Answer {
  readonly contentType: string;
  readonly text: string;
}

/** Undefined when the response was begun elsewhere. */
type Answered = Served<Answer | undefined>;

interface Route {
  readonly method: 'GET' | 'POST';
  /** Prometheus scrapes by whatever name it knows, and what these tell is no secret. */
  readonly isAnyHost?: boolean;
  readonly answer: (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<Answered>;
}

/** Answers every request, whatever it is; what it is asked for comes from the ports. */
export function createHandler(ports: ApiPorts): Handler {
  const table = createRoutes(ports);
  return async (request, response, access) => {
    const url = parseUrl(request.url);
    const answered =
      url === undefined
        ? refused(400, 'bad-request', 'the address is not one', 'see GET /none for the routes')
        : await answer(table, { request, response, url, access });
    if (!answered.ok) {
      const { code, headers, ...error } = answered.refusal;
      send(response, code, { contentType: 'application/json', text: `${JSON.stringify(error)}\n` }, headers);
    } else if (answered.value !== undefined) {
      send(response, 200, answered.value);
    }
  };
}

function createRoutes(ports: ApiPorts): ReadonlyMap<string, Route> {
  const stream = createStream(ports);
  const routeTable: Readonly<Record<string, Route>> = {
    '/': {
      method: 'GET',
      answer: async () => {
        const events = ports.events({ limit: 20, since: 0, roles: false });
        return page(renderPage(await ports.status(), events));
      },
    },
    '/status': { method: 'GET', answer: async () => json(await ports.status()) },
    '/services': { method: 'GET', answer: async () => json(await ports.services()) },
    '/healthz': {
      method: 'GET',
      isAnyHost: true,
      answer: async () => {
        const status = await ports.status();
        return status.ok ? json({ ok: true, value: { ok: true, role: status.value.role } }) : status;
      },
    },
    '/metrics': {
      method: 'GET',
      isAnyHost: true,
      answer: async () => ({ ok: true, value: await ports.metrics() }),
    },
    '/events': {
      method: 'GET',
      answer: (_request, _response, url) => {
        const query = check(eventsQuery, Object.fromEntries(url.searchParams));
        return Promise.resolve(
          query.ok ? json({ ok: true, value: { events: ports.events(query.value) } }) : query,
        );
      },
    },
    '/events/stream': {
      method: 'GET',
      answer: (request, response, url) => {
        const query = check(eventsQuery, Object.fromEntries(url.searchParams));
        return Promise.resolve(query.ok ? stream(request, response, query.value.since) : query);
      },
    },
    '/failover': {
      method: 'POST',
      answer: async (request) => {
        const body = await readBody(request, failoverRequest);
        return body.ok ? json(await ports.failover(body.value)) : body;
      },
    },
    '/drain': {
      method: 'POST',
      answer: async (request) => {
        const body = await readBody(request, drainRequest);
        return body.ok ? json(await ports.drain(body.value)) : body;
      },
    },
    '/maintenance': {
      method: 'POST',
      answer: async (request) => {
        const body = await readBody(request, maintenanceRequest);
        return body.ok ? json(await ports.maintenance(body.value)) : body;
      },
    },
  };
  return new Map(Object.entries(routeTable));
}

async function answer(
  table: ReadonlyMap<string, Route>,
  at: {
    readonly request: IncomingMessage;
    readonly response: ServerResponse;
    readonly url: URL;
    readonly access: Access;
  },
): Promise<Answered> {
  const { request, response, url, access } = at;
  const route = table.get(url.pathname);
  const host = route?.isAnyHost === true ? undefined : checkHost(request, access);
  if (host?.ok === false) {
    return host;
  }
  if (route === undefined) {
    return refused(404, 'no-such-route', 'there is nothing here', `the routes are: ${routes.join(', ')}`);
  }
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  if (method !== route.method) {
    const { ok, refusal } = refused(
      405,
      'wrong-method',
      `${url.pathname} takes ${route.method}`,
      `use ${route.method}`,
    );
    return { ok, refusal: { ...refusal, headers: { Allow: route.method } } };
  }
  const token = route.method === 'POST' ? await checkToken(request, access) : undefined;
  return token?.ok === false ? token : route.answer(request, response, url);
}

function parseUrl(path = '/'): URL | undefined {
  const base = 'http://localhost';
  return path.startsWith('/') && URL.canParse(base + path) ? new URL(base + path) : undefined;
}

function json(answered: Served<unknown>): Answered {
  return answered.ok
    ? { ok: true, value: { contentType: 'application/json', text: `${JSON.stringify(answered.value)}\n` } }
    : answered;
}

function page(text: string): Answered {
  return { ok: true, value: { contentType: 'text/html; charset=utf-8', text } };
}

function send(
  response: ServerResponse,
  code: number,
  { contentType, text }: Answer,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(code, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ...headers,
  });
  response.end(text);
}
