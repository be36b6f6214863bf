import { type BucketRange, bucket15mOf, decodeChangedBuckets } from '../../db/changed-buckets.ts'
import { CHANNELS } from '../../db/channels.ts'
import { listen } from '../../db/listen.ts'
import type { Logger } from '../../lib/logger.ts'
import { monotonicNow } from './clock-translator.ts'

/** Which 15-minute buckets were changed by commits: enough to know whether a result is still true. */
export interface Invalidation {
  /** Whether nothing was stored in this range of time since `sinceMs`; false also when that is not known. */
  unchanged(tenantId: number, range: { startMs: number; endMs: number }, sinceMs: number): boolean
  close(): Promise<void>
}

export interface InvalidationDeps {
  databaseUrl: string
  logger: Pick<Logger, 'warn'>
  now?: () => number
  bucketsMax?: number
}

/** Buckets remembered for all tenants together; live events change few of them, imports many. */
const BUCKETS_MAX = 50_000

interface TenantBuckets {
  /** When each bucket was last changed, the oldest change first. */
  changedAt: Map<number, number>
  /** The last change of a bucket that was forgotten: nothing is known about times up to it. */
  forgottenAt: number
}

/** Listens on a connection of its own; while that is lost, nothing is known to be unchanged. */
export function createInvalidation({
  databaseUrl,
  logger,
  now = monotonicNow,
  bucketsMax = BUCKETS_MAX,
}: InvalidationDeps): Invalidation {
  const tenants = new Map<number, TenantBuckets>()
  /** Since when every notification was received. */
  let since = Number.POSITIVE_INFINITY
  let size = 0

  function onNotice(payload: string | undefined): void {
    const changed = payload === undefined ? undefined : decodeChangedBuckets(payload)
    if (changed) for (const [tenantId, ranges] of changed) record(tenantId, ranges)
    else forgetAll()
  }

  function forgetAll(): void {
    tenants.clear()
    size = 0
    since = now()
  }

  function record(tenantId: number, ranges: readonly BucketRange[]): void {
    const tenant = tenants.get(tenantId) ?? { changedAt: new Map(), forgottenAt: 0 }
    tenants.set(tenantId, tenant)
    const at = now()
    for (const { first, last } of ranges) {
      // Forgetting everything is cheaper than listing the buckets of many years.
      if (last - first > bucketsMax) {
        forgetAll()
        return
      }
      for (let bucket = first; bucket <= last; bucket++) {
        if (!tenant.changedAt.delete(bucket)) size++
        tenant.changedAt.set(bucket, at)
      }
    }
    while (size > bucketsMax) forgetSome()
  }

  /** The tenant with the most buckets loses its oldest ones, a fourth of all that may be remembered. */
  function forgetSome(): void {
    const [largest] = [...tenants.values()].sort((a, b) => b.changedAt.size - a.changedAt.size)
    if (!largest) return
    for (const [bucket, at] of [...largest.changedAt].slice(0, bucketsMax >> 2)) {
      largest.changedAt.delete(bucket)
      largest.forgottenAt = Math.max(largest.forgottenAt, at)
      size--
    }
  }

  const listening = listen({
    url: databaseUrl,
    channel: CHANNELS.changedBuckets,
    name: 'sluice result cache',
    onNotification: onNotice,
    onError: (error) =>
      logger.warn(
        { error: String(error) },
        'LISTEN connection of the result cache lost, reconnecting; no results are cached meanwhile',
      ),
  })

  return {
    unchanged(tenantId, { startMs, endMs }, sinceMs) {
      if (!listening.up || sinceMs <= since) return false
      const tenant = tenants.get(tenantId)
      if (!tenant) return true
      if (tenant.forgottenAt >= sinceMs) return false
      const [first, last] = [bucket15mOf(startMs), bucket15mOf(endMs - 1)]
      // The newest change first: most ranges end before the buckets that change now.
      for (const [bucket, at] of [...tenant.changedAt].reverse()) {
        if (at < sinceMs) return true
        if (first <= bucket && bucket <= last) return false
      }
      return true
    },
    close: () => listening.close(),
  }
}
