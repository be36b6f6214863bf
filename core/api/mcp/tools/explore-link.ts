/** Parameters of the page Explore, as dashboard/src/pages/explore/query-state.ts reads them. */
export type ExploreParams = Readonly<Record<string, string | readonly string[] | undefined>>

export interface Range {
  start: string
  end: string
}

export interface ExploredQuery extends Range {
  /** `*`: all events. */
  name: string
  timeZone?: string | undefined
  aggregate?: string | undefined
  groupBy?: readonly string[]
  filter?: readonly { dimension: string; in: readonly (string | null)[] }[]
  /** As GraphQL writes it. */
  interval?: string | undefined
}

/** The page that shows the same numbers. It widens the range to whole quarters of an hour. */
export function exploreParams(query: ExploredQuery): ExploreParams {
  const { start, end, timeZone = 'UTC', name, aggregate = 'COUNT', filter = [] } = query
  return {
    from: start,
    to: end,
    zone: timeZone,
    name: name === '*' ? undefined : name,
    aggregate: aggregate === 'COUNT' ? undefined : aggregate.toLowerCase(),
    filter: filter.flatMap((each) => each.in.map((value) => filterText(each.dimension, value))),
    by: query.groupBy,
    interval: query.interval?.toLowerCase(),
  }
}

/** A colon within the dimension is escaped; without a value: events without the dimension. */
function filterText(dimension: string, value: string | null): string {
  const escaped = dimension.replaceAll('%', '%25').replaceAll(':', '%3A')
  return value === null ? escaped : `${escaped}:${value}`
}
