import { type Database, withConcurrencyLimit } from '../../db/database.ts'
import { createKeyUse } from '../../identity/key-directory.ts'
import { type TenantViewer, tenantViewer, type Viewer, viewerOf } from '../../identity/viewer.ts'
import { createFairLimiter } from '../../lib/fair-limiter.ts'
import type { Log } from '../../log/log.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { Interval, Range } from '../../queries/sql/buckets.ts'
import type { LiveHub } from '../live/hub.ts'

/** What a person needs to send a first event. Shown to signed-in browsers only. */
export interface Onboarding {
  edgeUrl: string
  tenant: string
  writeKey: string
}

export interface ContextDeps {
  /** In the context of an operation: in turns, so that nobody takes all connections. */
  db: Database
  live: LiveHub
  log: Pick<Log, 'offsets'>
  /** Asked each time, because the edge may start later. */
  onboarding?: () => Onboarding | undefined
}

/** What every resolver gets, one for each operation. */
export interface RequestContext extends ContextDeps {
  /** Who asks. @throws UNAUTHENTICATED, FORBIDDEN */
  viewer(): Promise<Viewer>
  /** As whom to ask about this tenant. @throws FORBIDDEN for another one than the key's own */
  tenant(tenant: string | null | undefined): Promise<TenantViewer>
  /** Whether whoever asked may still; the subscription asks again now and then. Rejects when nobody can tell. */
  isStillAuthorized(): Promise<boolean>
  /** What `extensions` will say, by the field's key in the answer. */
  notes: Map<string, ResultInfo>
  /** What was answered about whom, and whether more of it may come: how long the answer may be kept. */
  answered: Dependency[]
}

/** A range that an answer speaks of. */
export interface Dependency {
  viewer: TenantViewer
  range: Range
  /** Also of the period of the same length before it. */
  before?: boolean
  interval: Interval
  /** Nothing but late events can still change it. */
  final: boolean
}

/** Where an answer of metrics came from, and what was chosen for whoever asked. */
export interface ResultInfo {
  source: 'rollup' | 'raw' | 'rollup+raw'
  interval: string
  timeZone: string
  /** With groupBy: how many groups there are, and how many are listed; the rest is `(other)`. */
  groups?: { found: number; listed: number }
  /** The range begins before single events are held: what was received earlier is not in this answer. */
  rawSince?: string
}

export function createContexts(deps: ContextDeps): (headers: Headers) => RequestContext {
  const viewerDeps = { db: deps.db, noteUse: createKeyUse(deps.db) }
  const turns = createFairLimiter({
    concurrentMax: QUERY_LIMITS.concurrentQueriesMax,
    queuedMax: QUERY_LIMITS.queuedQueriesMax,
    queueMsMax: QUERY_LIMITS.queueMsMax,
  })
  return (headers) => {
    let viewer: Promise<Viewer> | undefined
    const asking = () => {
      viewer ??= viewerOf(viewerDeps, headers)
      return viewer
    }
    // Who asks is found out without one: the turn is theirs.
    const db = withConcurrencyLimit(deps.db, async () => turns.acquire(nameOf(await asking())))
    return {
      ...deps,
      db,
      viewer: asking,
      tenant: async (tenant) => tenantViewer(db, await asking(), tenant),
      async isStillAuthorized() {
        try {
          await viewerOf(viewerDeps, headers)
          return true
        } catch (error) {
          const { code } = (error as { extensions?: { code?: unknown } }).extensions ?? {}
          if (code === 'UNAUTHENTICATED' || code === 'FORBIDDEN') return false
          throw error
        }
      },
      notes: new Map(),
      answered: [],
    }
  }
}

/** Keys of one tenant take turns with each other. */
function nameOf(viewer: Viewer): string {
  return viewer.kind === 'KEY' ? `tenant ${viewer.own.tenantId}` : 'operator'
}
