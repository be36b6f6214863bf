import { type BucketRange, bucket15mOf, decodeChangedBuckets } from '../../db/changed-buckets.ts'
import { CHANNELS } from '../../db/channels.ts'
import { listen } from '../../db/listen.ts'

/** What this process has heard of commits: enough to say whether an answer is still the truth. */
export interface Invalidation {
  /** Whether nothing was stored in this range of time since `sinceMs`; false also when nobody can tell. */
  unchanged(tenantId: number, range: { startMs: number; endMs: number }, sinceMs: number): boolean
  close(): Promise<void>
}

export interface InvalidationDeps {
  databaseUrl: string
  logger: { warn(fields: object, message: string): void }
  now?: () => number
  bucketsMax?: number
}

/** Quarters of an hour remembered for all tenants together; live ones are few, imports are many. */
const QUARTERS_MAX = 50_000

interface TenantChanges {
  /** When each quarter was last touched, the longest ago first. */
  touchedAt: Map<number, number>
  /** When the last of those that were forgotten was touched: from then back nothing is known. */
  forgottenAt: number
}

/** Listens on a connection of its own; while that is broken, nothing is known to be unchanged. */
export function createInvalidation({
  databaseUrl,
  logger,
  now = Date.now,
  bucketsMax: quartersMax = QUARTERS_MAX,
}: InvalidationDeps): Invalidation {
  const tenants = new Map<number, TenantChanges>()
  /** Since when everything was heard. */
  let since = Number.POSITIVE_INFINITY
  let quarters = 0

  function heard(payload: string | undefined): void {
    const touched = payload === undefined ? undefined : decodeChangedBuckets(payload)
    if (touched) for (const [tenantId, ranges] of touched) note(tenantId, ranges)
    else forgetAll()
  }

  function forgetAll(): void {
    tenants.clear()
    quarters = 0
    since = now()
  }

  function note(tenantId: number, ranges: readonly BucketRange[]): void {
    const tenant = tenants.get(tenantId) ?? { touchedAt: new Map(), forgottenAt: 0 }
    tenants.set(tenantId, tenant)
    const at = now()
    for (const { first, last } of ranges) {
      // A range of years in one notification is cheaper forgotten than listed.
      if (last - first > quartersMax) {
        forgetAll()
        return
      }
      for (let quarter = first; quarter <= last; quarter++) {
        if (!tenant.touchedAt.delete(quarter)) quarters++
        tenant.touchedAt.set(quarter, at)
      }
    }
    while (quarters > quartersMax) forgetSome()
  }

  /** Whoever has the most gives up a quarter of them. */
  function forgetSome(): void {
    const [most] = [...tenants.values()].sort((a, b) => b.touchedAt.size - a.touchedAt.size)
    for (const [quarter, at] of [...(most?.touchedAt ?? [])].slice(0, quartersMax >> 2)) {
      if (!most) return
      most.touchedAt.delete(quarter)
      most.forgottenAt = Math.max(most.forgottenAt, at)
      quarters--
    }
  }

  const listening = listen({
    url: databaseUrl,
    channel: CHANNELS.changedBuckets,
    name: 'sluice answers',
    onNotice: heard,
    onTrouble: (error) =>
      logger.warn(
        { error: String(error) },
        'the answers connection broke; none are kept meanwhile',
      ),
  })

  return {
    unchanged(tenantId, { startMs, endMs }, sinceMs) {
      if (!listening.up || sinceMs <= since) return false
      const tenant = tenants.get(tenantId)
      if (!tenant) return true
      if (tenant.forgottenAt >= sinceMs) return false
      const [first, last] = [bucket15mOf(startMs), bucket15mOf(endMs - 1)]
      // The newest first: most ranges end before what is stored now.
      for (const [quarter, at] of [...tenant.touchedAt].reverse()) {
        if (at < sinceMs) return true
        if (first <= quarter && quarter <= last) return false
      }
      return true
    },
    close: () => listening.close(),
  }
}
