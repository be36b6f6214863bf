import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { checkText } from '../../lib/check-text.ts'
import { SHAPE_TYPES, type ShapeType } from '../../schemas/event-shape.ts'
import { generateSchema } from '../../schemas/generate-schema.ts'
import type { PinnedVersion } from '../../schemas/pin-schema.ts'
import { SHAPE_LIMITS } from '../../schemas/shape-limits.ts'
import type { Instant } from '../instant.ts'
import type { QueryResult } from '../query-result.ts'
import { checkLimit } from '../sql/search.ts'

/** What was learned about events of a name. */
export interface EventSchema {
  name: string
  /** How many events were sampled. */
  sampled: number
  /** Null: none was. */
  firstAt: Instant | null
  lastAt: Instant | null
  /** How many paths are known. */
  paths: number
  /** The schema that is pinned for events of this name. */
  pinned: PinnedVersion | null
}

export interface EventSchemasArgs {
  limit?: number | null
  /** The last name of the page before. */
  after?: string | null
}

export interface EventSchemasResult extends QueryResult<EventSchema> {
  hasMore: boolean
}

/** Names whose events were sampled, or whose schema is pinned, in alphabetical order. @throws BAD_USER_INPUT that names the argument */
export async function eventSchemas(
  db: Database,
  { tenantId }: TenantViewer,
  { limit, after }: EventSchemasArgs,
): Promise<EventSchemasResult> {
  const size = checkLimit(limit)
  const from = after == null ? null : checkText('after', after)
  const { rows } = await sql<EventSchema>`
    ${schemasOf(tenantId)} WHERE ${from}::text IS NULL OR n.name COLLATE "C" > ${from}
     ORDER BY n.name COLLATE "C" LIMIT ${size + 1}`.execute(db)
  return {
    rows: rows.slice(0, size),
    hasMore: rows.length > size,
    source: 'raw',
    dependencies: null,
  }
}

const schemasOf = (tenantId: number) => sql`
  SELECT n.name, coalesce(s.events, 0) AS sampled, s.first_at AS "firstAt", s.last_at AS "lastAt",
         (SELECT count(DISTINCT p.path) FROM event_shape_path p WHERE (p.tenant_id, p.name) = (s.tenant_id, s.name)) AS paths,
         CASE WHEN e.version IS NOT NULL THEN json_build_object('version', e.version, 'mode', e.mode) END AS pinned
    FROM (SELECT name FROM event_shape WHERE tenant_id = ${tenantId}
           UNION SELECT name FROM event_schema WHERE tenant_id = ${tenantId} AND retired_at IS NULL) n
    LEFT JOIN event_shape s ON s.tenant_id = ${tenantId} AND s.name = n.name
    LEFT JOIN event_schema e ON e.tenant_id = ${tenantId} AND e.name = n.name AND e.retired_at IS NULL`

export const CARDINALITIES = ['ONE', 'FEW', 'MANY'] as const

export interface EventProperty {
  /** A JSON pointer into the properties; "[]" stands for the items of an array. */
  path: string
  /** In which share of the sampled events it was, from 0 to 1. */
  presence: number
  types: { type: ShapeType; share: number }[]
  /** How many different values were seen; null: it is an object or an array. */
  cardinality: (typeof CARDINALITIES)[number] | null
  firstAt: Instant
  lastAt: Instant
}

export interface EventSchemaDetails {
  schema: EventSchema
  properties: EventProperty[]
  /** The pinned schema, as JSON. */
  document: string | null
  /** A schema of what was learned, as JSON; null where no event was sampled. */
  generated: string | null
}

/** What was learned about events of this name, and its schema: one row, or none where it has neither. */
export async function eventSchema(
  db: Database,
  { tenantId }: TenantViewer,
  args: { name: string },
): Promise<QueryResult<EventSchemaDetails>> {
  const name = checkText('name', args.name)
  const found = await sql<EventSchema>`${schemasOf(tenantId)} WHERE n.name = ${name}`.execute(db)
  const pinned = await db
    .selectFrom('event_schema')
    .select('document')
    .where('tenant_id', '=', tenantId)
    .where('name', '=', name)
    .where('retired_at', 'is', null)
    .executeTakeFirst()
  const { rows } = await sql<PathRow>`
    SELECT path, type, events, first_at AS "firstAt", last_at AS "lastAt", hashes FROM event_shape_path
     WHERE tenant_id = ${tenantId} AND name = ${name}
     ORDER BY path COLLATE "C", events DESC, type`.execute(db)
  const byPath = Object.values(Object.groupBy(rows, ({ path }) => path)) as PathRow[][]
  return {
    rows: found.rows.map((schema) => {
      const properties = byPath.map((types) => toProperty(types, schema.sampled))
      const generated = schema.sampled > 0 ? generateSchema(properties) : null
      return { schema, properties, document: pinned?.document ?? null, generated }
    }),
    source: 'raw',
    dependencies: null,
  }
}

interface PathRow {
  path: string
  type: ShapeType
  events: number
  firstAt: Instant
  lastAt: Instant
  hashes: number[]
}

function toProperty(rows: readonly PathRow[], sampled: number): EventProperty {
  const events = rows.reduce((sum, row) => sum + row.events, 0)
  const values = new Set(rows.flatMap(({ hashes }) => hashes)).size
  const times = (of: (row: PathRow) => Instant) => rows.map(of).sort()
  return {
    path: (rows[0] as PathRow).path,
    // Items of an array may have several types in one event.
    presence: Math.min(1, events / sampled),
    types: rows
      .filter(({ type }) => SHAPE_TYPES.includes(type))
      .map((row) => ({ type: row.type, share: row.events / events })),
    cardinality:
      values === 0 ? null : values === 1 ? 'ONE' : values <= SHAPE_LIMITS.fewMax ? 'FEW' : 'MANY',
    firstAt: times((row) => row.firstAt)[0] as Instant,
    lastAt: times((row) => row.lastAt).at(-1) as Instant,
  }
}
