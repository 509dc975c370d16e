/** Real servers for the benchmark of checks: some ports at every address of 127/8, by tcp or http. */
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';

const [kind, count] = [process.argv[2], Number(process.argv[3])];

const servers = Array.from({ length: count }, () =>
  kind === 'http'
    ? createHttpServer((_request, response) => response.end('OK'))
    : createServer((socket) => {
        socket.on('error', () => undefined);
        socket.destroy();
      }),
);
const ports = await Promise.all(
  servers.map(
    (server) =>
      new Promise<number>((resolve) => {
        server.listen({ host: '0.0.0.0', port: 0, backlog: 4096 }, () => {
          resolve((server.address() as AddressInfo).port);
        });
      }),
  ),
);
process.stdout.write(`${JSON.stringify(ports)}\n`);
// Whoever started this holds its input open; when that ends, so does this.
process.stdin.resume();
process.stdin.on('end', () => process.exit());
