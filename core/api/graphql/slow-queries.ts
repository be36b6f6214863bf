import { createHash } from 'node:crypto'
import { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import { toApiError } from '../to-api-error.ts'

/** Which queries were too slow lately: trying them again would cost as much as the first time. */
export interface SlowQueries {
  /** @throws QUERY_TOO_SLOW where the same query was, for QUERY_LIMITS.refusedMs */
  check(query: string): void
  /** Remembers the query if this error says that it was too slow. */
  add(query: string, error: unknown): void
}

/** Of this process: another one finds out by itself. */
export function createSlowQueries(now: () => number = () => performance.now()): SlowQueries {
  const { refusedMs, slowQueriesMax } = QUERY_LIMITS
  /** The oldest first. */
  const refused = new Map<string, { error: ApiError; until: number }>()

  return {
    check(query) {
      const { error, until } = refused.get(query) ?? {}
      if (!error || until === undefined) return
      const leftMs = until - now()
      if (leftMs <= 0) {
        refused.delete(query)
        return
      }
      const retryAfterSeconds = Math.ceil(leftMs / 1000)
      throw new ApiError(
        error.code,
        `${error.message} It is not tried again for ${retryAfterSeconds} s.`,
        { ...error.details, retryAfterSeconds },
      )
    },
    add(query, cause) {
      const error = toApiError(cause)
      if (error?.code !== 'QUERY_TOO_SLOW') return
      refused.delete(query)
      refused.set(query, { error, until: now() + refusedMs })
      for (const oldest of refused.keys()) {
        if (refused.size <= slowQueriesMax) return
        refused.delete(oldest)
      }
    },
  }
}

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d):\d\d(?:\.\d+)?Z$/

/** Names a query with its arguments. Ranges that differ by seconds are the same: the dashboard's end now. */
export function queryNameOf(query: string, viewer: unknown, args: unknown): string {
  const minutes = (_: string, value: unknown) =>
    typeof value === 'string' ? value.replace(TIME, '$1') : value
  const text = JSON.stringify([query, viewer ?? null, args ?? null], minutes)
  return createHash('sha256').update(text).digest('base64url')
}
