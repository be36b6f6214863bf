import type { SeriesVariables } from './queries.ts'

/** The query of the page as scripts and agents send it. Keys stand as $READ_KEY: none is ever in a text of this page. */

type Filters = readonly { dimension: string; in: readonly (string | null)[] }[]

const filtersOf = ({ filter }: SeriesVariables) => [filter ?? []].flat() as Filters
const groupsOf = ({ groupBy }: SeriesVariables) => [groupBy ?? []].flat()

/** Path and query of REST; undefined where its parameters cannot express the query. */
export function restPath(variables: SeriesVariables, tenant?: string): string | undefined {
  const filters = filtersOf(variables)
  const groups = groupsOf(variables)
  const isExpressible =
    !/^\.{1,2}$/.test(variables.name) &&
    groups.every((dimension) => !dimension.includes(',')) &&
    filters.every((each) => !each.dimension.includes(':') && !each.in.includes(null))
  if (!isExpressible) return undefined
  const params = new URLSearchParams({ start: variables.startTime, end: variables.endTime })
  if (variables.interval) params.set('interval', variables.interval.toLowerCase())
  if (variables.timeZone !== 'UTC') params.set('time_zone', variables.timeZone ?? 'UTC')
  if (variables.aggregate !== 'COUNT')
    params.set('aggregate', variables.aggregate?.toLowerCase() ?? 'count')
  if (groups.length > 0) params.set('group_by', groups.join(','))
  for (const { dimension, in: values } of filters)
    for (const value of values) params.append('filter', `${dimension}:${value}`)
  if (tenant !== undefined) params.set('tenant', tenant)
  return `/v1/metrics/${encodeURIComponent(variables.name)}?${params}`
}

export function curlCommand(variables: SeriesVariables, origin: string): string | undefined {
  const path = restPath(variables)
  if (path === undefined) return undefined
  return [
    `curl ${shellQuoted(origin + path)}`,
    '-H "Authorization: Bearer $READ_KEY"',
    "-H 'Accept: text/csv'",
  ].join(' \\\n  ')
}

const shellQuoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** With every value in place, to be pasted as it is. */
export function graphqlDocument(variables: SeriesVariables): string {
  const groups = groupsOf(variables)
  const filters = filtersOf(variables).map(
    (each) => `{ dimension: ${literal(each.dimension)}, in: ${list(each.in)} }`,
  )
  const args = [
    `name: ${literal(variables.name)}`,
    `startTime: ${literal(variables.startTime)}, endTime: ${literal(variables.endTime)}`,
    `interval: ${variables.interval}, timeZone: ${literal(variables.timeZone ?? 'UTC')}`,
    `aggregate: ${variables.aggregate}`,
    ...(groups.length > 0 ? [`groupBy: ${list(groups)}`] : []),
    ...(filters.length > 0 ? [`filter: [${filters.join(', ')}]`] : []),
  ]
  return `{
  metrics(
${args.map((arg) => `    ${arg}`).join('\n')}
  ) { timestamp value dimensions isFinal lateCount revisedAt }
}`
}

/** Strings of JSON are strings of GraphQL. */
const literal = (value: string | null): string => JSON.stringify(value)
const list = (values: readonly (string | null)[]): string => `[${values.map(literal).join(', ')}]`

/** A call of a tool; undefined where its arguments cannot express the query. */
export function mcpCall(variables: SeriesVariables): string | undefined {
  const filters = filtersOf(variables)
  if (filters.some((each) => each.in.includes(null))) return undefined
  const groups = groupsOf(variables)
  return JSON.stringify(
    {
      name: 'query_metric',
      arguments: {
        metric: variables.name,
        start: variables.startTime,
        end: variables.endTime,
        interval: variables.interval?.toLowerCase(),
        time_zone: variables.timeZone,
        aggregate: variables.aggregate?.toLowerCase(),
        ...(groups.length > 0 && { group_by: groups }),
        ...(filters.length > 0 && {
          filter: Object.fromEntries(filters.map((each) => [each.dimension, each.in])),
        }),
      },
    },
    null,
    2,
  )
}
