import { createSecretKey, type KeyObject } from 'node:crypto';
import { fail, ok, type Result } from '../core/result.ts';

/** One secret that both directors share; its id travels in the heartbeat, its bytes never do. */
export interface Key {
  /** 1..255. */
  readonly id: number;
  /** Shows itself as `[secret]` in logs, in JSON and in the inspector. */
  readonly secret: KeyObject;
}

/** Two keys are valid at a time, so that they can be exchanged on one router after the other. */
export interface Keys {
  /** The key to send with: the first line of the file. */
  readonly send: Key;
  readonly accept: readonly Key[];
}

export type KeyFileProblem =
  'no-key' | 'too-many-keys' | 'malformed-line' | 'bad-id' | 'duplicate-id' | 'bad-hex' | 'key-too-short';

const leastSecretBytes = 32;
const mostKeys = 2;

/**
 * Reads the text of a key file: one or two lines `<id 1..255> <hex, 32 bytes or more>`; blank lines and
 * lines that begin with `#` do not count. The detail of a refusal names the line and never what it holds.
 */
export function parseKeyFile(text: string): Result<Keys, KeyFileProblem> {
  const keys: Key[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(?:#.*)?$/.test(line)) {
      continue;
    }
    const key = parseLine(line);
    if (!key.ok) {
      return fail(key.reason, `line ${index + 1}: ${key.detail ?? key.reason}`);
    }
    if (keys.some(({ id }) => id === key.value.id)) {
      return fail('duplicate-id', `line ${index + 1}: key id ${key.value.id} is used twice`);
    }
    if (keys.length === mostKeys) {
      return fail('too-many-keys', `line ${index + 1}: there can be ${mostKeys} keys at most`);
    }
    keys.push(key.value);
  }
  const [send] = keys;
  return send === undefined
    ? fail('no-key', 'there is no line of the form: <id 1..255> <hex>')
    : ok({ send, accept: keys });
}

/** Makes a key from its bytes. */
export function createKey(id: number, bytes: Uint8Array): Key {
  const conceal = { value: () => '[secret]' };
  const secret = Object.defineProperties(createSecretKey(bytes), {
    toJSON: conceal,
    [Symbol.for('nodejs.util.inspect.custom')]: conceal,
  });
  return { id, secret };
}

function parseLine(line: string): Result<Key, KeyFileProblem> {
  const [id = '', hex, ...rest] = line.trim().split(/\s+/);
  if (hex === undefined || rest.length > 0) {
    return fail('malformed-line', 'it is not of the form: <id 1..255> <hex>');
  }
  // The id is not repeated in the message: in a malformed file it may be the secret itself.
  if (!/^[1-9][0-9]{0,2}$/.test(id) || Number(id) > 255) {
    return fail('bad-id', 'the key id is not a whole number from 1 to 255');
  }
  if (!/^(?:[0-9a-f]{2})+$/i.test(hex)) {
    return fail('bad-hex', 'the key is not an even number of hexadecimal digits');
  }
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (octet) => parseInt(octet, 16));
  return bytes.length < leastSecretBytes
    ? fail('key-too-short', `the key has ${bytes.length} bytes; ${leastSecretBytes} are needed`)
    : ok(createKey(Number(id), bytes));
}
