import type { ResultOf } from 'gql.tada'
import { execute, mutate, type Result } from '../../../lib/api/client.ts'
import { graphql } from '../../../lib/api/graphql.ts'

const METRIC = graphql(`
  fragment SettingsMetric on MetricDefinition {
    name version state events filter { dimension in } value dimensions
    activatedAt completeSince series seriesMax
    backfill { daysDone daysTotal events }
  }
`)
export type Metric = ResultOf<typeof METRIC>

/** As the API takes it. */
export interface MetricDraft {
  name: string
  /** None: events of all names. */
  events: string[]
  filter: { dimension: string; in: string[] }[]
  value: string
  dimensions: string[]
}

/** As the server limits them. */
export const EVENTS_MAX = 100
export const FILTERS_MAX = 8
export const FILTER_VALUES_MAX = 100
export const DIMENSIONS_MAX = 4
export const NAME_CHARS_MAX = 200

const LIST = graphql(
  `
    query SettingsMetrics($tenant: ID) {
      metricDefinitions(tenant: $tenant) { ...SettingsMetric }
    }
  `,
  [METRIC],
)

const DECLARE = graphql(
  `
    mutation SettingsDeclare($tenant: ID, $definition: MetricDefinitionInput!) {
      declareMetric(tenant: $tenant, definition: $definition) { ...SettingsMetric }
    }
  `,
  [METRIC],
)

const RETIRE = graphql(`
  mutation SettingsRetire($tenant: ID, $name: String!) { retireMetric(tenant: $tenant, name: $name) }
`)

export async function fetchMetrics(variables: { tenant: string }): Promise<Result<Metric[]>> {
  const result = await execute(LIST, variables)
  return result.ok ? { ok: true, data: result.data.metricDefinitions } : result
}

export async function declareMetric(
  tenant: string,
  { events, ...draft }: MetricDraft,
): Promise<Result<Metric>> {
  const definition = { ...draft, events: events.length > 0 ? events : null }
  const result = await mutate(DECLARE, { tenant, definition })
  return result.ok ? { ok: true, data: result.data.declareMetric } : result
}

export const retireMetric = (variables: { tenant: string; name: string }) =>
  mutate(RETIRE, variables)

export const emptyDraft = (): MetricDraft => ({
  name: '',
  events: [],
  filter: [],
  value: 'value',
  dimensions: [],
})

export const draftOf = ({ name, events, filter, value, dimensions }: Metric): MetricDraft => ({
  name,
  events: events ?? [],
  filter,
  value,
  dimensions,
})
