import type { ResultOf } from 'gql.tada'
import { execute, mutate, type Result } from '../../../lib/api/client.ts'
import { graphql } from '../../../lib/api/graphql.ts'
import type { ExploreQuery } from '../query-state.ts'

export const DEFINITION = graphql(`
  fragment DeclaredMetric on MetricDefinition {
    name version state dimensions backfill { daysDone daysTotal events }
  }
`)
export type DeclaredMetric = ResultOf<typeof DEFINITION>

const DECLARE = graphql(
  `
    mutation ExploreDeclare($tenant: ID, $definition: MetricDefinitionInput!) {
      declareMetric(tenant: $tenant, definition: $definition) { ...DeclaredMetric }
    }
  `,
  [DEFINITION],
)

const DECLARED = graphql(
  `
    query ExploreDeclared($tenant: ID, $name: String!) {
      metricDefinitions(tenant: $tenant, name: $name) { ...DeclaredMetric }
    }
  `,
  [DEFINITION],
)

/** What the query filters is in the metric, what it groups by are its dimensions. */
export const isDeclarable = ({ filters, name }: ExploreQuery): boolean =>
  filters.every((filter) => !filter.in.includes(null)) && name !== undefined

export async function declareMetric(
  tenant: string,
  name: string,
  query: ExploreQuery,
): Promise<Result<DeclaredMetric>> {
  const definition = {
    name,
    events: query.name === undefined ? null : [query.name],
    filter: query.filters.map(({ dimension, in: values }) => ({
      dimension,
      in: values.filter((value) => value !== null),
    })),
    dimensions: [...query.groupBy],
  }
  const result = await mutate(DECLARE, { tenant, definition })
  return result.ok ? { ok: true, data: result.data.declareMetric } : result
}

export async function fetchDeclared(variables: {
  tenant: string
  name: string
}): Promise<Result<DeclaredMetric | undefined>> {
  const result = await execute(DECLARED, variables)
  return result.ok ? { ok: true, data: result.data.metricDefinitions[0] } : result
}
