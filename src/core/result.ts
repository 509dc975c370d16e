/** An expected outcome: a value, or a reason from a closed union that is also metric label and log field. */
export type Result<Value, Reason extends string> =
  { readonly ok: true; readonly value: Value } | Failure<Reason>;

export interface Failure<Reason extends string> {
  readonly ok: false;
  readonly reason: Reason;
  /** What a person needs beyond the reason: the address, the file, the system's own words. */
  readonly detail?: string;
}

export function ok<Value>(value: Value): { readonly ok: true; readonly value: Value } {
  return { ok: true, value };
}

export function fail<Reason extends string>(reason: Reason, detail?: string): Failure<Reason> {
  return detail === undefined ? { ok: false, reason } : { ok: false, reason, detail };
}
