import { z } from 'zod';
import { type StepRecord } from '../core/record.ts';
import { type Role, type Why } from '../core/state.ts';
import { type Status } from '../observe/status.ts';

export type { Services, ServerStatus, ServiceStatus } from '../observe/services.ts';
export type { LinkStatus, Status } from '../observe/status.ts';

/** What server, command line and page say to each other, as JSON over HTTP. */

export const routes = [
  'GET /',
  'GET /status',
  'GET /services',
  'GET /events?limit=N&since=ID&roles=true',
  'GET /events/stream',
  'GET /metrics',
  'GET /healthz',
  'POST /failover {"to"?: NODE, "force"?: BOOLEAN, "timeoutMs"?: N}',
  'POST /drain {"server": "ADDRESS[:PORT]", "on": BOOLEAN, "service"?: SERVICE}',
  'POST /maintenance {"on": BOOLEAN, "force"?: BOOLEAN, "timeoutMs"?: N}',
] as const;

const timeoutMs = z.int().min(100).max(60_000).default(5000);

export const failoverRequest = z.strictObject({
  /** The node that shall hold the addresses; whichever does not hold them when undefined. */
  to: z.string().max(63).optional(),
  force: z.boolean().default(false),
  timeoutMs,
});
export type FailoverRequest = z.input<typeof failoverRequest>;

export const maintenanceRequest = z.strictObject({
  on: z.boolean(),
  force: z.boolean().default(false),
  timeoutMs,
});
export type MaintenanceRequest = z.input<typeof maintenanceRequest>;

/** A real server shall take no new connections, or may again. */
export const drainRequest = z.strictObject({
  /** `10.99.0.11:80`, `[2001:db8::11]:80`, or an address for all its ports. */
  server: z.string().max(64),
  /** A virtual service by its name or key; all when undefined. */
  service: z.string().max(80).optional(),
  on: z.boolean(),
});
export type DrainRequest = z.input<typeof drainRequest>;

/** What became of a drain. */
export interface DrainReport {
  readonly changed: boolean;
  readonly message: string;
}

export const eventsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  since: z.coerce.number().int().min(0).default(0),
  /** Only changes of role. */
  roles: z.stringbool().default(false),
});
export type EventsQuery = z.output<typeof eventsQuery>;

/** One notable step, oldest first in lists. */
export interface EventView {
  /** Rises; `since` and Last-Event-ID name it. */
  readonly id: number;
  /** ISO 8601. */
  readonly at: string;
  readonly node: string;
  readonly kind: StepRecord['event']['kind'];
  readonly sentence: string;
  readonly from: Role;
  readonly to: Role;
  readonly term: number;
  readonly reason: Why;
  /** The whole step, enough to make it again. */
  readonly record: StepRecord;
}

/** What became of a command that was carried out, or was so already. */
export interface CommandReport {
  readonly changed: boolean;
  readonly message: string;
  /** From the request to the outcome. */
  readonly tookMs: number;
  /** The status after it; null if the pulse did not say in time. */
  readonly status: Status | null;
}

/** Every refusal: a sentence, a word that does not change, and what to do. */
export interface ApiError {
  readonly error: string;
  readonly reason: string;
  readonly remedy: string;
}

export const apiErrorSchema: z.ZodType<ApiError> = z.looseObject({
  error: z.string(),
  reason: z.string(),
  remedy: z.string(),
});
