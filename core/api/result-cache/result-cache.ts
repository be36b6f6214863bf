import { createHash, randomUUID } from 'node:crypto'
import type { Database } from '../../db/database.ts'
import { resultScopeOf, type Viewer } from '../../identity/viewer.ts'
import { toMicros } from '../../queries/instant.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { Dependency } from '../../queries/query-result.ts'
import { tenantWatermarkMs } from '../../queries/tenant-watermark.ts'
import type { CacheStore } from './cache-store.ts'
import { createClockTranslator, monotonicNow } from './clock-translator.ts'
import type { Invalidation } from './invalidation.ts'

/** Results of queries, served again for as long as they are true. */
export interface ResultCache {
  /** To be called before the query is executed, for `set`. Milliseconds of a clock that never steps. */
  now(): number
  /** @returns the text of a result of the very same query, with its age; undefined without one that is still true */
  get(query: CachedQuery): Promise<string | undefined>
  /** @returns the result's text, with an age of 0 */
  set(query: CachedQuery, result: CacheableResult, asOfMs: number): Promise<string>
}

export interface CachedQuery {
  viewer: Viewer
  query: string
  variables: unknown
  operationName: string | null | undefined
}

export interface CacheableResult {
  data: unknown
  extensions: Record<string, unknown> | undefined
  dependencies: readonly Dependency[]
  /** What its statements took, in milliseconds, where single events were read; else 0. */
  costMs: number
}

export interface ResultCacheDeps {
  db: Database
  store: CacheStore
  invalidation: Invalidation
  now?: () => number
}

/** Precedes the text of a result, on a line of its own. */
interface Header {
  /** When the query was begun, by the writer's monotonic clock, and by Postgres'. */
  asOfMs: number
  asOfDatabaseMs: number
  /** The same for people. */
  asOf: string
  /** The core whose monotonic clock this is. */
  writer: string
  dependsOn: { tenantId: number; startMs: number; endMs: number }[]
  /** It is served for so long whatever is stored. */
  keptMs: number
}

/**
 * The final bytes of a result, by viewer, query and variables. A result is served until an event was stored in a range
 * of time that it depends on, or its own time is over: an hour for days and longer intervals, five minutes for shorter
 * ones, seconds while events are still expected. A late event that revises a bucket years back invalidates the results
 * that cover it, and no others. What was expensive is served for a while whatever is stored, with its age: else a
 * query over the events of a day would be executed again for every event.
 */
export function createResultCache({
  db,
  store,
  invalidation,
  now = monotonicNow,
}: ResultCacheDeps): ResultCache {
  const self = randomUUID()
  const clock = createClockTranslator(db, now)

  /** By our clock: cores share none but Postgres'. */
  function begunAt({ asOfMs, asOfDatabaseMs, writer }: Header): number | Promise<number> {
    return writer === self ? asOfMs : clock.fromDatabase(asOfDatabaseMs)
  }

  return {
    now,
    async get(query) {
      const bytes = await store.get(nameOf(query))
      const end = bytes?.indexOf('\n') ?? -1
      if (!bytes || end < 0) return undefined
      const header = JSON.parse(bytes.toString('utf8', 0, end)) as Header
      let since: number
      try {
        since = await begunAt(header)
      } catch {
        // Postgres is unavailable: execution reports it.
        return undefined
      }
      const isStillTrue = header.dependsOn.every(({ tenantId, ...range }) =>
        invalidation.unchanged(tenantId, range, since),
      )
      if (!isStillTrue && now() - since >= header.keptMs) return undefined
      return withAge(bytes.toString('utf8', end + 1), header.asOf, now() - since)
    },
    async set(query, { data, extensions, dependencies, costMs }, asOfMs) {
      const text = textOf(data, extensions)
      const asOf = new Date(Date.now() - (now() - asOfMs)).toISOString()
      const save = async () => {
        const keptMs = keptMsOf(costMs)
        const lifetime = Math.max(keptMs, await lifetimeMs(db, dependencies))
        const header: Header = {
          asOfMs,
          asOfDatabaseMs: await clock.toDatabase(asOfMs),
          asOf,
          writer: self,
          dependsOn: rangesOf(dependencies),
          keptMs,
        }
        const entry = Buffer.from(`${JSON.stringify(header)}\n${text}`)
        await store.set(nameOf(query), entry, lifetime)
      }
      // Not awaited: the client has its result. When Postgres is unavailable the next query is executed.
      save().catch(() => {})
      return withAge(text, asOf, 0)
    },
  }
}

/** How long a result may be cached: the shortest time of its dependencies. */
async function lifetimeMs(db: Database, dependencies: readonly Dependency[]): Promise<number> {
  const watermarks = new Map<number, number>()
  let ms: number = QUERY_LIMITS.cacheDailyMs
  for (const { viewer, range, interval, final } of dependencies) {
    const { tenantId } = viewer
    const watermark = watermarks.get(tenantId) ?? (await tenantWatermarkMs(db, viewer))
    watermarks.set(tenantId, watermark)
    const isOpen = !final || watermark < msOf(range.end)
    const isCoarse = ['DAY', 'WEEK', 'MONTH'].includes(interval)
    ms = Math.min(
      ms,
      isOpen
        ? QUERY_LIMITS.cacheOpenMs
        : isCoarse
          ? QUERY_LIMITS.cacheDailyMs
          : QUERY_LIMITS.cacheHourlyMs,
    )
  }
  return ms
}

/** A multiple of what it cost, within limits. */
function keptMsOf(costMs: number): number {
  const { cacheCostMsMin, cacheCostMultiple, cacheCostlyMsMax } = QUERY_LIMITS
  return costMs < cacheCostMsMin ? 0 : Math.min(cacheCostlyMsMax, costMs * cacheCostMultiple)
}

/** Each range once: the fields of `totals` share theirs. */
function rangesOf(dependencies: readonly Dependency[]): Header['dependsOn'] {
  const ranges = dependencies.map(({ viewer: { tenantId }, range: { start, end } }) => {
    return { tenantId, startMs: msOf(start), endMs: msOf(end) }
  })
  return [...new Map(ranges.map((range) => [Object.values(range).join(' '), range])).values()]
}

/** Changes with the form of entries: one in another form must not be found, since several versions may share a Redis. */
const FORMAT = 5

/** Contains the viewer's rights, so that no viewer finds the result of another one, or of a role that was taken away. */
function nameOf({ viewer, query, variables, operationName }: CachedQuery): string {
  const key = [FORMAT, resultScopeOf(viewer), query, sorted(variables ?? {}), operationName ?? null]
  return createHash('sha256').update(JSON.stringify(key)).digest('base64url')
}

/** The same variables in another order are the same query. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const names = Object.keys(value).sort()
  return names.map((name) => [name, sorted((value as Record<string, unknown>)[name])])
}

/** The response up to its age, which is all that differs from one time to the next. */
function textOf(data: unknown, extensions: Record<string, unknown> = {}): string {
  const others = JSON.stringify(extensions).slice(0, -1)
  return `{"data":${JSON.stringify(data)},"extensions":${others}${others === '{' ? '' : ','}"cache":`
}

function withAge(text: string, asOf: string, ageMs: number): string {
  const age = { asOf, ageMs: Math.max(0, Math.round(ageMs)) }
  return `${text}${JSON.stringify(age)}}}`
}

function msOf(instant: string): number {
  return Number(toMicros(instant)) / 1000
}
