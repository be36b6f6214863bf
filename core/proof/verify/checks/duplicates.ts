import { LIMITS } from '../../../../contract/limits.ts'
import { dayTable, isoDay } from '../../../db/day-partitions.ts'
import { addDifference, DIFFERENCES_PER_PART_MAX, emptyResult } from '../difference.ts'
import type { Check } from '../part.ts'
import { areHeld, receivedDays } from '../ranges.ts'

/** Events that are stored twice within the dedupe horizon. Within a day the primary key forbids it. */
export const checkDuplicates: Check = (context) => {
  const held = new Set(context.days)
  return receivedDays(context).flatMap((day) =>
    Array.from({ length: LIMITS.dedupeDays }, (_, i) => day + 1 + i)
      .filter((later) => held.has(later))
      .map((later) => ({
        name: `duplicates ${isoDay(day)} ${isoDay(later)}`,
        async run(client, droppedThrough) {
          const result = emptyResult()
          if (!areHeld([day, later], droppedThrough)) return result
          const { rows } = await client.query(
            `SELECT a.tenant_id, a.event_id, a.name, b.received_at
               FROM ${dayTable('event', day)} a JOIN ${dayTable('event', later)} b ON b.tenant_id = a.tenant_id AND b.event_id = a.event_id
              WHERE b.received_at - a.received_at <= interval '${LIMITS.dedupeDays} days'
                ${context.tenantId === undefined ? '' : `AND a.tenant_id = ${context.tenantId}`}
              LIMIT ${DIFFERENCES_PER_PART_MAX + 1000}`,
          )
          for (const { tenant_id: tenant, event_id, name: metric, received_at } of rows)
            addDifference(result, {
              ...{ kind: 'duplicate-stored', tenant, metric, ids: [event_id] },
              bucket: received_at.toISOString(),
            })
          return result
        },
      })),
  )
}
