/** Monotonic milliseconds, on the clock that all processes of this host share. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * Waits until `look` finds something, looking every 10 ms; an event wait for what cannot call back.
 * When the deadline passes it throws with `what` and with the last thing seen.
 */
export async function eventually<Found>(
  what: string,
  look: () => Found | undefined | Promise<Found | undefined>,
  deadlineMs = 5000,
  explain: () => string = () => '',
): Promise<Found> {
  const untilMs = nowMs() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) {
      return found;
    }
    if (nowMs() > untilMs) {
      throw new Error(`${what}: not within ${deadlineMs} ms. ${explain()}`.trim());
    }
    await pause(10);
  }
}

/** Lets time pass where the passing of time is what is measured. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const give = () => {
      clearTimeout(timer);
      reject(new Error('stopped'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', give);
      resolve();
    }, ms);
    signal?.addEventListener('abort', give, { once: true });
  });
}
