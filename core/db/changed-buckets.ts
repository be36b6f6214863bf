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
 * `tenant:first-last,quarter,…;tenant:…`, in quarters since 1970. What is too long for a notification
 * is told in fewer and longer ranges, and in the end as '': anything of anybody's.
 */
export function encodeChangedBuckets(touched: Iterable<{ tenantId: number; ms: number }>): string {
  const byTenant = new Map<number, Set<number>>()
  for (const { tenantId, ms } of touched) {
    const quarters = byTenant.get(tenantId)
    if (quarters) quarters.add(bucket15mOf(ms))
    else byTenant.set(tenantId, new Set([bucket15mOf(ms)]))
  }
  if (byTenant.size === 0) return NOTHING
  const ranges = [...byTenant].map(([id, quarters]) => [id, rangesOf(quarters)] as const)
  const exact = spell(ranges)
  if (exact.length <= LIMITS.notifyBytesMax) return exact
  const wide = spell(
    ranges.map(([id, all]) => {
      const [head, tail] = [all[0] as BucketRange, all.at(-1) as BucketRange]
      return [id, [{ first: head.first, last: tail.last }]] as const
    }),
  )
  return wide.length <= LIMITS.notifyBytesMax ? wide : ''
}

const NOTHING = '-'

function rangesOf(quarters: ReadonlySet<number>): BucketRange[] {
  const ranges: BucketRange[] = []
  for (const quarter of [...quarters].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last?.last === quarter - 1) last.last = quarter
    else ranges.push({ first: quarter, last: quarter })
  }
  return ranges
}

function spell(tenants: readonly (readonly [number, readonly BucketRange[]])[]): string {
  return tenants
    .map(([id, ranges]) => {
      const spelt = ranges.map(({ first, last }) => (first === last ? first : `${first}-${last}`))
      return `${id}:${spelt.join(',')}`
    })
    .join(';')
}

/** @returns undefined for anything of anybody's */
export function decodeChangedBuckets(payload: string): Map<number, BucketRange[]> | undefined {
  if (payload === '') return undefined
  if (payload === NOTHING) return new Map()
  return new Map(
    payload.split(';').map((part) => {
      const [id = '', ranges = ''] = part.split(':')
      return [
        Number(id),
        ranges.split(',').map((range) => {
          // A quarter before 1970 begins with a minus.
          const [, first = '', last = first] = /^(-?\d+)(?:-(-?\d+))?$/.exec(range) ?? []
          return { first: Number(first), last: Number(last) }
        }),
      ]
    }),
  )
}
