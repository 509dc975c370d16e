import { createServer } from 'node:net';
import { fail, ok, type Result } from '../core/result.ts';

/**
 * Makes sure that there is one daemon of a pair in a network namespace, for as long as this process lives.
 *
 * An abstract socket (unix(7)) is a lock that the kernel keeps: it belongs to the network namespace, as the
 * addresses do, it leaves no file behind, and it is gone with the process however that ends.
 */
export async function beSole(pair: string): Promise<Result<Disposable, 'already-running'>> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        resolve(fail('already-running'));
      } else {
        reject(error);
      }
    });
    server.listen(`\0vipair/${pair}`, () => {
      server.unref();
      resolve(ok({ [Symbol.dispose]: () => server.close() }));
    });
  });
}
