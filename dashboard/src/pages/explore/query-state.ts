/** What is asked, as the URL has it: a link shows the same to everyone who may see it. */
export interface ExploreQuery {
  /** Undefined: all events. */
  name: string | undefined
  aggregate: Aggregate
  filters: readonly Filter[]
  groupBy: readonly string[]
  /** Undefined: one that suits the range. */
  interval: ExploreInterval | undefined
}

export interface Filter {
  dimension: string
  /** Alternatives; null stands for events without the dimension. */
  in: readonly (string | null)[]
}

/** A point of the result: its bucket, and the values of its group, if there are groups. */
export interface SelectedPoint {
  /** Start of the bucket, milliseconds. */
  time: number
  /** Undefined: all groups together. */
  group: readonly (string | null)[] | undefined
}

/** A part of the range whose change is explained. Milliseconds. */
export interface Region {
  from: number
  to: number
}

export const AGGREGATES = {
  COUNT: 'Count',
  UNIQUES: 'Unique actors',
  SUM: 'Sum',
  AVG: 'Average',
  MIN: 'Minimum',
  MAX: 'Maximum',
  P50: 'Median',
  P95: '95th percentile',
  P99: '99th percentile',
} as const
export type Aggregate = keyof typeof AGGREGATES

export const INTERVALS = {
  MINUTE: 'minute',
  QUARTER_HOUR: '15 minutes',
  HOUR: 'hour',
  DAY: 'day',
  WEEK: 'week',
  MONTH: 'month',
  TOTAL: 'whole range',
} as const
export type ExploreInterval = keyof typeof INTERVALS

/** As the server limits them. */
export const FILTERS_MAX = 8
export const FILTER_VALUES_MAX = 100
export const GROUP_BY_MAX = 4
export const DIMENSION_CHARS_MAX = 256

/** Whether the values of groups add up to the value of all. */
export const isAdditive = (aggregate: Aggregate): boolean =>
  aggregate === 'COUNT' || aggregate === 'SUM'

/** Whether a bucket without events has the value 0; an average of nothing is no number. */
export const isZeroWithoutEvents = (aggregate: Aggregate): boolean =>
  isAdditive(aggregate) || aggregate === 'UNIQUES'

/** What is not understood is left out, so that an old link still shows something. */
export function parseQuery(params: URLSearchParams): ExploreQuery {
  const filters = new Map<string, (string | null)[]>()
  for (const text of params.getAll('filter')) {
    const { dimension, value } = parseFilter(text)
    if (dimension === '' || dimension.length > DIMENSION_CHARS_MAX) continue
    const values = filters.get(dimension) ?? []
    if (!filters.has(dimension) && filters.size >= FILTERS_MAX) continue
    if (values.length < FILTER_VALUES_MAX && !values.includes(value)) values.push(value)
    filters.set(dimension, values)
  }
  const groupBy = [...new Set(params.getAll('by'))].filter(
    (dimension) => dimension !== '' && dimension.length <= DIMENSION_CHARS_MAX,
  )
  return {
    name: params.get('name') || undefined,
    aggregate: memberOf(AGGREGATES, params.get('aggregate')) ?? 'COUNT',
    filters: [...filters].map(([dimension, values]) => ({ dimension, in: values })),
    groupBy: groupBy.slice(0, GROUP_BY_MAX),
    interval: memberOf(INTERVALS, params.get('interval')),
  }
}

/** The parameters of a query; null removes one. */
export function queryParams(query: ExploreQuery): Record<string, string | string[] | null> {
  return {
    name: query.name ?? null,
    aggregate: query.aggregate === 'COUNT' ? null : query.aggregate.toLowerCase(),
    filter: query.filters.flatMap((filter) =>
      filter.in.map((value) => filterText(filter.dimension, value)),
    ),
    by: [...query.groupBy],
    interval: query.interval?.toLowerCase() ?? null,
  }
}

/** `plan:pro`, or `plan` for events without a plan; a colon within the dimension is escaped. */
function filterText(dimension: string, value: string | null): string {
  const escaped = dimension.replaceAll('%', '%25').replaceAll(':', '%3A')
  return value === null ? escaped : `${escaped}:${value}`
}

function parseFilter(text: string): { dimension: string; value: string | null } {
  const at = text.indexOf(':')
  const escaped = at < 0 ? text : text.slice(0, at)
  const dimension = escaped.replaceAll('%3A', ':').replaceAll('%25', '%')
  return { dimension, value: at < 0 ? null : text.slice(at + 1) }
}

/** @param groupSize how many dimensions the query groups by */
export function parsePoint(params: URLSearchParams, groupSize: number): SelectedPoint | undefined {
  const time = Date.parse(params.get('at') ?? '')
  if (Number.isNaN(time)) return undefined
  const group = parseGroup(params.get('group'))
  return { time, group: group?.length === groupSize && groupSize > 0 ? group : undefined }
}

function parseGroup(text: string | null): (string | null)[] | undefined {
  try {
    const group: unknown = JSON.parse(text ?? 'null')
    const isValue = (value: unknown) => value === null || typeof value === 'string'
    return Array.isArray(group) && group.every(isValue) ? group : undefined
  } catch {
    return undefined
  }
}

export function pointParams(
  point: SelectedPoint | undefined,
): Record<'at' | 'group', string | null> {
  return {
    at: point === undefined ? null : new Date(point.time).toISOString(),
    group: point?.group === undefined ? null : JSON.stringify(point.group),
  }
}

/** `region=2026-11-20T10:00:00Z/2026-11-20T12:00:00Z` */
export function parseRegion(params: URLSearchParams): Region | undefined {
  const [from = Number.NaN, to = Number.NaN] = (params.get('region') ?? '')
    .split('/')
    .map(Date.parse)
  return from < to && from >= 0 ? { from, to } : undefined
}

export const regionParams = (region: Region | undefined): Record<'region', string | null> => ({
  region: region
    ? `${new Date(region.from).toISOString()}/${new Date(region.to).toISOString()}`
    : null,
})

/** The moment of an earlier result, with all digits of its `asOf`. */
export function parseSince(params: URLSearchParams): string | undefined {
  const since = params.get('since') ?? ''
  return /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(since) && Date.parse(since) >= 0 ? since : undefined
}

function memberOf<T extends object>(members: T, text: string | null): keyof T | undefined {
  const name = text?.toUpperCase() ?? ''
  return Object.hasOwn(members, name) ? (name as keyof T) : undefined
}
