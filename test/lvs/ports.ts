/** What every real server offers, and so every virtual service. */
export const ports = {
  /** HTTP: any path answers with the name of the real server. */
  http: 80,
  /** TCP: answers each line with its name, and says nothing unasked. */
  ask: 7001,
  /** TCP: a line with its name every 50 ms, from the handshake on. */
  stream: 7002,
  /** UDP: answers each datagram with its name. */
  echo: 7003,
} as const;

export const STREAM_PERIOD_MS = 50;
