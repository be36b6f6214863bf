import type { GraphQLSchema } from 'graphql'
import { createBuilder } from './builder.ts'
import { addDeadLetters } from './resolvers/dead-letters.ts'
import { addEvents } from './resolvers/events.ts'
import { addLive } from './resolvers/live.ts'
import { addMetrics } from './resolvers/metrics.ts'
import { addPipeline } from './resolvers/pipeline.ts'
import { addRecentBuckets } from './resolvers/recent-buckets.ts'
import { addTotals } from './resolvers/totals.ts'
import { addViewer } from './resolvers/viewer.ts'

/** Every field of the API. schema.graphql shows it as clients see it. */
export function createSchema(): GraphQLSchema {
  const builder = createBuilder()
  builder.queryType()
  builder.subscriptionType()
  addViewer(builder)
  addMetrics(builder)
  addTotals(builder)
  addRecentBuckets(builder)
  addPipeline(builder)
  addDeadLetters(builder)
  const event = addEvents(builder)
  addLive(builder, event)
  return builder.toSchema()
}
