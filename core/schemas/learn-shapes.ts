import type pg from 'pg'
import { inLock } from '../db/in-transaction.ts'
import { LOCKS } from '../db/locks.ts'
import { createEventShape, type EventShape, type SampledEvent } from './event-shape.ts'
import { SHAPE_LIMITS } from './shape-limits.ts'

/**
 * Learns what events of each name look like, from at most `sampledPerBatchMax` events of a batch, after it was written. In
 * memory first, added to Postgres every few seconds outside of any batch. An estimate, and nothing that counts events: a
 * worker that is killed loses what it learned since the last flush and nothing else, and so does a flush that fails.
 */
export interface ShapeLearner {
  /** @param length of the batch @param eventAt undefined where the record is no event */
  sample(length: number, eventAt: (index: number) => SampledEvent | undefined): void
  /** Adds what was learned since the last time. */
  flush(): Promise<void>
}

const FORGET_EVERY_MS = 3_600_000

export function createShapeLearner(pool: pg.Pool): ShapeLearner {
  let held = new Map<string, EventShape>()
  let budget = { left: SHAPE_LIMITS.heldPathsMax }
  let forgetAtMs = 0

  function shapeOf({ tenantId, name }: SampledEvent): EventShape | undefined {
    const key = `${tenantId} ${name}`
    const known = held.get(key)
    if (known || held.size >= SHAPE_LIMITS.heldNamesMax) return known
    const shape = createEventShape(tenantId, name, budget)
    held.set(key, shape)
    return shape
  }

  return {
    sample(length, eventAt) {
      const step = Math.max(1, length / SHAPE_LIMITS.sampledPerBatchMax)
      for (let at = Math.random() * step; at < length; at += step) {
        const event = eventAt(Math.floor(at))
        if (event) shapeOf(event)?.add(event)
      }
    },
    async flush() {
      const shapes = [...held.values()]
      held = new Map()
      budget = { left: SHAPE_LIMITS.heldPathsMax }
      const forgets = performance.now() >= forgetAtMs
      if (shapes.length === 0 && !forgets) return
      await inLock(pool, LOCKS.eventShapes.key, async (client) => {
        if (forgets) await client.query(FORGET)
        await client.query(ADD_SHAPES, [
          JSON.stringify(shapes.map(toRow)),
          SHAPE_LIMITS.namesPerTenantMax,
        ])
        await client.query(ADD_PATHS, [
          JSON.stringify(shapes.flatMap(toPaths)),
          SHAPE_LIMITS.pathsPerNameMax,
          SHAPE_LIMITS.fewMax + 1,
        ])
      })
      if (forgets) forgetAtMs = performance.now() + FORGET_EVERY_MS
    },
  }
}

function toRow({ tenantId, name, events, firstMs, lastMs }: EventShape) {
  return { tenantId, name, events, firstMs, lastMs }
}

function toPaths({ tenantId, name, events: sampled, types }: EventShape) {
  return types().map((type) => ({ tenantId, name, sampled, ...type }))
}

const FORGET = `
WITH violations AS (
  DELETE FROM event_schema_violation WHERE last_at < now() - interval '${SHAPE_LIMITS.keptDays} days'
), paths AS (
  DELETE FROM event_shape_path WHERE last_at < now() - interval '${SHAPE_LIMITS.keptDays} days'
)
DELETE FROM event_shape WHERE last_at < now() - interval '${SHAPE_LIMITS.keptDays} days'`

const at = (column: string) => `to_timestamp(x."${column}" / 1000.0)`

/** $1: shapes as JSON, $2: how many names a tenant has at most. */
const ADD_SHAPES = `
WITH sent AS (
  SELECT x."tenantId" AS tenant_id, x.name, x.events, ${at('firstMs')} AS first_at, ${at('lastMs')} AS last_at, known.names,
         EXISTS (SELECT FROM event_shape s WHERE (s.tenant_id, s.name) = (x."tenantId", x.name)) AS is_known
    FROM jsonb_to_recordset($1::jsonb) x ("tenantId" int, name text, events bigint, "firstMs" float8, "lastMs" float8)
   CROSS JOIN LATERAL (SELECT count(*) AS names FROM event_shape s WHERE s.tenant_id = x."tenantId") known
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY tenant_id, is_known ORDER BY events DESC, name) AS rank FROM sent
)
INSERT INTO event_shape AS s (tenant_id, name, events, first_at, last_at)
SELECT tenant_id, name, events, first_at, last_at FROM ranked WHERE is_known OR names + rank <= $2
 ORDER BY tenant_id, name
ON CONFLICT (tenant_id, name) DO UPDATE
   SET events = s.events + EXCLUDED.events, first_at = least(s.first_at, EXCLUDED.first_at),
       last_at = greatest(s.last_at, EXCLUDED.last_at)`

/**
 * After ADD_SHAPES, so that samples are numbered over all flushes of all workers. $1: paths as JSON, $2: how many rows a
 * name has at most, $3: how many hashes are kept.
 */
const ADD_PATHS = `
WITH sent AS (
  SELECT x.*, s.events - x.sampled AS before,
         EXISTS (SELECT FROM event_shape_path p
                  WHERE (p.tenant_id, p.name, p.path, p.type) = (x."tenantId", x.name, x.path, x.type)) AS is_known
    FROM jsonb_to_recordset($1::jsonb) x ("tenantId" int, name text, sampled bigint, path text, type text, events bigint,
         "firstMs" float8, "lastMs" float8, "firstKey" uuid, "firstSample" bigint, "lastSample" bigint, hashes int[])
    JOIN event_shape s ON (s.tenant_id, s.name) = (x."tenantId", x.name)
), known AS (
  SELECT p.tenant_id, p.name, count(*) AS paths FROM event_shape_path p
   WHERE (p.tenant_id, p.name) IN (SELECT "tenantId", name FROM sent) GROUP BY 1, 2
), ranked AS (
  SELECT sent.*, coalesce(known.paths, 0) AS paths,
         row_number() OVER (PARTITION BY "tenantId", sent.name, is_known ORDER BY sent.events DESC, path, type) AS rank
    FROM sent LEFT JOIN known ON (known.tenant_id, known.name) = ("tenantId", sent.name)
)
INSERT INTO event_shape_path AS p
       (tenant_id, name, path, type, events, first_at, last_at, first_key, first_sample, last_sample, hashes)
SELECT "tenantId", name, path, type, events, ${at('firstMs')}, ${at('lastMs')}, "firstKey",
       before + "firstSample", before + "lastSample", hashes
  FROM ranked x WHERE is_known OR paths + rank <= $2
 ORDER BY "tenantId", name, path, type
ON CONFLICT (tenant_id, name, path, type) DO UPDATE
   SET events = p.events + EXCLUDED.events, last_at = greatest(p.last_at, EXCLUDED.last_at),
       first_at = least(p.first_at, EXCLUDED.first_at),
       last_sample = greatest(p.last_sample, EXCLUDED.last_sample),
       hashes = CASE WHEN p.hashes @> EXCLUDED.hashes OR cardinality(p.hashes) >= $3 THEN p.hashes
                     ELSE ARRAY(SELECT DISTINCT h FROM unnest(p.hashes || EXCLUDED.hashes) h LIMIT $3) END`
