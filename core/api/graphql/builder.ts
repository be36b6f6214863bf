import SchemaBuilder from '@pothos/core'
import ComplexityPlugin from '@pothos/plugin-complexity'
import RelayPlugin from '@pothos/plugin-relay'
import { type GraphQLError, Kind, type ValueNode } from 'graphql'
import { createGraphQLError } from 'graphql-yoga'
import { readTime } from '../../../contract/event/time.ts'
import { ApiError } from '../../lib/api-error.ts'
import type { Instant } from '../../queries/instant.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { DimensionFilter } from '../../queries/sql/dimensions.ts'
import type { RequestContext } from './context.ts'
import { toGraphQLError } from './graphql-error.ts'
import type { JsonValue } from './json-value.ts'

export interface SchemaTypes {
  Context: RequestContext
  Scalars: {
    DateTime: { Input: Instant; Output: Instant }
    JSON: { Input: unknown; Output: JsonValue }
    ID: { Input: string; Output: string }
  }
  Inputs: {
    DimensionFilter: DimensionFilter
  }
  DefaultFieldNullability: false
  DefaultEdgesNullability: false
}

export type Builder = ReturnType<typeof createBuilder>

/** Queries over the limits are rejected with 422 before the first resolver runs. */
export function createBuilder() {
  const builder = new SchemaBuilder<SchemaTypes>({
    plugins: [ComplexityPlugin, RelayPlugin],
    defaultFieldNullability: false,
    relay: {
      nodeQueryOptions: false,
      nodesQueryOptions: false,
      edgesFieldOptions: { nullable: false },
      nodeFieldOptions: { nullable: false },
    },
    complexity: {
      limit: {
        complexity: QUERY_LIMITS.complexityMax,
        depth: QUERY_LIMITS.depthMax,
        breadth: QUERY_LIMITS.breadthMax,
      },
      complexityError: (kind, found) =>
        toGraphQLError(
          new ApiError(
            'QUERY_TOO_LARGE',
            `The query is too large: complexity ${found.complexity} of ${QUERY_LIMITS.complexityMax}, depth ${found.depth} of ${QUERY_LIMITS.depthMax}, ${found.breadth} fields of ${QUERY_LIMITS.breadthMax}.`,
            { limit: kind.toLowerCase() },
          ),
        ),
    },
  })
  builder.scalarType('DateTime', {
    description:
      'RFC 3339 in UTC, with at most six digits of a second; other offsets are converted.',
    serialize: (value) => value,
    parseValue: readDateTime,
    parseLiteral: (node: ValueNode) => {
      if (node.kind !== Kind.STRING) throw invalidDateTime('must be a string')
      return readDateTime(node.value)
    },
  })
  builder.scalarType('JSON', { description: 'Any JSON value.', serialize: (value) => value })
  return builder
}

function readDateTime(value: unknown): Instant {
  if (typeof value !== 'string') throw invalidDateTime('must be a string')
  const read = readTime(value)
  if (!read.ok) throw invalidDateTime(read.detail)
  return read.time
}

/** graphql-js puts the argument's name in front of the message. */
function invalidDateTime(detail: string): GraphQLError {
  return createGraphQLError(`DateTime ${detail}`, { extensions: { code: 'BAD_USER_INPUT' } })
}
