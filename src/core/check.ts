/** What a check of a real server found. The adapters look, the core weighs what they saw (`hysteresis.ts`). */

/** Why a check failed: metric label and log field. */
export const checkFailures = [
  'refused',
  'timeout',
  'unreachable',
  'closed',
  'wrong-status',
  'wrong-answer',
  'not-serving',
  'tls',
  'certificate',
  'exit-code',
  /** The check itself could not be made: a missing program or privilege. Says nothing about the real server. */
  'cannot-check',
] as const;
export type CheckFailure = (typeof checkFailures)[number];

export type CheckResult =
  | {
      readonly ok: true;
      readonly durationMs: number;
      /** How long the certificate that was shown is valid yet, in days; only where there is one. */
      readonly certificateDays?: number;
    }
  | {
      readonly ok: false;
      readonly durationMs: number;
      readonly reason: CheckFailure;
      /** For a person: the status that came, the system's own words. Never more than 200 characters. */
      readonly detail: string;
      readonly certificateDays?: number;
    };
