import { type IncomingMessage } from 'node:http';
import { type z } from 'zod';
import { refused, served, type Served } from './refusal.ts';

const mostBytes = 16 * 1024;

/** The request's body as what the schema wants. An empty body is an empty object. */
export async function readBody<Value>(
  request: IncomingMessage,
  schema: z.ZodType<Value>,
): Promise<Served<Value>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      if (!Buffer.isBuffer(chunk)) {
        throw new TypeError('a request without encoding yields buffers');
      }
      bytes += chunk.length;
      if (bytes > mostBytes) {
        const { ok, refusal } = refused(
          413,
          'too-large',
          `a request has at most ${mostBytes} bytes`,
          'send less',
        );
        return { ok, refusal: { ...refusal, headers: { Connection: 'close' } } };
      }
      chunks.push(chunk);
    }
  } catch (error) {
    if (request.readableAborted || request.destroyed) {
      return refused(400, 'aborted', 'the request ended early', 'send it again');
    }
    throw error;
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const json = text.trim() === '' ? served<unknown>({}) : parseJson(text);
  return json.ok ? check(schema, json.value) : json;
}

/** The value, or every problem in one sentence. */
export function check<Value>(schema: z.ZodType<Value>, value: unknown): Served<Value> {
  const checked = schema.safeParse(value);
  if (checked.success) {
    return served(checked.data);
  }
  const problems = checked.error.issues
    .slice(0, 8)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`));
  return refused(
    400,
    'bad-request',
    problems.join('; '),
    'see GET /none for the routes and their parameters',
  );
}

function parseJson(text: string): Served<unknown> {
  try {
    return served(JSON.parse(text));
  } catch {
    return refused(400, 'bad-request', 'the body is not JSON', 'send a JSON object');
  }
}
