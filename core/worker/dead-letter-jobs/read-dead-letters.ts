import type { CurrentRules, StoredDeadLetter } from '../../dead-letters/corrected-record.ts'
import { conditionsOf } from '../../dead-letters/filter.ts'
import { WORKBENCH_LIMITS } from '../../dead-letters/limits.ts'
import type { ExecuteQuery } from '../consume/connection.ts'
import type { OpenJob } from './job.ts'

export interface JobDeadLetter extends StoredDeadLetter {
  keyId: string | null
  partition: number
  offset: number
  receivedMs: number
  cursor: { at: string; id: string }
}

/** The next open dead letters of a job, oldest received first; none when it is done. */
export async function readDeadLetters(
  execute: ExecuteQuery,
  job: OpenJob,
): Promise<JobDeadLetter[]> {
  const left = WORKBENCH_LIMITS.jobDeadLettersMax - job.processed
  if (left <= 0) return []
  const conditions = conditionsOf(job.filter)
  const where = conditions
    .map(({ column, operator, type }, i) => {
      const value = `$${i + 6}::${type}`
      return `AND ${column} ${operator === '= ANY' ? `= ANY (${value})` : `${operator} ${value}`}`
    })
    .join(' ')
  const { rows } = await execute(
    `SELECT * FROM (
       SELECT d.dead_letter_id::text AS id, d.original, d.stamp, d.key_id AS "keyId", d.partition, d.log_offset::float8 AS offset,
              (extract(epoch FROM d.received_at) * 1000)::float8 AS "receivedMs", d.received_at::text AS at,
              sum(length(d.original)) OVER (ORDER BY d.received_at, d.dead_letter_id) - length(d.original) AS before
         FROM (SELECT * FROM dead_letter d WHERE d.tenant_id = $1 AND d.state = 'open' AND d.dead_letter_id <= $2
                  AND (d.received_at, d.dead_letter_id) > ($3::timestamptz, $4::bigint) ${where}
                ORDER BY d.received_at, d.dead_letter_id LIMIT $5) d) d
      WHERE before < ${WORKBENCH_LIMITS.stepBytesMax} ORDER BY d."receivedMs", d.id::bigint`,
    [
      ...[job.tenantId, job.lastId, job.cursorAt, job.cursorId],
      Math.min(left, WORKBENCH_LIMITS.stepDeadLettersMax),
      ...conditions.map(({ value }) => value),
    ],
  )
  return rows.map(({ at, ...row }) => ({
    ...(row as unknown as Omit<JobDeadLetter, 'cursor'>),
    cursor: { at: at as string, id: row.id as string },
  }))
}

/** What keys and the tenant allow now, by the id of the key; '' for a key that is unknown. */
export async function readRules(
  execute: ExecuteQuery,
  tenantId: number,
  deadLetters: readonly JobDeadLetter[],
): Promise<(keyId: string | null) => CurrentRules> {
  const keyIds = [...new Set(deadLetters.flatMap(({ keyId }) => keyId ?? []))]
  const { rows } = await execute(
    `SELECT k.key_id AS id, t.schema_versions AS versions, k.allowed_events AS events, k.allowed_properties AS properties
       FROM tenant t LEFT JOIN api_key k ON k.tenant_id = t.tenant_id AND k.key_id = ANY ($2::uuid[]) WHERE t.tenant_id = $1`,
    [tenantId, keyIds],
  )
  const ofKey = new Map(rows.map((row) => [row.id, row]))
  const setOf = (values: unknown) => (values == null ? null : new Set(values as string[]))
  return (keyId) => {
    const row = ofKey.get(keyId)
    return {
      schemaVersions: (rows[0]?.versions as string[] | null) ?? null,
      allowedEvents: setOf(row?.events),
      allowedProperties: setOf(row?.properties),
    }
  }
}
