import { z } from 'zod';

/** What the program beside the kernel tells the test runner: one JSON object a line on standard output. */
const reportSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('case'),
    name: z.string(),
    outcome: z.enum(['passed', 'failed', 'skipped']),
    tookMs: z.number(),
    /** What was measured, each name with its unit. */
    measured: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
    /** The error with its stack and the logs, or why it was skipped. */
    detail: z.string(),
  }),
  /** The stage could not be set: no case will follow. */
  z.object({ kind: z.literal('trouble'), detail: z.string() }),
  z.object({ kind: z.literal('opened'), tookMs: z.number() }),
]);

export type Report = Readonly<z.output<typeof reportSchema>>;
export type CaseReport = Extract<Report, { kind: 'case' }>;
export type Measured = Readonly<Record<string, number | string | boolean>>;

export function formatReport(report: Report): string {
  return JSON.stringify(report);
}

/** Undefined for a line that is none of ours: a program may have printed to the same place. */
export function parseReport(line: string): Report | undefined {
  try {
    return reportSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** `silence 231 ms, lost 0`: `silenceMs: 231, lost: 0` for people. */
export function formatMeasured(measured: Measured): string {
  return Object.entries(measured)
    .map(([name, value]) => {
      const [, words = name, unit = ''] = /^(.*?)(Ms|Seconds)?$/.exec(name) ?? [];
      const spaced = words.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
      const shown = typeof value === 'number' ? String(Math.round(value * 100) / 100) : String(value);
      return [spaced, shown, { Ms: 'ms', Seconds: 's' }[unit]].filter(Boolean).join(' ');
    })
    .join(', ');
}
