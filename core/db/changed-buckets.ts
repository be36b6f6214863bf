import { LIMITS } from '../../contract/limits.ts'

/** Milliseconds of the smallest bucket. Every time zone in use is a multiple of 15 minutes. */
export const BUCKET_15M_MS = 15 * 60_000

/** 15-minute buckets since 1970, both ends included. */
export interface BucketRange {
  first: number
  last: number
}

export function bucket15mOf(ms: number): number {
  return Math.floor(ms / BUCKET_15M_MS)
}

/**
 * `tenant:first-last,bucket,…;tenant:…`, buckets counted since 1970. What is too long for a notification is
 * written as fewer and longer ranges, and in the end as '': any bucket of any tenant.
 */
export function encodeChangedBuckets(changed: Iterable<{ tenantId: number; ms: number }>): string {
  const byTenant = new Map<number, Set<number>>()
  for (const { tenantId, ms } of changed) {
    const buckets = byTenant.get(tenantId)
    if (buckets) buckets.add(bucket15mOf(ms))
    else byTenant.set(tenantId, new Set([bucket15mOf(ms)]))
  }
  if (byTenant.size === 0) return NOTHING
  const ranges = [...byTenant].map(([id, buckets]) => [id, rangesOf(buckets)] as const)
  const exact = formatRanges(ranges)
  if (exact.length <= LIMITS.notifyBytesMax) return exact
  const wide = formatRanges(
    ranges.map(([id, all]) => {
      const [head, tail] = [all[0] as BucketRange, all.at(-1) as BucketRange]
      return [id, [{ first: head.first, last: tail.last }]] as const
    }),
  )
  return wide.length <= LIMITS.notifyBytesMax ? wide : ''
}

const NOTHING = '-'

function rangesOf(buckets: ReadonlySet<number>): BucketRange[] {
  const ranges: BucketRange[] = []
  for (const bucket of [...buckets].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last?.last === bucket - 1) last.last = bucket
    else ranges.push({ first: bucket, last: bucket })
  }
  return ranges
}

function formatRanges(tenants: readonly (readonly [number, readonly BucketRange[]])[]): string {
  return tenants
    .map(([id, ranges]) => {
      const parts = ranges.map(({ first, last }) => (first === last ? first : `${first}-${last}`))
      return `${id}:${parts.join(',')}`
    })
    .join(';')
}

/** @returns the changed ranges by tenant; undefined for any bucket of any tenant */
export function decodeChangedBuckets(payload: string): Map<number, BucketRange[]> | undefined {
  if (payload === '') return undefined
  if (payload === NOTHING) return new Map()
  return new Map(
    payload.split(';').map((part) => {
      const [id = '', ranges = ''] = part.split(':')
      return [
        Number(id),
        ranges.split(',').map((range) => {
          // A bucket before 1970 begins with a minus.
          const [, first = '', last = first] = /^(-?\d+)(?:-(-?\d+))?$/.exec(range) ?? []
          return { first: Number(first), last: Number(last) }
        }),
      ]
    }),
  )
}
