import type { KeyRecord } from '../../contract/api-key.ts'
import type { TrackedEvent } from '../../contract/event/event.ts'
import type { FieldError } from '../../contract/event/normalise.ts'
import { compileSchemaText, type SchemaNode } from '../../contract/schema/compile-schema.ts'
import { findViolation } from '../../contract/schema/find-violation.ts'

type Schemas = ReadonlyMap<string, { version: number; schema: SchemaNode }>

/** As long as the record of the key is cached. */
const compiled = new WeakMap<object, Schemas>()

/** Whether the event violates a schema that is pinned for its name in the mode reject; the worker finds the others. */
export function findSchemaError(
  { event_schemas }: KeyRecord,
  { name, properties }: TrackedEvent,
): FieldError | undefined {
  if (!event_schemas) return undefined
  const schemas = compiled.get(event_schemas) ?? compileAll(event_schemas)
  const pinned = schemas.get(name)
  const violation = pinned && findViolation(pinned.schema, properties)
  if (!violation) return undefined
  return {
    pointer: violation.pointer,
    code: 'SCHEMA_VIOLATION',
    detail: `${violation.detail} (version ${pinned.version} of the schema)`,
  }
}

/** One that this edge cannot read, of a newer core, is left to the worker. */
function compileAll(all: NonNullable<KeyRecord['event_schemas']>): Schemas {
  const schemas = new Map<string, { version: number; schema: SchemaNode }>()
  for (const { name, version, schema } of all) {
    const read = compileSchemaText(schema)
    if (read.ok) schemas.set(name, { version, schema: read.schema })
  }
  compiled.set(all, schemas)
  return schemas
}
