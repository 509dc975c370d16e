import { request } from 'node:http';
import { connect, type NetConnectOpts } from 'node:net';

export interface Exchanged {
  readonly code: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** One HTTP request as plainly as Node can make it. */
export function exchange(
  where: { readonly socketPath: string } | { readonly port: number },
  options: {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: Record<string, string>;
    readonly body?: string;
  } = {},
): Promise<Exchanged> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', ...where, agent: false, ...rest }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => {
        resolve({ code: response.statusCode ?? 0, headers: response.headers, text });
      });
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Sends bytes that need not be HTTP, and returns what comes back until the other side closes. */
export function throwBytes(where: NetConnectOpts, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(where, () => socket.end(bytes));
    socket.setEncoding('latin1');
    socket.on('data', (part: string) => {
      text += part;
    });
    // A reset is an answer, too: the server did not want to hear more.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      resolve(text);
    });
  });
}
