import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type EventView } from './contract.ts';
import { type ApiPorts } from './ports.ts';
import { refused, served, type Served } from './refusal.ts';

const mostClients = 32;
/** A client that does not read is cut off when so much waits for it; it may come back with Last-Event-ID. */
const mostUnreadBytes = 1024 * 1024;
/** Told to one that comes back; of more it learns by GET /events. */
const mostReplayed = 100;
/** Tells proxies and both ends that the other is there. */
const pingMs = 15_000;

/** Server-sent events: every new step to whoever listens (HTML Living Standard §9.2). */
export function createStream(ports: Pick<ApiPorts, 'events' | 'subscribe'>) {
  let clients = 0;
  return (request: IncomingMessage, response: ServerResponse, since: number): Served<undefined> => {
    if (clients >= mostClients) {
      return refused(
        503,
        'too-many-streams',
        `${mostClients} streams are open`,
        'close one, or ask for GET /events',
      );
    }
    clients += 1;
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    });
    const send = (text: string) => {
      if (response.writableLength > mostUnreadBytes) {
        response.destroy();
      } else if (!response.destroyed) {
        response.write(text);
      }
    };
    const last = lastEventId(request) ?? since;
    send('retry: 2000\n\n');
    if (last > 0) {
      for (const event of ports.events({ since: last, limit: mostReplayed, roles: false })) {
        send(frame(event));
      }
    }
    const unsubscribe = ports.subscribe((event) => {
      send(frame(event));
    });
    const ping = setInterval(() => {
      send(': ping\n\n');
    }, pingMs);
    response.once('close', () => {
      clients -= 1;
      clearInterval(ping);
      unsubscribe();
    });
    return served(undefined);
  };
}

function frame(event: EventView): string {
  return `id: ${event.id}\nevent: step\ndata: ${JSON.stringify(event)}\n\n`;
}

function lastEventId(request: IncomingMessage): number | undefined {
  const header = request.headers['last-event-id'];
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}
