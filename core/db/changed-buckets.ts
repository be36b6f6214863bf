import { packPayloads } from './notifier.ts'

/** Milliseconds of the smallest bucket. Every time zone in use is a multiple of 15 minutes. */
export const BUCKET_15M_MS = 15 * 60_000

/** 15-minute buckets since 1970, both ends included. */
export interface BucketRange {
  first: number
  last: number
}

/** The buckets that changed, by tenant; EVERYTHING: any bucket of any tenant. */
export type ChangedBuckets = Map<number, Set<number>> | typeof EVERYTHING

export const EVERYTHING = 'everything'

/** Payloads of one flush: about 23,000 tenants with a range each. */
const PAYLOADS_MAX = 64
/** Buckets that wait for a flush, about 5 MB: one batch has at most two for each of its records. */
const BUCKETS_MAX = 100_000

export function bucket15mOf(ms: number): number {
  return Math.floor(ms / BUCKET_15M_MS)
}

export function changedBuckets(
  changed: Iterable<{ tenantId: number; ms: number }>,
): Map<number, Set<number>> {
  const byTenant = new Map<number, Set<number>>()
  for (const { tenantId, ms } of changed) addBucket(byTenant, tenantId, bucket15mOf(ms))
  return byTenant
}

/** Adds `more` to `changed`, which must not be used afterwards: beyond BUCKETS_MAX the result is EVERYTHING. */
export function mergeChangedBuckets(changed: ChangedBuckets, more: ChangedBuckets): ChangedBuckets {
  if (changed === EVERYTHING || more === EVERYTHING) return EVERYTHING
  for (const [tenantId, buckets] of more)
    for (const bucket of buckets) addBucket(changed, tenantId, bucket)
  let size = 0
  for (const buckets of changed.values()) size += buckets.size
  return size > BUCKETS_MAX ? EVERYTHING : changed
}

function addBucket(changed: Map<number, Set<number>>, tenantId: number, bucket: number): void {
  const buckets = changed.get(tenantId)
  if (buckets) buckets.add(bucket)
  else changed.set(tenantId, new Set([bucket]))
}

/**
 * Payloads of a notification each, `tenant:first-last,bucket,…;tenant:…`, buckets counted since 1970; none for no
 * change. What would need more than PAYLOADS_MAX is written as one range a tenant, and in the end as one '': any bucket
 * of any tenant.
 */
export function encodeChangedBuckets(changed: ChangedBuckets): string[] {
  if (changed === EVERYTHING) return ['']
  const ranges = [...changed].map(([id, buckets]) => [id, rangesOf(buckets)] as const)
  // A tenant is once in a payload: all versions read that.
  const [few, many] = [
    ranges.filter(([, all]) => all.length <= RANGES_MAX),
    ranges.filter(([, all]) => all.length > RANGES_MAX),
  ]
  const exact = [...packPayloads(few.flatMap(formatRanges), ';'), ...many.flatMap(formatRanges)]
  if (exact.length <= PAYLOADS_MAX) return exact
  const wide = ranges.map(([id, all]) => {
    const [head, tail] = [all[0] as BucketRange, all.at(-1) as BucketRange]
    return formatRange(id, [{ first: head.first, last: tail.last }])
  })
  return atMost(PAYLOADS_MAX, packPayloads(wide, ';'))
}

/** Payloads of a notification each, `tenant,tenant,…`; one '' for any tenant, none for no change. */
export function encodeChangedTenants(changed: ChangedBuckets): string[] {
  if (changed === EVERYTHING) return ['']
  return atMost(PAYLOADS_MAX, packPayloads([...changed.keys()].map(String), ','))
}

function atMost(max: number, payloads: string[]): string[] {
  return payloads.length <= max ? payloads : ['']
}

function rangesOf(buckets: ReadonlySet<number>): BucketRange[] {
  const ranges: BucketRange[] = []
  for (const bucket of [...buckets].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last?.last === bucket - 1) last.last = bucket
    else ranges.push({ first: bucket, last: bucket })
  }
  return ranges
}

/** So many fit into one payload, however far from 1970 they are. */
const RANGES_MAX = 320

function formatRanges([id, ranges]: readonly [number, readonly BucketRange[]]): string[] {
  const payloads: string[] = []
  for (let i = 0; i < ranges.length; i += RANGES_MAX)
    payloads.push(formatRange(id, ranges.slice(i, i + RANGES_MAX)))
  return payloads
}

function formatRange(id: number, ranges: readonly BucketRange[]): string {
  const parts = ranges.map(({ first, last }) => (first === last ? first : `${first}-${last}`))
  return `${id}:${parts.join(',')}`
}

/** @returns the changed ranges by tenant; undefined for any bucket of any tenant */
export function decodeChangedBuckets(payload: string): Map<number, BucketRange[]> | undefined {
  if (payload === '') return undefined
  // The former version notified of no change as well.
  if (payload === '-') return new Map()
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
