import { createHash, randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { Viewer } from '../../identity/viewer.ts'
import { toMicros } from '../../queries/instant.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import { periodBefore } from '../../queries/sql/buckets.ts'
import { watermark } from '../../queries/watermark.ts'
import type { Dependency } from '../graphql/context.ts'
import type { Invalidation } from './invalidation.ts'
import type { CacheStore } from './memory-cache.ts'

/** Answers that were given, to be given again for as long as they are true. */
export interface ResultCache {
  /** The text of an answer to the very same question, as old as it says; undefined when there is none that is still true. */
  get(question: CachedQuery): Promise<string | undefined>
  /** @returns the answer's text, with its age: none */
  set(question: CachedQuery, answer: CacheableResult, asOfMs: number): Promise<string>
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
  answered: readonly Dependency[]
}

export interface ResultCacheDeps {
  db: Database
  store: CacheStore
  invalidation: Invalidation
  now?: () => number
}

/** Stands before the text of an answer, on a line of its own. */
interface Head {
  asOfMs: number
  /** By whose clock. */
  by: string
  about: { tenantId: number; startMs: number; endMs: number }[]
}

/** What clocks of several cores may differ by. */
const CLOCK_MS = 1_000

/**
 * The final bytes of an answer, by who may see it, the question and its variables. An answer is good
 * until something was stored in a range of time that it speaks of, or its own time is over: an hour
 * by days, five minutes by hours, seconds where events are still awaited. A late event that revises a
 * bucket years back ends those answers, and no others.
 */
export function createResultCache({
  db,
  store: cache,
  invalidation: changes,
  now = Date.now,
}: ResultCacheDeps): ResultCache {
  const me = randomUUID()

  function isTrue({ asOfMs, by, about }: Head): boolean {
    const since = by === me ? asOfMs : asOfMs - CLOCK_MS
    return about.every(({ tenantId, ...range }) => changes.unchanged(tenantId, range, since))
  }

  /** How long it may be kept: the shortest of its parts. */
  async function keepMs(answered: readonly Dependency[]): Promise<number> {
    const marks = new Map<number, number>()
    let ms: number = QUERY_LIMITS.cacheDailyMs
    for (const { viewer, range, interval, final } of answered) {
      const { tenantId, allowedLatenessS } = viewer
      const mark = marks.get(tenantId) ?? (await watermarkMs(db, tenantId, allowedLatenessS))
      marks.set(tenantId, mark)
      const open = !final || mark < msOf(range.end)
      const coarse = ['DAY', 'WEEK', 'MONTH'].includes(interval)
      ms = Math.min(
        ms,
        open
          ? QUERY_LIMITS.cacheOpenMs
          : coarse
            ? QUERY_LIMITS.cacheDailyMs
            : QUERY_LIMITS.cacheHourlyMs,
      )
    }
    return ms
  }

  return {
    async get(question) {
      const bytes = await cache.get(nameOf(question))
      const end = bytes?.indexOf('\n') ?? -1
      if (!bytes || end < 0) return undefined
      const head = JSON.parse(bytes.toString('utf8', 0, end)) as Head
      if (!isTrue(head)) return undefined
      return withAge(bytes.toString('utf8', end + 1), head.asOfMs, now())
    },
    async set(question, { data, extensions, answered }, asOfMs) {
      const text = textOf(data, extensions)
      const head: Head = {
        asOfMs,
        by: me,
        about: answered.map(({ viewer, range, before }) => ({
          tenantId: viewer.tenantId,
          startMs: msOf((before ? periodBefore(range) : range).start),
          endMs: msOf(range.end),
        })),
      }
      // Not waited for: whoever asked has the answer.
      void keepMs(answered)
        .then((ms) =>
          cache.set(nameOf(question), Buffer.from(`${JSON.stringify(head)}\n${text}`), ms),
        )
        // Postgres is away; the next one works it out again.
        .catch(() => {})
      return withAge(text, asOfMs, asOfMs)
    },
  }
}

/** Key and tenant, or the operator: nobody finds what another one was told. */
function nameOf({ viewer, query, variables, operationName }: CachedQuery): string {
  const who = viewer.kind === 'KEY' ? `tenant ${viewer.own.tenantId}` : 'operator'
  const asked = JSON.stringify([who, query, sorted(variables ?? {}), operationName ?? null])
  return createHash('sha256').update(asked).digest('base64url')
}

/** The same variables in another order are the same question. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const names = Object.keys(value).sort()
  return names.map((name) => [name, sorted((value as Record<string, unknown>)[name])])
}

/** Up to where the age stands; it is all that differs from one time to the next. */
function textOf(data: unknown, extensions: Record<string, unknown> = {}): string {
  const others = JSON.stringify(extensions).slice(0, -1)
  return `{"data":${JSON.stringify(data)},"extensions":${others}${others === '{' ? '' : ','}"cache":`
}

function withAge(text: string, asOfMs: number, at: number): string {
  const age = { asOf: new Date(asOfMs).toISOString(), ageMs: Math.max(0, Math.round(at - asOfMs)) }
  return `${text}${JSON.stringify(age)}}}`
}

async function watermarkMs(db: Database, tenantId: number, latenessS: number): Promise<number> {
  const { rows } = await sql<{ ms: number | null }>`
    SELECT (extract(epoch FROM ${watermark(tenantId, latenessS)}) * 1000)::float8 AS ms`.execute(db)
  return rows[0]?.ms ?? Number.NEGATIVE_INFINITY
}

function msOf(instant: string): number {
  return Number(toMicros(instant)) / 1000
}
