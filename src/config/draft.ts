import { z } from 'zod';
import { type LvsConfig, lvsSchema, type ServiceConfig, serviceSchema } from './lvs-schema.ts';
import {
  configSchema,
  type FloatingConfig,
  floatingSchema,
  heartbeatSchema,
  type LinkConfig,
  linkSchema,
  nodeName,
  type PathConfig,
  pathSchema,
  type PerNode,
  type ScriptConfig,
  scriptSchema,
} from './schema.ts';
import { type Timers, timersFrom } from './timers.ts';

/**
 * What can be used of a file that may be wrong: every part that is right by itself. So the rules that join
 * parts report their problems together with those of single fields, and not only once these are mended.
 */
export interface Draft {
  readonly nodeNames: readonly string[];
  readonly timers: Timers | undefined;
  readonly group: string | undefined;
  readonly addressLifetimeMs: number | undefined;
  readonly links: readonly Entry<LinkConfig>[];
  readonly floating: readonly Entry<FloatingConfig>[];
  readonly paths: readonly Entry<PathConfig>[];
  readonly scripts: readonly Entry<ScriptConfig>[];
  readonly lvs: LvsDraft;
  readonly listen: PerNode | undefined;
}

export interface LvsDraft {
  readonly mode: LvsConfig['mode'] | undefined;
  readonly services: readonly Entry<ServiceConfig>[];
  /** There is no service, not even a wrong one. */
  readonly isEmpty: boolean;
  /** Of all services, wrong ones included. */
  readonly serverCount: number;
  readonly syncInterface: PerNode | undefined;
  /** Where the checks of all services come from. */
  readonly checkSource: PerNode | undefined;
}

/** An element of a list of the file, and where it stands there. */
export interface Entry<Value> {
  readonly index: number;
  readonly value: Value;
}

/** Where in the file, and what is wrong there. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  /** Begins with a verb, for it follows the value: `must be …`, `is not …`. */
  readonly message: string;
  /** What was probably meant. */
  readonly suggestion?: string | undefined;
  /** The words that are allowed here; one may be close to what is there. */
  readonly choices?: readonly string[];
  /** The complaint is about this key of the mapping at `path`: an unknown one, or one that is missing. */
  readonly key?: { readonly name: string; readonly state: 'unknown' | 'missing' | 'wrong' };
}

const timersSchema = heartbeatSchema.pick({ profile: true, interval: true, lease: true, dead: true }).strip();

const namesSchema = z.record(nodeName, z.unknown());

export function draftOf(raw: unknown): Draft {
  const heartbeat = part(raw, 'heartbeat');
  const timers = take(timersSchema, heartbeat);
  return {
    nodeNames: Object.keys(take(namesSchema, part(raw, 'nodes')) ?? {}),
    timers: timers === undefined ? undefined : timersFrom(timers),
    group: take(heartbeatSchema.shape.group, part(heartbeat, 'group')),
    addressLifetimeMs: take(configSchema.shape.address_lifetime, part(raw, 'address_lifetime')),
    links: takeEach(linkSchema, part(heartbeat, 'links')),
    floating: takeEach(floatingSchema, part(raw, 'floating')),
    paths: takeEach(pathSchema, part(raw, 'paths')),
    scripts: takeEach(scriptSchema, part(raw, 'scripts')),
    lvs: lvsDraft(part(raw, 'lvs')),
    listen: take(configSchema.shape.api, part(raw, 'api'))?.listen,
  };
}

function lvsDraft(raw: unknown): LvsDraft {
  const services = listOf(part(raw, 'services'));
  const check = take(lvsSchema.shape.check, part(raw, 'check'));
  return {
    mode: take(lvsSchema.shape.mode, part(raw, 'mode')),
    services: takeEach(serviceSchema, services),
    isEmpty: services.length === 0,
    serverCount: services.reduce<number>((sum, service) => sum + listOf(part(service, 'servers')).length, 0),
    syncInterface: take(lvsSchema.shape.sync, part(raw, 'sync'))?.interface,
    checkSource: check !== undefined && 'source' in check ? check.source : undefined,
  };
}

/** The value of a node, where there is one. */
export function draftValue(value: PerNode | undefined, nodeName: string): string | undefined {
  return typeof value === 'string' ? value : value?.[nodeName];
}

function take<Schema extends z.ZodType>(schema: Schema, raw: unknown): z.infer<Schema> | undefined {
  const parsed = schema.safeParse(raw);
  return parsed.success ? parsed.data : undefined;
}

function takeEach<Schema extends z.ZodType>(schema: Schema, raw: unknown): Entry<z.infer<Schema>>[] {
  return listOf(raw).flatMap((element, index) => {
    const parsed = schema.safeParse(element);
    return parsed.success ? [{ index, value: parsed.data }] : [];
  });
}

function listOf(raw: unknown): readonly unknown[] {
  return Array.isArray(raw) ? raw : [];
}

function part(raw: unknown, key: string): unknown {
  const parsed = z.record(z.string(), z.unknown()).safeParse(raw);
  return parsed.success ? parsed.data[key] : undefined;
}
