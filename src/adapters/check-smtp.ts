import { type CheckResult, type CheckTarget, type SmtpCheck } from '../core/check.ts';
import { type Attempt, attempt, failed, well } from './check-attempt.ts';
import { readLines } from './check-lines.ts';
import { openStream } from './check-stream.ts';

/** RFC 5321 §4.2: three digits, and a hyphen where more lines of the same reply follow. */
const REPLY = /^([2-5]\d\d)(?:([ -])(.*))?$/;

/** A greeting, an answer to EHLO and one to QUIT, so that nothing is logged there as broken off. */
export function checkSmtp(check: SmtpCheck, target: CheckTarget, signal: AbortSignal): Promise<CheckResult> {
  const { sourceAddress } = check;
  return attempt(check, signal, (made) => {
    openStream(made, { target, sourceAddress }, (socket) => {
      const steps = [
        { expected: '220', after: `EHLO ${check.helo}\r\n` },
        { expected: '250', after: 'QUIT\r\n' },
        { expected: '221', after: undefined },
      ];
      readLines(made, socket, (line) => {
        const code = codeOf(made, line);
        const [step] = steps;
        if (code === undefined || step === undefined) {
          return;
        }
        if (code !== step.expected) {
          made.settle(failed('wrong-status', `answered ${line}`));
        } else if (step.after === undefined) {
          made.settle(well);
        } else {
          steps.shift();
          socket.write(step.after);
        }
      });
    });
  });
}

/** Of a reply's last line; undefined while more follow, and when it is none. */
function codeOf(made: Attempt, line: string): string | undefined {
  const [, code, separator] = REPLY.exec(line) ?? [];
  if (code === undefined) {
    made.settle(failed('wrong-answer', `said "${line}", which is not SMTP`));
  }
  return separator === '-' ? undefined : code;
}
