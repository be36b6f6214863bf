import { compileSchemaText, type SchemaNode } from '../../contract/schema/compile-schema.ts'

export const SCHEMA_MODES = ['observe', 'dead-letter', 'reject'] as const
/**
 * What becomes of an event that violates its schema: it is stored and counted as a violation; it becomes a dead letter;
 * or the edge refuses it.
 */
export type SchemaMode = (typeof SCHEMA_MODES)[number]

/** The version of a schema that is in force. */
export interface PinnedSchema {
  version: number
  mode: SchemaMode
  schema: SchemaNode
}

type Execute = (text: string, values: unknown[]) => Promise<{ rows: Record<string, unknown>[] }>

/** By tenant and name of events. A document that this version cannot read, of a newer one, is left out. */
export async function readPinnedSchemas(
  execute: Execute,
  tenantIds: readonly number[],
): Promise<Map<number, Map<string, PinnedSchema>>> {
  const { rows } = await execute(
    `SELECT tenant_id, name, version, mode, document FROM event_schema
      WHERE tenant_id = ANY ($1) AND retired_at IS NULL`,
    [tenantIds],
  )
  const found = new Map<number, Map<string, PinnedSchema>>()
  for (const row of rows) {
    const compiled = compileSchemaText(row.document as string)
    if (!compiled.ok) continue
    const ofTenant = found.get(row.tenant_id as number) ?? new Map<string, PinnedSchema>()
    found.set(row.tenant_id as number, ofTenant)
    ofTenant.set(row.name as string, {
      version: row.version as number,
      mode: row.mode as SchemaMode,
      schema: compiled.schema,
    })
  }
  return found
}
