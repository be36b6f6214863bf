import type pg from 'pg'
import { isoDay } from '../../../db/day-partitions.ts'
import { readRetention } from '../../../db/event-retention.ts'
import { outcomeCtes, readTotals } from '../checks/outcomes.ts'
import { areHeld } from '../ranges.ts'
import type { DayTask, Unrepaired } from './plan.ts'
import type { RepairOutcome } from './transaction.ts'

/**
 * Stored events and dead letters of each minute of a tenant's day. How many duplicates there were only the log knows.
 * @param client in a transaction of one snapshot
 */
export async function repairOutcomes(
  client: pg.ClientBase,
  { tenantId, day, kinds }: DayTask,
): Promise<RepairOutcome> {
  const leave = (kind: Unrepaired['kind'], differences: number, next: string): Unrepaired => {
    return { kind, tenant: tenantId, differences, next: `${isoDay(day)}: ${next}` }
  }
  const { droppedThrough } = await readRetention((text, values) => client.query(text, values))
  if (!areHeld([day], droppedThrough))
    return {
      repaired: [],
      unrepaired: [...kinds].map((kind) => leave(kind, 1, 'its events were dropped')),
      changed: [],
    }
  const { rows } = await client.query<{
    kind: 'outcome' | 'dead-letter'
    minute: string
    counted: number
    recounted: number
    is_negative: boolean
  }>(`${outcomeCtes(day, tenantId)}, replaced AS (
  INSERT INTO outcome_minute AS o (tenant_id, minute, stored, duplicate, conflicting, dead)
  SELECT ${tenantId}, minute, coalesce(sum(recounted) FILTER (WHERE kind = 'outcome'), 0), 0, 0,
         coalesce(sum(recounted) FILTER (WHERE kind = 'dead-letter'), 0)
    FROM found WHERE NOT is_negative GROUP BY minute ORDER BY minute
  ON CONFLICT (tenant_id, minute) DO UPDATE SET
    stored = CASE WHEN EXISTS (SELECT FROM found f WHERE f.minute = o.minute AND f.kind = 'outcome' AND NOT f.is_negative) THEN EXCLUDED.stored ELSE o.stored END,
    dead = CASE WHEN EXISTS (SELECT FROM found f WHERE f.minute = o.minute AND f.kind = 'dead-letter') THEN EXCLUDED.dead ELSE o.dead END
)
SELECT kind, minute, coalesce(counted, 0)::bigint AS counted, coalesce(recounted, 0)::bigint AS recounted, is_negative FROM found ORDER BY minute`)
  const negative = rows.filter(({ is_negative }) => is_negative).length
  const repaired = (['outcome', 'dead-letter'] as const).map((kind) => ({
    ...{ kind, tenant: tenantId, day: isoDay(day) },
    rows: rows
      .filter((row) => row.kind === kind && !row.is_negative)
      .map(({ minute, counted, recounted }) => ({
        ...{ bucket: minute, metric: null, stored: String(counted), recounted: String(recounted) },
      })),
  }))
  return {
    repaired: repaired.filter(({ rows }) => rows.length > 0),
    unrepaired:
      negative > 0
        ? [leave('outcome', negative, 'how many duplicates there were is not derived from events')]
        : [],
    changed: rows.map(({ minute }) => ({ tenantId, ms: Date.parse(minute) })),
  }
}

/**
 * Totals are kept by partition, and compared as one: a partition gets what all of them lack.
 * @param client in a transaction of one snapshot
 */
export async function repairTotals(client: pg.ClientBase): Promise<RepairOutcome> {
  const wrong = await readTotals(client)
  if (wrong.length === 0) return { repaired: [], unrepaired: [], changed: [] }
  const moves = wrong.map(
    ({ outcome, stored, recounted }) =>
      `${outcome} = ${outcome} + ${BigInt(recounted) - BigInt(stored)}`,
  )
  await client.query(
    `UPDATE outcome_total_by_partition SET ${moves.join(', ')}
      WHERE partition = (SELECT min(partition) FROM outcome_total_by_partition WHERE partition >= 0)`,
  )
  const rows = wrong.map(({ outcome, stored, recounted }) => ({
    ...{ bucket: null, metric: outcome, stored, recounted },
  }))
  return {
    repaired: [{ kind: 'outcome-total', tenant: 0, day: null, rows }],
    unrepaired: [],
    changed: [],
  }
}
