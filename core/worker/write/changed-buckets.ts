import { LIMITS } from '../../../contract/limits.ts'
import { QUARTER_MS } from './roll-up.ts'

/** Which quarters of an hour a commit has changed, for whoever keeps answers about them. */
export const TOUCHED_CHANNEL = 'sluice_touched'

/** Quarters since 1970, both included. */
export interface QuarterRange {
  first: number
  last: number
}

export function quarterOf(ms: number): number {
  return Math.floor(ms / QUARTER_MS)
}

/**
 * `tenant:first-last,quarter,…;tenant:…`, in quarters since 1970. What is too long for a notification
 * is told in fewer and longer ranges, and in the end as '': anything of anybody's.
 */
export function writeTouched(touched: Iterable<{ tenantId: number; ms: number }>): string {
  const byTenant = new Map<number, Set<number>>()
  for (const { tenantId, ms } of touched) {
    const quarters = byTenant.get(tenantId)
    if (quarters) quarters.add(quarterOf(ms))
    else byTenant.set(tenantId, new Set([quarterOf(ms)]))
  }
  if (byTenant.size === 0) return NOTHING
  const ranges = [...byTenant].map(([id, quarters]) => [id, rangesOf(quarters)] as const)
  const exact = spell(ranges)
  if (exact.length <= LIMITS.notifyBytesMax) return exact
  const wide = spell(
    ranges.map(([id, all]) => {
      const [head, tail] = [all[0] as QuarterRange, all.at(-1) as QuarterRange]
      return [id, [{ first: head.first, last: tail.last }]] as const
    }),
  )
  return wide.length <= LIMITS.notifyBytesMax ? wide : ''
}

const NOTHING = '-'

function rangesOf(quarters: ReadonlySet<number>): QuarterRange[] {
  const ranges: QuarterRange[] = []
  for (const quarter of [...quarters].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last?.last === quarter - 1) last.last = quarter
    else ranges.push({ first: quarter, last: quarter })
  }
  return ranges
}

function spell(tenants: readonly (readonly [number, readonly QuarterRange[]])[]): string {
  return tenants
    .map(([id, ranges]) => {
      const spelt = ranges.map(({ first, last }) => (first === last ? first : `${first}-${last}`))
      return `${id}:${spelt.join(',')}`
    })
    .join(';')
}

/** @returns undefined for anything of anybody's */
export function readTouched(payload: string): Map<number, QuarterRange[]> | undefined {
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
