import type { GraphQLSchema } from 'graphql'
import { createBuilder } from './builder.ts'
import { addBehaviour } from './resolvers/behaviour.ts'
import { addComparisons } from './resolvers/comparisons.ts'
import { addDeadLetters } from './resolvers/dead-letters.ts'
import { addEvents } from './resolvers/events.ts'
import { addExplainChange } from './resolvers/explain-change.ts'
import { addExplore } from './resolvers/explore.ts'
import { addLive } from './resolvers/live.ts'
import { addMetricDefinitions } from './resolvers/metric-definitions.ts'
import { addMetrics } from './resolvers/metrics.ts'
import { addPipeline } from './resolvers/pipeline.ts'
import { addRecentBuckets } from './resolvers/recent-buckets.ts'
import { addTotals } from './resolvers/totals.ts'
import { addViewer } from './resolvers/viewer.ts'

/** Every field of the API. schema.graphql shows it as clients see it. */
export function createSchema(): GraphQLSchema {
  const builder = createBuilder()
  builder.queryType()
  builder.mutationType()
  builder.subscriptionType()
  addViewer(builder)
  const types = addMetrics(builder)
  addComparisons(builder, types)
  addExplainChange(builder, types)
  addExplore(builder)
  addBehaviour(builder)
  addMetricDefinitions(builder)
  addTotals(builder)
  addRecentBuckets(builder)
  addPipeline(builder)
  addDeadLetters(builder)
  const event = addEvents(builder)
  addLive(builder, event)
  return builder.toSchema()
}
