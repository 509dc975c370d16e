import { z } from 'zod';
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

/** Made when first asked for: most files have no unknown key. */
let shape: Shape | undefined;

/** The keys that a mapping at this place may have. */
export function knownKeysAt(path: readonly PropertyKey[]): readonly string[] {
  shape ??= configShape();
  let shapes: readonly Shape[] = [shape];
  for (const key of path) {
    shapes = shapes.flatMap(alternatives).flatMap((parent) => childOf(parent, key));
  }
  return shapes.flatMap(alternatives).flatMap(({ properties }) => Object.keys(properties ?? {}));
}

function alternatives(shape: Shape): readonly Shape[] {
  return shape.anyOf ?? [shape];
}

function childOf(shape: Shape, key: PropertyKey): readonly Shape[] {
  const child =
    typeof key === 'string' ? (shape.properties?.[key] ?? shape.additionalProperties) : shape.items;
  return child === undefined || child === false ? [] : [child];
}
