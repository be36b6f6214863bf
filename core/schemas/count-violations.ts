import type pg from 'pg'
import type { Violation } from '../../contract/schema/find-violation.ts'
import { inLock } from '../db/in-transaction.ts'
import { LOCKS } from '../db/locks.ts'

/** An event that was stored although it violates a schema. */
export interface ObservedViolation extends Violation {
  tenantId: number
  name: string
  version: number
  receivedMs: number
  keyId: string | null
}

/**
 * Counts violations of schemas in the mode observe; as what is learned, an estimate that a killed worker loses a few
 * seconds of (learn-shapes.ts).
 */
export interface ViolationCounts {
  add(violation: ObservedViolation): void
  flush(): Promise<void>
}

interface Count {
  tenantId: number
  name: string
  version: number
  pointer: string
  detail: string
  events: number
  firstMs: number
  lastMs: number
  firstKey: string | null
}

const HELD_MAX = 1_000
/** Of a version of a schema. */
const ROWS_MAX = 50

export function createViolationCounts(pool: pg.Pool): ViolationCounts {
  let held = new Map<string, Count>()
  return {
    add({ tenantId, name, version, pointer: exact, detail, receivedMs, keyId }) {
      // Names in schemas may hold what Postgres stores in no text, and the end may cut a pair of code units.
      const pointer = exact
        .replace(/\/\d+(?=\/|$)/g, '/[]')
        .replaceAll('\0', '')
        .slice(0, 256)
        .toWellFormed()
      const key = JSON.stringify([tenantId, name, version, pointer, detail])
      const known = held.get(key)
      if (known) {
        known.events++
        known.lastMs = Math.max(known.lastMs, receivedMs)
      } else if (held.size < HELD_MAX)
        held.set(key, {
          ...{ tenantId, name, version, pointer, detail, events: 1 },
          ...{ firstMs: receivedMs, lastMs: receivedMs, firstKey: keyId },
        })
    },
    async flush() {
      if (held.size === 0) return
      const counts = [...held.values()]
      held = new Map()
      await inLock(pool, LOCKS.eventShapes.key, async (client) => {
        await client.query(ADD, [JSON.stringify(counts), ROWS_MAX])
      })
    },
  }
}

const at = (column: string) => `to_timestamp("${column}" / 1000.0)`

/** $1: counts as JSON, $2: how many rows a version has at most. */
const ADD = `
WITH sent AS (
  SELECT x.*,
         EXISTS (SELECT FROM event_schema_violation v WHERE (v.tenant_id, v.name, v.version, v.pointer, v.detail)
                      = (x."tenantId", x.name, x.version, x.pointer, x.detail)) AS is_known,
         (SELECT count(*) FROM event_schema_violation v
           WHERE (v.tenant_id, v.name, v.version) = (x."tenantId", x.name, x.version)) AS known
    FROM jsonb_to_recordset($1::jsonb) x ("tenantId" int, name text, version int, pointer text, detail text, events bigint,
         "firstMs" float8, "lastMs" float8, "firstKey" uuid)
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY "tenantId", name, version, is_known ORDER BY events DESC, pointer) AS rank FROM sent
)
INSERT INTO event_schema_violation AS v
       (tenant_id, name, version, pointer, detail, events, first_at, last_at, first_key)
SELECT "tenantId", name, version, pointer, detail, events, ${at('firstMs')}, ${at('lastMs')}, "firstKey"
  FROM ranked WHERE is_known OR known + rank <= $2 ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (tenant_id, name, version, pointer, detail) DO UPDATE
   SET events = v.events + EXCLUDED.events, last_at = greatest(v.last_at, EXCLUDED.last_at)`
