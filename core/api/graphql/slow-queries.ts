import { createHash } from 'node:crypto'
import { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import { toApiError } from '../to-api-error.ts'

/** Which queries Postgres stopped lately: trying them again would cost as much as the first time. */
export interface SlowQueries {
  /**
   * Executes the query.
   * @throws QUERY_TOO_SLOW without executing it, for QUERY_LIMITS.refusedMs after it was stopped twice: once may be the
   *   load of others, or a lock
   */
  run<T>(query: NamedQuery, execute: () => Promise<T>): Promise<T>
}

export interface NamedQuery {
  /** By queryNameOf. */
  name: string
  /** Who sent it, by scopeOf; has at most QUERY_LIMITS.slowQueriesPerTenantMax remembered. */
  scope: string
}

interface Stopped {
  scope: string
  error: ApiError
  at: number
  isRefused: boolean
}

/** Of this process: another one finds out by itself. */
export function createSlowQueries(now: () => number = () => performance.now()): SlowQueries {
  const { refusedMs, slowQueriesMax, slowQueriesPerTenantMax } = QUERY_LIMITS
  /** The oldest first. */
  const stopped = new Map<string, Stopped>()

  function check(name: string): void {
    const { error, at, isRefused } = stopped.get(name) ?? {}
    if (!error || at === undefined || !isRefused) return
    const leftMs = at + refusedMs - now()
    if (leftMs <= 0) {
      stopped.delete(name)
      return
    }
    const retryAfterSeconds = Math.ceil(leftMs / 1000)
    throw new ApiError(
      error.code,
      `${error.message} It is not tried again for ${retryAfterSeconds} s.`,
      { ...error.details, retryAfterSeconds },
    )
  }

  function add({ name, scope }: NamedQuery, beganAt: number, error: ApiError): void {
    const earlier = stopped.get(name)
    // Those that ran at the same time met the same load: they count once.
    if (earlier && beganAt < earlier.at) return
    const isRefused = earlier !== undefined && beganAt < earlier.at + refusedMs
    stopped.delete(name)
    stopped.set(name, { scope, error, at: now(), isRefused })
    const own = [...stopped].filter(([, each]) => each.scope === scope)
    if (own.length > slowQueriesPerTenantMax) stopped.delete((own[0] as [string, Stopped])[0])
    for (const oldest of stopped.keys()) {
      if (stopped.size <= slowQueriesMax) return
      stopped.delete(oldest)
    }
  }

  return {
    async run(query, execute) {
      check(query.name)
      const beganAt = now()
      try {
        return await execute()
      } catch (cause) {
        const error = wasStopped(cause) && toApiError(cause)
        if (error) add(query, beganAt, error)
        throw cause
      }
    },
  }
}

/** By statement_timeout or transaction_timeout. An estimate costs little each time, and a silent server is an outage. */
function wasStopped(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown }
  return code === '57014' || code === '25P04'
}

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d):\d\d(?:\.\d+)?Z$/

/** Names a query with its arguments. Ranges that differ by seconds are the same: the dashboard's end now. */
export function queryNameOf(query: string, viewer: unknown, args: unknown): string {
  const minutes = (_: string, value: unknown) =>
    typeof value === 'string' ? value.replace(TIME, '$1') : value
  const text = JSON.stringify([query, viewer ?? null, args ?? null], minutes)
  return createHash('sha256').update(text).digest('base64url')
}
