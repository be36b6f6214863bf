import { DAY_MS } from '../../../db/day-partitions.ts'
import type { Difference, DifferenceKind, VerifyReport } from '../difference.ts'

/** A tenant's day in which events occurred, or for outcomes were received; since 1970-01-01, UTC. */
export interface DayTask {
  tenantId: number
  day: number
  kinds: ReadonlySet<DifferenceKind>
}

/** Of these, by kind and tenant, nothing was changed. */
export interface Unrepaired {
  kind: DifferenceKind
  tenant: number
  differences: number
  next: string
}

export interface RepairPlan {
  days: DayTask[]
  outcomeDays: DayTask[]
  hasTotals: boolean
  unrepaired: Unrepaired[]
}

const REPLAY =
  '"sluice replay" stores it again from the log; then repair again. Until then the numbers of this tenant stay as they are'
const BY_HAND: Partial<Record<DifferenceKind, string>> = {
  'record-lost': REPLAY,
  'event-changed': `delete the row, then ${REPLAY}`,
  'event-not-in-log': 'delete the row, or restore the log that it came from; then repair again',
  'duplicate-stored': 'delete the later row; then repair again',
  'event-day': `delete the row, then ${REPLAY}`,
  offset:
    'a position decides what is read next and is never guessed: "sluice lag" shows it, docs/operations.md what to do',
  watermark:
    'the next event of the tenant raises one that is too low; one that is too high stays until the clock has reached it',
  unaccounted: 'see the events with "sluice balance"; "sluice replay" reads them again',
}

const OF_DAYS: ReadonlySet<DifferenceKind> = new Set(['rollup', 'rollup-long', 'metric', 'sketch'])
const OF_OUTCOMES: ReadonlySet<DifferenceKind> = new Set(['outcome', 'dead-letter'])
const BLOCKED = 'its events differ from the log; first repair these'

/** What is repaired of these differences, and in which order; and what to do about the others. */
export function planRepairs({
  differences,
  tenantsInDoubt,
}: Pick<VerifyReport, 'differences' | 'tenantsInDoubt'>): RepairPlan {
  const isInDoubt = (tenant: number) => tenantsInDoubt === 'all' || tenantsInDoubt.includes(tenant)
  const unrepaired = new Map<string, Unrepaired>()
  const leave = ({ kind, tenant }: Difference, next: string) => {
    const key = `${kind} ${tenant} ${next}`
    const former = unrepaired.get(key) ?? { kind, tenant, differences: 0, next }
    unrepaired.set(key, { ...former, differences: former.differences + 1 })
  }
  const days = new Map<string, DayTask & { kinds: Set<DifferenceKind> }>()
  const outcomeDays: typeof days = new Map()
  const add = (to: typeof days, { tenant: tenantId, bucket, kind }: Difference) => {
    const day = Math.floor(Date.parse(bucket as string) / DAY_MS)
    const task = to.get(`${tenantId} ${day}`) ?? { tenantId, day, kinds: new Set() }
    task.kinds.add(kind)
    to.set(`${tenantId} ${day}`, task)
  }
  for (const each of differences) {
    const next = BY_HAND[each.kind]
    if (next) leave(each, next)
    else if (isInDoubt(each.tenant)) leave(each, BLOCKED)
    else if (OF_DAYS.has(each.kind)) add(days, each)
    else if (OF_OUTCOMES.has(each.kind)) add(outcomeDays, each)
    else if (tenantsInDoubt.length > 0) leave(each, 'first repair the events of other tenants')
  }
  return {
    days: [...days.values()],
    outcomeDays: [...outcomeDays.values()],
    hasTotals:
      tenantsInDoubt.length === 0 && differences.some(({ kind }) => kind === 'outcome-total'),
    unrepaired: [...unrepaired.values()],
  }
}
