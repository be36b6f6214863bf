import { LIMITS } from '../contract/limits.ts'
import type { Database } from '../core/db/database.ts'
import { listKeys } from '../core/identity/api-keys.ts'
import { listTenants, setTenant } from '../core/identity/tenants.ts'
import { UsageError } from '../core/lib/usage-error.ts'

export interface SeedSize {
  tenant: string
  seed: number
  events: number
  days: number
}

const DAY_S = 86_400
/** An hour less than duplicates are recognised, so that the last event of a second run still is one. */
const REPEAT_MS_MAX = LIMITS.dedupeDays * DAY_S * 1_000 - 3_600_000
const DEFAULT_LATENESS_S = 3_600
/** As long as revoked keys carry these names, a second run knows of the first. */
export const keyNameOf = ({ seed, events, days }: SeedSize): string =>
  `demo data, seed ${seed}: ${events} events, ${days} days`

/**
 * When the same data were sent for the first time, in ms since 1970; undefined for new data.
 * @throws UsageError when that is too long ago: the same events would count a second time
 */
export async function findFirstRun(
  db: Database,
  size: SeedSize,
  nowMs: number,
): Promise<number | undefined> {
  const runs = (await listKeys(db, size.tenant)).filter(({ name }) => name === keyNameOf(size))
  if (runs.length === 0) return undefined
  const firstMs = Math.min(...runs.map(({ createdAt }) => Date.parse(createdAt)))
  if (nowMs - firstMs > REPEAT_MS_MAX)
    throw new UsageError(
      `The tenant ${size.tenant} got the demo data of seed ${size.seed} more than ${LIMITS.dedupeDays * 24 - 1} hours ago. Nothing was sent: duplicates are recognised for ${LIMITS.dedupeDays * 24} hours, so the same events would count twice.`,
      'Choose another --tenant, or another --seed to add to them.',
    )
  return firstMs
}

/**
 * Runs `work` while nothing more of the tenant becomes final: its allowed lateness is longer than the weeks that are
 * imported. Partitions are read side by side, hours of the import apart; without this, what the slower one brings would
 * revise what the faster one made final. What was final before stays so, and is revised with a mark.
 */
export async function withoutFinality<T>(
  db: Database,
  { tenant, days }: { tenant: string; days: number },
  work: () => Promise<T>,
): Promise<T> {
  const importS = (days + 2) * DAY_S
  const found = (await listTenants(db)).find((each) => each.tenant === tenant)
  const formerS = found?.allowedLatenessS ?? DEFAULT_LATENESS_S
  // An import that was killed left its own value behind.
  const afterwardsS = formerS >= DAY_S && formerS === importS ? DEFAULT_LATENESS_S : formerS
  await setTenant(db, tenant, { allowedLatenessS: Math.max(formerS, importS) })
  try {
    return await work()
  } finally {
    await setTenant(db, tenant, { allowedLatenessS: afterwardsS })
  }
}
