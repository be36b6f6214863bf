import type { GraphQLResolveInfo } from 'graphql'
import { type Database, withConcurrencyLimit, withSignal, withTenant } from '../../db/database.ts'
import {
  databaseScopeOf,
  type Identity,
  OPERATOR_SCOPE,
  scopeOf,
  type TenantViewer,
  tenantViewer,
  type Viewer,
} from '../../identity/viewer.ts'
import { createFairLimiter } from '../../lib/fair-limiter.ts'
import type { SecurityLog } from '../../lib/security-log.ts'
import type { Log } from '../../log/log.ts'
import { type ChangeLimit, createChangeLimit } from '../../metrics/change-limit.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import { createPointsPlan, type PointsPlan } from '../../queries/metrics/metrics-points.ts'
import type { QueryResult } from '../../queries/query-result.ts'
import type { LiveHub } from '../live/hub.ts'
import type { HeldShare } from '../live/shares.ts'
import { createResponseBudget, type ResponseBudget } from './json-value.ts'
import { createOperationReport, type OperationReport } from './operation-report.ts'
import { createSlowQueries, queryNameOf } from './slow-queries.ts'

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
  /** Declares and retires metrics, whose locks keep nothing else waiting; `identityDb` unless given. */
  metricsDb?: Database
  /** For people, sessions and invitations, limited for each sender; `identityDb` unless given. */
  peopleDb?: Database
  /** Of declaring and retiring metrics; the default of a process unless given. */
  metricChanges?: ChangeLimit
  securityLog?: SecurityLog
  live: LiveHub
  log: Pick<Log, 'batches' | 'offsets' | 'identity'>
  /** Called each time, because the edge may start later. */
  onboarding?: () => Onboarding | undefined
  /** Where events are sent, if known; that of `onboarding` unless given. */
  edgeUrl?: () => string | undefined
  /** How browsers reach core, for links; as this request did unless given. */
  publicUrl?: string | undefined
}

/** The sender of a request, who was identified before anything of its body was read. */
export interface Sender extends Identity {
  requestId: string | undefined
  /** IP address of the client. */
  address: string | undefined
  /** How this request reached core, such as `http://127.0.0.1:8080`. */
  origin?: string | undefined
  /**
   * The same sender, with the rights of this moment, for what goes on for a while.
   * @throws UNAUTHENTICATED, FORBIDDEN once there are none; anything else when that cannot be found out
   */
  reload(): Promise<Sender>
  /** For that: when the rights were looked up, by performance.now(). */
  loadedAt: number
  /** Of a WebSocket, which counts as a subscription itself. */
  heldShare?: HeldShare
}

/** What every resolver gets, one for each operation. */
export interface RequestContext extends ContextDeps {
  metricChanges: ChangeLimit
  sender: Sender
  viewer: Viewer
  /**
   * The sender as a viewer of this tenant.
   * @throws FORBIDDEN for another tenant than the key's own; BAD_USER_INPUT for one that the sender may not see
   */
  tenant(tenant: string | null | undefined): Promise<TenantViewer>
  /** Connections for people, sessions and invitations, of which the other ones see nothing. */
  peopleDb: Database
  /**
   * Executes a query for a field, and adds what its result depends on to the report.
   * @throws QUERY_TOO_SLOW at once where Postgres stopped the same query twice lately
   */
  run<V, Args, Result extends QueryResult<unknown>>(
    query: (db: Database, viewer: V, args: Args) => Promise<Result>,
    viewer: V,
    args: Args,
    field: Pick<GraphQLResolveInfo, 'path'>,
  ): Promise<Result>
  report: OperationReport
  /** Where a permission was missing first, for the security log. */
  denial: { tenant?: string }
  /** Of the whole operation. */
  points: PointsPlan
  budget: ResponseBudget
}

/** @returns creates the context; once its signal aborts, because the client left, statements are cancelled */
export function createContextFactory(
  deps: ContextDeps,
): (sender: Sender, signal: AbortSignal) => RequestContext {
  const limiter = createFairLimiter({
    concurrentMax: QUERY_LIMITS.concurrentQueriesMax,
    queuedMax: QUERY_LIMITS.queuedQueriesMax,
    queueMsMax: QUERY_LIMITS.queueMsMax,
    totalMax: QUERY_LIMITS.connectionsMax,
    reservedFor: OPERATOR_SCOPE,
    heldMsPerMinuteMax: QUERY_LIMITS.statementMsPerMinuteMax,
  })
  const peopleLimiter = createFairLimiter({
    concurrentMax: QUERY_LIMITS.peopleConcurrentMax,
    queuedMax: QUERY_LIMITS.peopleQueuedMax,
    queueMsMax: QUERY_LIMITS.queueMsMax,
    totalMax: QUERY_LIMITS.peopleConnectionsMax,
    reservedFor: OPERATOR_SCOPE,
  })
  const people = deps.peopleDb ?? deps.identityDb ?? deps.db
  const slowQueries = createSlowQueries()
  const { metricChanges = createChangeLimit() } = deps
  return (sender, signal) => {
    const { viewer } = sender
    const scope = scopeOf(viewer)
    const report = createOperationReport()
    const limited = withConcurrencyLimit(deps.db, async () => {
      const release = await limiter.acquire(scope, signal)
      const began = performance.now()
      return () => {
        report.addStatementMs(performance.now() - began)
        release()
      }
    })
    const dbOf = (about?: TenantViewer | 'viewer') =>
      withSignal(
        withTenant(limited, async () => databaseScopeOf(viewer, about)),
        signal,
      )
    const db = dbOf()
    const findTenant = memoize((slug: string | null | undefined) => tenantViewer(db, viewer, slug))
    return {
      ...deps,
      metricChanges,
      db,
      peopleDb: withSignal(
        withConcurrencyLimit(people, () => peopleLimiter.acquire(scope, signal)),
        signal,
      ),
      sender,
      viewer,
      report,
      denial: {},
      points: createPointsPlan(),
      budget: createResponseBudget(),
      tenant: findTenant,
      async run(query, viewer, args, { path }) {
        const ofTenant = isTenantViewer(viewer) ? viewer : undefined
        const name = queryNameOf(query.name, ofTenant ?? scope, args)
        const own = dbOf(ofTenant ?? 'viewer')
        const result = await slowQueries.run({ name, scope }, () => query(own, viewer, args))
        report.add(String(path.key), result)
        return result
      },
    }
  }
}

function isTenantViewer(viewer: unknown): viewer is TenantViewer {
  return typeof viewer === 'object' && viewer !== null && 'tenantId' in viewer
}

/** Asks once for each argument. */
function memoize<A, R>(find: (argument: A) => R): (argument: A) => R {
  const found = new Map<A, R>()
  return (argument) => {
    const known = found.get(argument)
    if (known !== undefined) return known
    const result = find(argument)
    found.set(argument, result)
    return result
  }
}
