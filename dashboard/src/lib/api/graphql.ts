import { type DocumentInput, gql } from '@urql/core'
import type { initGraphQLTada } from 'gql.tada'
import type { introspection } from './graphql-env.d.ts'

type Graphql = ReturnType<
  typeof initGraphQLTada<{
    introspection: introspection
    disableMasking: true
    scalars: {
      /** RFC 3339, UTC. */
      DateTime: string
      JSON: Record<string, unknown>
    }
  }>
>

/**
 * A GraphQL document whose result and variables are typed from the schema (graphql-env.d.ts).
 * gql.tada gives the types only; urql parses, so the bundle holds one parser.
 */
export const graphql = ((source: string, fragments: readonly DocumentInput[] = []) =>
  gql(
    [source, ...fragments.map(() => '')] as unknown as TemplateStringsArray,
    ...fragments,
  )) as unknown as Graphql
