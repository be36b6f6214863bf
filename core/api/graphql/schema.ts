import type { GraphQLSchema } from 'graphql'
import { createBuilder } from './builder.ts'
import { protectFields } from './permissions.ts'
import { addApiKeyMutations } from './resolvers/api-key-mutations.ts'
import { addApiKeys } from './resolvers/api-keys.ts'
import { addAuditLog } from './resolvers/audit-log.ts'
import { addBehaviour } from './resolvers/behaviour.ts'
import { addComparisons } from './resolvers/comparisons.ts'
import { addDeadLetters } from './resolvers/dead-letters/dead-letters.ts'
import { addDeadLetterGroups } from './resolvers/dead-letters/groups.ts'
import { addDeadLetterJobs } from './resolvers/dead-letters/jobs.ts'
import { addEvents, addTrustClass } from './resolvers/events.ts'
import { addExplainChange } from './resolvers/explain-change.ts'
import { addExplore } from './resolvers/explore.ts'
import { addFreshness } from './resolvers/freshness.ts'
import { addLive } from './resolvers/live.ts'
import { addMetricDefinitions } from './resolvers/metric-definitions.ts'
import { addMetrics } from './resolvers/metrics.ts'
import { addPeople } from './resolvers/people/people.ts'
import { addPipeline } from './resolvers/pipeline.ts'
import { addProof } from './resolvers/proof.ts'
import { addReceipt } from './resolvers/receipt.ts'
import { addRecentBuckets } from './resolvers/recent-buckets.ts'
import { addEventSchemas } from './resolvers/schemas/event-schemas.ts'
import { addTotals } from './resolvers/totals.ts'
import { addViewer } from './resolvers/viewer.ts'

/** Every field of the API. schema.graphql shows it as clients see it. */
export function createSchema(): GraphQLSchema {
  const builder = createBuilder()
  builder.queryType()
  builder.mutationType()
  builder.subscriptionType()
  addPeople(builder, addViewer(builder))
  const types = addMetrics(builder)
  addComparisons(builder, types)
  addExplainChange(builder, types)
  addExplore(builder)
  addBehaviour(builder)
  addMetricDefinitions(builder)
  addEventSchemas(builder)
  addTotals(builder)
  addRecentBuckets(builder)
  addPipeline(builder)
  addProof(builder)
  addFreshness(builder)
  addDeadLetters(builder)
  addDeadLetterGroups(builder)
  addDeadLetterJobs(builder)
  addApiKeyMutations(builder, addApiKeys(builder))
  addAuditLog(builder)
  const trustClass = addTrustClass(builder)
  const event = addEvents(builder, trustClass)
  addReceipt(builder, trustClass)
  addLive(builder, event)
  return protectFields(builder.toSchema())
}
