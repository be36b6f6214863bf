import { createGraphQL } from '../../../core/api/graphql/server.ts'
import { createLiveHub } from '../../../core/api/live/hub.ts'
import { createInvalidation } from '../../../core/api/result-cache/invalidation.ts'
import { createMemoryStore } from '../../../core/api/result-cache/memory-store.ts'
import { createResultCache } from '../../../core/api/result-cache/result-cache.ts'
import { createDatabase, type Database } from '../../../core/db/database.ts'
import { createKey } from '../../../core/identity/api-keys.ts'
import { createPostgresLog } from '../../../core/log/postgres/postgres-log.ts'
import type { MetricsInput } from '../../../core/queries/metrics/metrics-args.ts'
import { TENANT } from './fill.ts'

export interface CachedApi {
  /** A request as a client sends it. @returns how long it took, in milliseconds */
  request(args: MetricsInput): Promise<number>
  close(): Promise<void>
}

const DOCUMENT = `query Points($name: String!, $startTime: DateTime!, $endTime: DateTime!, $interval: Interval,
  $timeZone: String, $aggregate: Aggregate, $groupBy: [String!], $filter: [DimensionFilter!]) {
  metrics(name: $name, startTime: $startTime, endTime: $endTime, interval: $interval, timeZone: $timeZone,
    aggregate: $aggregate, groupBy: $groupBy, filter: $filter) { timestamp value isFinal dimensions }
}`

/** GraphQL in front of the database, with the result cache in memory and a key that may read. */
export async function openCachedApi(url: string, db: Database): Promise<CachedApi> {
  const identityDb = createDatabase(url, { max: 2 })
  const log = await createPostgresLog({ url, onError: console.error })
  const logger = { warn: console.error, error: console.error }
  const live = createLiveHub({ db, databaseUrl: url, log, logger })
  const invalidation = createInvalidation({ databaseUrl: url, logger })
  const resultCache = createResultCache({ db, store: createMemoryStore(), invalidation })
  const graphql = createGraphQL({ db, identityDb, live, log, logger, resultCache })
  const { key } = await createKey(identityDb, { tenant: TENANT, name: 'bench', scopes: ['read'] })
  return {
    async request(variables) {
      const began = performance.now()
      const response = await graphql.fetch(
        new Request('http://localhost/graphql', {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: JSON.stringify({ query: DOCUMENT, variables }),
        }),
      )
      const text = await response.text()
      const took = performance.now() - began
      if (response.status !== 200 || text.includes('"errors"')) throw new Error(text.slice(0, 500))
      return took
    },
    async close() {
      await Promise.all([live.close(), invalidation.close(), log.close()])
      await identityDb.destroy()
    },
  }
}
