import { monitorEventLoopDelay } from 'node:perf_hooks';

const windowMs = 15_000;
const resolutionMs = 10;

/** The longest delay of this process's event loop in this window and the one before it, in seconds. */
export function watchLoopLag(): { readonly seconds: () => number } & Disposable {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  let before = 0;
  delay.enable();
  const timer = setInterval(() => {
    before = delay.max;
    delay.reset();
  }, windowMs);
  timer.unref();
  return {
    // The figure contains the sampling interval itself.
    seconds: () => Math.max(0, Math.max(before, delay.max) / 1e9 - resolutionMs / 1000),
    [Symbol.dispose]() {
      clearInterval(timer);
      delay.disable();
    },
  };
}
