import { sql } from 'kysely'
import { TOPICS } from '../../../../contract/log/topics.ts'
import type { Database } from '../../../db/database.ts'
import type { TenantViewer } from '../../../identity/viewer.ts'
import type { Instant } from '../../instant.ts'

/** Records that the log has and no worker has applied yet. */
export interface InFlight {
  records: number
  /** The minute of receipt of the oldest; null where there is none. */
  since: Instant | null
}

/** Of one tenant, as the balance counts them: by positions, a second or two behind the log (core/proof). */
export async function readInFlight(db: Database, { tenantId }: TenantViewer): Promise<InFlight> {
  const { rows } = await sql<InFlight>`
    SELECT coalesce(sum(r.waiting), 0)::float8 AS records, to_timestamp(min(r.minute) * 60.0) AS since
      FROM log_count_batch b
      JOIN log_position p ON p.topic = ${TOPICS.raw.name} AND p.partition = b.partition AND p.next_offset < b.next_offset
     CROSS JOIN LATERAL (
       SELECT u.tenant, u.minute,
              least(u.length, b.base_offset + sum(u.length) OVER (ORDER BY u.i) - p.next_offset) AS waiting
         FROM unnest(b.tenants, b.minutes, b.lengths) WITH ORDINALITY u (tenant, minute, length, i)) r
     WHERE NOT b.is_lost AND ${tenantId} = ANY (b.tenants) AND r.tenant = ${tenantId} AND r.waiting > 0`.execute(
    db,
  )
  return rows[0] ?? { records: 0, since: null }
}
