import type { GraphQLResolveInfo } from 'graphql'
import { type Database, withConcurrencyLimit, withTenant } from '../../db/database.ts'
import { createKeyUseRecorder } from '../../identity/key-directory.ts'
import {
  databaseScopeOf,
  identifyViewer,
  OPERATOR_SCOPE,
  scopeOf,
  type TenantViewer,
  tenantViewer,
  type Viewer,
} from '../../identity/viewer.ts'
import { ApiError } from '../../lib/api-error.ts'
import { createFairLimiter } from '../../lib/fair-limiter.ts'
import type { Log } from '../../log/log.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { QueryResult } from '../../queries/query-result.ts'
import type { LiveHub } from '../live/hub.ts'
import { createOperationReport, type OperationReport } from './operation-report.ts'

/** What a person needs to send a first event. Shown to signed-in browsers only. */
export interface Onboarding {
  edgeUrl: string
  tenant: string
  writeKey: string
}

export interface ContextDeps {
  /** In the context of an operation, its connections are limited for each tenant. */
  db: Database
  /** Finds keys and sessions, which `db` may not read; `db` unless given. */
  identityDb?: Database
  live: LiveHub
  log: Pick<Log, 'offsets' | 'identity'>
  /** Called each time, because the edge may start later. */
  onboarding?: () => Onboarding | undefined
}

/** What every resolver gets, one for each operation. */
export interface RequestContext extends ContextDeps {
  /** The sender. @throws UNAUTHENTICATED, FORBIDDEN */
  viewer(): Promise<Viewer>
  /** The sender as a viewer of this tenant. @throws FORBIDDEN for another tenant than the key's own */
  tenant(tenant: string | null | undefined): Promise<TenantViewer>
  /** Checks the sender's credentials again, for subscriptions. Rejects when they cannot be checked. */
  isStillAuthorized(): Promise<boolean>
  /** Executes a query for a field, and adds what its result depends on to the report. */
  run<V, Args, Result extends QueryResult<unknown>>(
    query: (db: Database, viewer: V, args: Args) => Promise<Result>,
    viewer: V,
    args: Args,
    field: Pick<GraphQLResolveInfo, 'path'>,
  ): Promise<Result>
  report: OperationReport
}

export function createContextFactory(deps: ContextDeps): (headers: Headers) => RequestContext {
  const { identityDb = deps.db } = deps
  const viewerDeps = { db: identityDb, recordUse: createKeyUseRecorder(identityDb) }
  const limiter = createFairLimiter({
    concurrentMax: QUERY_LIMITS.concurrentQueriesMax,
    queuedMax: QUERY_LIMITS.queuedQueriesMax,
    queueMsMax: QUERY_LIMITS.queueMsMax,
    totalMax: QUERY_LIMITS.connectionsMax,
    reservedFor: OPERATOR_SCOPE,
    heldMsPerMinuteMax: QUERY_LIMITS.statementMsPerMinuteMax,
  })
  return (headers) => {
    let identified: Promise<Viewer> | undefined
    const viewer = () => {
      identified ??= identifyViewer(viewerDeps, headers)
      return identified
    }
    // The sender is identified outside the limit, because the limit is the sender's.
    const limited = withConcurrencyLimit(deps.db, async () =>
      limiter.acquire(scopeOf(await viewer())),
    )
    const db = withTenant(limited, async () => databaseScopeOf(await viewer()))
    const report = createOperationReport()
    return {
      ...deps,
      db,
      viewer,
      report,
      tenant: async (tenant) => tenantViewer(db, await viewer(), tenant),
      async isStillAuthorized() {
        try {
          await identifyViewer(viewerDeps, headers)
          return true
        } catch (error) {
          if (error instanceof ApiError && ['UNAUTHENTICATED', 'FORBIDDEN'].includes(error.code))
            return false
          throw error
        }
      },
      async run(query, viewer, args, { path }) {
        const result = await query(db, viewer, args)
        report.add(String(path.key), result)
        return result
      },
    }
  }
}
