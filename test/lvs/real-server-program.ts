import { createSocket } from 'node:dgram';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { ports, STREAM_PERIOD_MS } from './ports.ts';

/** A real server that tells its name in every way a client can ask; see `ports.ts`. Writes `ready` when it does. */
const [name = ''] = process.argv.slice(2);

const http = createHttpServer((_request, response) => {
  response.setHeader('connection', 'close');
  response.end(`${name}\n`);
});

const ask = createServer((socket) => {
  tolerate(socket);
  socket.on('data', (data) => {
    const count = data.filter((byte) => byte === 0x0a).length;
    socket.write(`${name}\n`.repeat(count));
  });
});

const stream = createServer((socket) => {
  tolerate(socket);
  socket.setNoDelay();
  const tell = () => socket.write(`${name}\n`);
  tell();
  const timer = setInterval(tell, STREAM_PERIOD_MS);
  socket.resume();
  socket.once('close', () => {
    clearInterval(timer);
  });
});

/** One socket for each own address: an answer must come from the address that was asked, a virtual one among them. */
const ownAddresses = Object.values(networkInterfaces()).flatMap((entries) =>
  (entries ?? []).filter(({ family }) => family === 'IPv4').map(({ address }) => address),
);
const echoes = ownAddresses.map((own) => {
  const echo = createSocket('udp4', (_data, { address, port }) => {
    echo.send(name, port, address);
  });
  return { own, echo };
});

let left = 3 + echoes.length;
const ready = () => {
  left -= 1;
  if (left === 0) {
    process.stdout.write('ready\n');
  }
};
http.listen(ports.http, ready);
ask.listen(ports.ask, ready);
stream.listen(ports.stream, ready);
for (const { own, echo } of echoes) {
  echo.bind(ports.echo, own, ready);
}

/** A client that resets or goes is no trouble of the server's. */
function tolerate(socket: Socket): void {
  socket.on('error', () => undefined);
}
