import { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'

/** How many characters of results a client may have formatted: a bucket that refills all the time. */
export interface ResultBudget {
  /** @throws OVERLOADED while the client has used up its own */
  check(clientId: string): void
  /** Until check() passes. */
  waitMs(clientId: string): number
  /** May use more than is left: the size of a result is known when it is there. */
  charge(clientId: string, chars: number): void
}

export interface ResultBudgetOptions {
  charsPerSecond: number
  /** What a client may use at once. */
  charsMax: number
  /** Clients that are remembered; the one charged least recently is forgotten first. */
  clientsMax?: number
  now?: () => number
}

/**
 * A result from the cache needs no connection of the database, so the limits of queries do not bound it; parsing and
 * formatting it holds the event loop, which all tenants share, for some 20 ms a million characters.
 */
export function createResultBudget({
  charsPerSecond,
  charsMax,
  clientsMax = 10_000,
  now = () => performance.now(),
}: ResultBudgetOptions): ResultBudget {
  const clients = new Map<string, { left: number; at: number }>()

  function leftOf(clientId: string): number {
    const client = clients.get(clientId)
    if (!client) return charsMax
    return Math.min(charsMax, client.left + ((now() - client.at) / 1000) * charsPerSecond)
  }

  return {
    check(clientId) {
      if (leftOf(clientId) <= 0) throw new ApiError('OVERLOADED')
    },
    waitMs(clientId) {
      const missing = 1 - leftOf(clientId)
      return Math.max(0, Math.ceil((missing / charsPerSecond) * 1000))
    },
    charge(clientId, chars) {
      const left = leftOf(clientId) - chars
      clients.delete(clientId)
      if (clients.size >= clientsMax) clients.delete(clients.keys().next().value as string)
      clients.set(clientId, { left, at: now() })
    },
  }
}

/** One for REST and MCP together. */
export function createQueryBudget(): ResultBudget {
  return createResultBudget({
    charsPerSecond: QUERY_LIMITS.restCharsPerSecond,
    charsMax: QUERY_LIMITS.restCharsMax,
  })
}
