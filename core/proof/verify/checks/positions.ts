import type pg from 'pg'
import { LIMITS } from '../../../../contract/limits.ts'
import { TOPICS } from '../../../../contract/log/topics.ts'
import { DAY_MS } from '../../../db/day-partitions.ts'
import { WATERMARK_STEP_MS } from '../../../db/watermark.ts'
import { addDifference, emptyResult, type PartResult } from '../difference.ts'
import type { Check, VerifyContext } from '../part.ts'

/** Positions against what is stored of the log and what it holds; and watermarks against events. */
export const checkPositions: Check = (context) =>
  context.tenantId === undefined
    ? [
        { name: 'positions', run: (client) => comparePositions(client, context) },
        {
          name: 'watermarks',
          run: (client, dropped) => compareWatermarks(client, context, dropped),
        },
      ]
    : [
        {
          name: 'watermarks',
          run: (client, dropped) => compareWatermarks(client, context, dropped),
        },
      ]

async function comparePositions(
  client: pg.ClientBase,
  { log }: VerifyContext,
): Promise<PartResult> {
  const result = emptyResult()
  const topic = TOPICS.raw.name
  // What was stored out of a former log has other offsets.
  const { rows } = await client.query(
    `SELECT p.partition, p.next_offset::float8 AS position, e.last_event::float8 AS last_event, d.last_dead::float8 AS last_dead
       FROM log_position p
       LEFT JOIN (SELECT e.log_partition, max(e.log_offset) AS last_event
                    FROM event e JOIN log_position p ON p.topic = $1 AND p.partition = e.log_partition
                    LEFT JOIN log_count_position c ON c.partition = e.log_partition
                   WHERE e.log_offset >= p.next_offset AND e.stored_at > coalesce(c.complete_since, '-infinity')
                   GROUP BY 1) e ON e.log_partition = p.partition
       LEFT JOIN (SELECT d.partition, max(d.log_offset) AS last_dead FROM dead_letter d JOIN log_position p USING (topic, partition)
                   WHERE d.topic = $1 AND d.log_offset >= p.next_offset GROUP BY 1) d ON d.partition = p.partition
      WHERE p.topic = $1 ORDER BY 1`,
    [topic],
  )
  const held = new Map((await log?.offsets(topic))?.map((row) => [row.partition, row]))
  for (const { partition, position, last_event, last_dead } of rows) {
    result.checked++
    const last = Math.max(last_event ?? -1, last_dead ?? -1)
    if (last >= position)
      addDifference(result, {
        ...{ kind: 'offset', metric: `partition ${partition}` },
        ...{ stored: String(position), recounted: String(last + 1), ids: [`${partition}:${last}`] },
      })
    const end = held.get(partition)?.lastStableOffset
    if (end !== undefined && position > end)
      addDifference(result, {
        ...{ kind: 'offset', metric: `partition ${partition}` },
        ...{ stored: String(position), recounted: String(end) },
      })
  }
  return result
}

/**
 * A tenant's watermark is the highest time of any event, held to when it was received and to when the log took it, in
 * steps of a minute. The log's time is not stored: where an edge's clock is fast the watermark may be lower than this by as
 * much. It is never higher; events that were dropped may have been.
 */
async function compareWatermarks(
  client: pg.ClientBase,
  { tenantId }: VerifyContext,
  droppedThrough: number | undefined,
): Promise<PartResult> {
  const result = emptyResult()
  const step = WATERMARK_STEP_MS / 1000
  const heldFrom =
    droppedThrough === undefined
      ? Number.NEGATIVE_INFINITY
      : (droppedThrough + 1) * DAY_MS + LIMITS.futureSecondsMax * 1000
  const { rows } = await client.query(
    `SELECT * FROM (
       SELECT coalesce(w.tenant_id, e.tenant_id) AS tenant_id, w.highest_at, e.highest, e.logged
         FROM (SELECT tenant_id, max(highest_at) AS highest_at FROM watermark GROUP BY 1) w
         FULL JOIN (SELECT tenant_id, date_bin('${step} s', max(least(occurred_at, received_at)), 'epoch') AS highest,
                           date_bin('${step} s', max(least(occurred_at, received_at, stored_at)), 'epoch') AS logged
                      FROM event GROUP BY 1) e USING (tenant_id)) both_sides
      WHERE ${tenantId === undefined ? 'true' : `tenant_id = ${tenantId}`}`,
  )
  const nameOf = (time: Date | null) => time?.toISOString() ?? null
  for (const { tenant_id: tenant, highest_at, highest, logged } of rows) {
    result.checked++
    const isBehind = logged !== null && (highest_at === null || highest_at < logged - CLOCKS_MS)
    const isAhead =
      highest_at !== null &&
      highest_at.getTime() >= heldFrom &&
      (highest === null || highest_at > highest)
    if (isBehind || isAhead)
      addDifference(result, {
        ...{ kind: 'watermark', tenant, bucket: nameOf(highest_at) },
        ...{ stored: nameOf(highest_at), recounted: nameOf(highest) },
      })
  }
  return result
}

/** Postgres stores a batch soon after the log took it; their clocks may differ by as much. */
const CLOCKS_MS = WATERMARK_STEP_MS
