import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { ENRICHMENT_PREFIX, enrichmentRowsSql } from '../../metrics/enrichment.ts'
import type { Instant } from '../instant.ts'
import { QUERY_LIMITS } from '../limits.ts'
import { parseNames } from '../metrics/metrics-args.ts'
import type { QueryResult, ResultInfo } from '../query-result.ts'
import { checkRange, type Range } from '../sql/buckets.ts'
import { type DayWindow, dayWindows, windowsWithin } from '../sql/day-windows.ts'
import { firstDayReceived, inSnapshot, whereOccurred } from '../sql/days-received.ts'
import { COLUMN_DIMENSIONS } from '../sql/dimensions.ts'
import { type Names, resolveNames, whereNames } from '../sql/names.ts'
import { readResultInfo } from '../sql/result-info.ts'

export interface EventPropertiesInput {
  /** `*`: all names. */
  name: string
  startTime: Instant
  endTime: Instant
}

export interface EventProperty {
  /** As groupBy, filter and dimension take it. */
  path: string
  /** Types of JSON that its values have. */
  types: string[]
  /** Events of the sample that have it, and their share of the sample. */
  count: number
  share: number
}

/** The rows are the paths, the most frequent first. */
export interface EventPropertiesResult extends QueryResult<EventProperty> {
  /** Events that were looked at. */
  sampled: number
  info: ResultInfo
}

/**
 * Which properties events have, by their newest ones in the range: how many are looked at is limited, so the shares are
 * rough and rare properties may be missing.
 * @throws BAD_USER_INPUT that names the argument
 */
export async function eventProperties(
  db: Database,
  viewer: TenantViewer,
  { name, startTime, endTime }: EventPropertiesInput,
): Promise<EventPropertiesResult> {
  const range = { start: startTime, end: endTime }
  checkRange(range)
  const only = parseNames(name, [])
  return inSnapshot(db, async (db) => {
    const names = await resolveNames(db, viewer, only)
    const found = new Map<string, { count: number; types: Set<string> }>()
    let sampled = 0
    const windows = windowsWithin(await dayWindows(db), { first: firstDayReceived(range.start) })
    for (const window of windows) {
      const left = QUERY_LIMITS.sampleEventsMax - sampled
      if (left <= 0) break
      const sample = await readSample(db, viewer, names, { range, window, left })
      sampled += sample.events
      for (const { path, types, count } of sample.paths) {
        const known = found.get(path) ?? { count: 0, types: new Set() }
        found.set(path, known)
        known.count += count
        for (const type of types) known.types.add(type)
      }
    }
    const info = await readResultInfo(db, viewer, {
      kind: 'eventProperties',
      args: [],
      names: only,
      range,
      source: 'raw',
    })
    return {
      rows: toRows(found, sampled),
      sampled,
      source: 'raw',
      dependencies: [{ viewer, range, interval: 'TOTAL', final: info.final }],
      info,
    }
  })
}

function toRows(
  found: ReadonlyMap<string, { count: number; types: ReadonlySet<string> }>,
  sampled: number,
): EventProperty[] {
  return [...found]
    .map(([path, { count, types }]) => {
      return { path, types: [...types].sort(), count, share: count / sampled }
    })
    .sort((a, b) => b.count - a.count || (a.path < b.path ? -1 : 1))
    .slice(0, QUERY_LIMITS.pathsMax)
}

interface PathRow {
  path: string
  types: string[]
  count: number
}

interface SampleArgs {
  range: Range
  window: DayWindow
  left: number
}

/**
 * The newest events received in a window of days. Only what a dimension can name is listed: no key with a dot below the
 * first level, none that is empty or too long. An object is not listed but its members are, as deep as is looked.
 */
async function readSample(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  { range, window, left }: SampleArgs,
): Promise<{ events: number; paths: PathRow[] }> {
  const { sampleBytesMax, sampleDepthMax, dimensionCharsMax, pathsMax } = QUERY_LIMITS
  // What the name alone would not be read as.
  const isHidden = sql`path = ANY (${COLUMN_DIMENSIONS}::text[]) OR starts_with(path, 'properties.')
                       OR starts_with(path, ${ENRICHMENT_PREFIX})`
  const { rows } = await sql<PathRow & { events: number }>`
    WITH RECURSIVE newest AS MATERIALIZED (
      SELECT e.event_id, e.received_at, e.source, e.actor, e.session, e.properties, e.enrichment FROM event e
       WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range, window)}
       ORDER BY e.received_at DESC, e.event_id LIMIT ${left}),
    measured AS (
      SELECT *, sum(pg_column_size(properties)) OVER (ORDER BY received_at DESC, event_id) AS bytes FROM newest),
    sample AS MATERIALIZED (
      SELECT * FROM measured WHERE bytes - pg_column_size(properties) <= ${sampleBytesMax}),
    member AS (
      SELECT s.event_id, p.key AS path, p.value, 1 AS depth FROM sample s, jsonb_each(s.properties) p
       WHERE p.key <> '' AND p.key !~ '(^\\.|\\.\\.|\\.$)'
      UNION ALL
      SELECT m.event_id, m.path || '.' || p.key, p.value, m.depth + 1
        FROM member m, jsonb_each(CASE jsonb_typeof(m.value) WHEN 'object' THEN m.value ELSE '{}' END) p
       WHERE m.depth < ${sampleDepthMax} AND p.key <> '' AND strpos(p.key, '.') = 0),
    leaf AS (
      SELECT event_id, CASE WHEN ${isHidden} THEN 'properties.' || path ELSE path END AS path,
             jsonb_typeof(value) AS type FROM member
       WHERE value <> 'null' AND length(path) <= ${dimensionCharsMax - 'properties.'.length}
         AND (jsonb_typeof(value) <> 'object' OR value = '{}' OR depth = ${sampleDepthMax})
      UNION ALL
      SELECT s.event_id, c.path, 'string' FROM sample s,
             (VALUES ('source'), ('actor'), ('session')) AS c (path)
       WHERE CASE c.path WHEN 'source' THEN s.source WHEN 'actor' THEN s.actor ELSE s.session END IS NOT NULL
      UNION ALL
      SELECT s.event_id, ${ENRICHMENT_PREFIX} || f.field, CASE f.field WHEN 'is_bot' THEN 'boolean' ELSE 'string' END
        FROM sample s, ${sql.raw(enrichmentRowsSql('s.enrichment'))} AS f (field, value) WHERE f.value IS NOT NULL)
    SELECT t.events, l.path, l.types, l.count
      FROM (SELECT count(*) AS events FROM sample) t
      LEFT JOIN (SELECT path, array_agg(DISTINCT type) AS types, count(DISTINCT event_id) AS count
                   FROM leaf GROUP BY path ORDER BY 3 DESC, path LIMIT ${pathsMax}) l ON true`.execute(
    db,
  )
  return { events: rows[0]?.events ?? 0, paths: rows.filter(({ path }) => path !== null) }
}
