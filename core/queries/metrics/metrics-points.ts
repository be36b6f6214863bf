import { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../limits.ts'
import { countBuckets } from '../sql/buckets.ts'
import { type MetricsInput, parseMetricsArgs } from './metrics-args.ts'

/** The points that all `metrics` of one request share. */
export interface PointsPlan {
  /** Adds a query, before the first one is executed. @returns how many points it can have at most; 0 with invalid arguments */
  add(input: MetricsInput): number
  /** What one of the queries may return. @throws QUERY_TOO_LARGE when all of them together ask for too many buckets */
  limitOf(input: MetricsInput): number
}

export function createPointsPlan(): PointsPlan {
  const { pointsMax } = QUERY_LIMITS
  let queries = 0
  let buckets = 0
  return {
    add(input) {
      const found = estimate(input)
      queries++
      buckets += found.buckets
      return Math.min(pointsMax, found.buckets * found.groups)
    },
    limitOf(input) {
      if (buckets > pointsMax)
        throw new ApiError(
          'QUERY_TOO_LARGE',
          `The request asks for ${buckets} points of at most ${pointsMax}; choose longer intervals or shorter ranges, or send several requests.`,
          { limit: 'points' },
        )
      return estimate(input).buckets + Math.floor((pointsMax - buckets) / Math.max(1, queries))
    },
  }
}

function estimate(input: MetricsInput): { buckets: number; groups: number } {
  try {
    const { range, interval, groupBy } = parseMetricsArgs(input)
    const buckets = countBuckets(range, interval)
    return { buckets, groups: groupBy.length === 0 ? 1 : groupsOf(groupBy, input.filter ?? []) }
  } catch {
    // The query itself reports what is wrong.
    return { buckets: 0, groups: 0 }
  }
}

/** Groups cannot be more than the values that a filter leaves. */
function groupsOf(groupBy: readonly string[], filters: NonNullable<MetricsInput['filter']>) {
  const all = QUERY_LIMITS.groupsMax + 1
  const groups = groupBy.reduce((product, dimension) => {
    const filter = filters.find((each) => each.dimension === dimension)
    return product * (filter?.in.length ?? all)
  }, 1)
  return Math.min(all, groups)
}

/** Groups are counted by the query itself, so what they multiply buckets with is only known now. */
export function tooManyPoints(pointsMax: number): ApiError {
  return new ApiError(
    'QUERY_TOO_LARGE',
    `The result has more than ${pointsMax} points; choose a longer interval or a shorter range, or filter what groupBy lists.`,
    { limit: 'points' },
  )
}
