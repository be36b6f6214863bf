import { LIMITS } from '../../../../contract/limits.ts'
import { DAY_MS } from '../../../db/day-partitions.ts'
import { readBalance } from '../../balance.ts'
import { findUnaccountedIds } from '../../unaccounted-ids.ts'
import { addDifference, DIFFERENCES_PER_PART_MAX, emptyResult } from '../difference.ts'
import type { Check } from '../part.ts'

const MINUTE_MS = 60_000

/** The balance of the log's counts and the outcomes: minutes that do not add up, with the ids of their events. */
export const checkUnaccounted: Check = ({ fromMs, toMs, tenantId, log, signal }) => [
  {
    name: 'balance',
    async run(client) {
      const result = emptyResult()
      const execute = (text: string, values: unknown[]) => client.query(text, values)
      const { rows } = await client.query<{ ms: number }>(
        'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
      )
      const nowMs = rows[0]?.ms ?? 0
      const whole = (ms: number) => Math.floor(ms / MINUTE_MS) * MINUTE_MS
      const balance = await readBalance(execute, {
        fromMs: whole(Math.max(fromMs, nowMs - (LIMITS.outcomeMinuteDays - 2) * DAY_MS)),
        toMs: whole(Math.min(toMs, nowMs + 2 * DAY_MS)),
        ...(tenantId !== undefined && { tenantId }),
        ...{ onlyOpen: true, rowsMax: DIFFERENCES_PER_PART_MAX + 1 },
      })
      if (!balance.hasBegun)
        return { ...result, notChecked: 'the balance, because nothing has counted the log yet' }
      result.checked = 1
      let searched = 0
      for (const { tenantId: tenant, minute, unaccounted, ...counts } of balance.minutes) {
        if (unaccounted === 0) continue
        const ids =
          log && unaccounted > 0 && searched++ < SEARCHED_MAX
            ? await findUnaccountedIds(execute, log, { tenantId: tenant, minute, signal })
            : []
        addDifference(result, {
          ...{ kind: 'unaccounted', tenant, bucket: minute, ids },
          stored: String(counts.accepted - counts.inFlight - unaccounted),
          recounted: String(counts.accepted - counts.inFlight),
        })
      }
      return result
    },
  },
]

/** Each reads a part of the log. */
const SEARCHED_MAX = 10
