import { type ApiError } from './contract.ts';

/** A refused request: its HTTP status and what the client is told. */
export interface ApiRefusal extends ApiError {
  readonly code: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Served<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly refusal: ApiRefusal };

export function served<Value>(value: Value): Served<Value> {
  return { ok: true, value };
}

export function refused(
  code: number,
  reason: string,
  error: string,
  remedy: string,
): {
  readonly ok: false;
  readonly refusal: ApiRefusal;
} {
  return { ok: false, refusal: { code, reason, error, remedy } };
}
