import { z } from 'zod';
import { checkSchema } from './check-schema.ts';
import { configSchema } from './schema.ts';

/**
 * The schema as plain JSON Schema, which is easier to walk: for editors, for the table in the README, and
 * for the keys that are known at a place.
 */
export interface Shape {
  readonly type?: string;
  readonly description?: string;
  readonly example?: string | number;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Shape | false;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  /** Told apart by a key that is constant in each. */
  readonly oneOf?: readonly Shape[];
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** JSON Schema of the configuration file as it is written, defaults and descriptions included. */
export function configShape(): Shape {
  return { title: 'vipair configuration', ...z.toJSONSchema(configSchema, { io: 'input' }) } as Shape;
}

/** Each kind of check as a mapping, in the order of `checkKinds`. */
export function checkShapes(): readonly Shape[] {
  return alternatives(shapeOf(checkSchema)).filter(({ properties }) => properties !== undefined);
}

/** Made when first asked for: most files have no unknown key. */
const shapes = new WeakMap<z.ZodType, Shape>();

function shapeOf(schema: z.ZodType): Shape {
  const known = shapes.get(schema);
  if (known !== undefined) {
    return known;
  }
  const made = z.toJSONSchema(schema, { io: 'input' }) as Shape;
  shapes.set(schema, made);
  return made;
}

/** The mappings that a file may have at a place, by the value of the key that tells them apart. */
export interface Mapping {
  readonly keys: readonly string[];
  /** `{ kind: 'http' }`; empty where there is one mapping only. */
  readonly constants: Readonly<Record<string, string>>;
}

export function mappingsAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly Mapping[] {
  let found: readonly Shape[] = [shapeOf(schema)];
  for (const key of path) {
    found = found.flatMap(alternatives).flatMap((parent) => childOf(parent, key));
  }
  return found
    .flatMap(alternatives)
    .flatMap(({ properties }) =>
      properties === undefined ? [] : [{ keys: Object.keys(properties), constants: constantsOf(properties) }],
    );
}

function constantsOf(properties: Readonly<Record<string, Shape>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(properties).flatMap(([key, shape]) =>
      shape.const === undefined ? [] : [[key, shape.const]],
    ),
  );
}

function alternatives(shape: Shape): readonly Shape[] {
  return (shape.anyOf ?? shape.oneOf)?.flatMap(alternatives) ?? [shape];
}

function childOf(shape: Shape, key: PropertyKey): readonly Shape[] {
  const child =
    typeof key === 'string' ? (shape.properties?.[key] ?? shape.additionalProperties) : shape.items;
  return child === undefined || child === false ? [] : [child];
}
