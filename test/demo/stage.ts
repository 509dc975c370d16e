import colors from 'picocolors';

/** Where the demo is shown: a terminal with colours and a progress line, or plain text of 80 columns. */
export interface Stage {
  readonly line: (text?: string) => void;
  /** What goes on, until `done` is called: one line that redraws itself, or one that is printed once. */
  readonly progress: (text: string) => { done: () => void };
  readonly paint: typeof colors;
}

export function openStage(out: NodeJS.WriteStream): Stage {
  let current: { text: string; readonly startedAtMs: number } | undefined;
  let turn = 0;
  const erase = () => {
    if (out.isTTY && current !== undefined) {
      out.write('\r\x1b[2K');
    }
  };
  const draw = () => {
    if (out.isTTY && current !== undefined) {
      const seconds = ((performance.now() - current.startedAtMs) / 1000).toFixed(1);
      const spinner = SPINNER[turn % SPINNER.length] ?? '';
      turn += 1;
      out.write(`\r\x1b[2K  ${colors.cyan(spinner)} ${current.text} ${colors.dim(`${seconds} s`)}`);
    }
  };
  const line = (text = '') => {
    erase();
    out.write(`${text}\n`);
    draw();
  };
  return {
    paint: colors,
    line,
    progress: (text) => {
      const mine = { text, startedAtMs: performance.now() };
      if (!out.isTTY) {
        line(`  ... ${text}`);
        return { done: () => undefined };
      }
      current = mine;
      draw();
      const timer = setInterval(draw, 100);
      timer.unref();
      return {
        done: () => {
          clearInterval(timer);
          erase();
          current = undefined;
        },
      };
    },
  };
}

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
