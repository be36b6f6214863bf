import { ApiError } from '../../lib/api-error.ts'
import { LIVE_LIMITS } from '../../queries/limits.ts'

/** Whose limits a subscription counts against. */
export interface SubscribedBy {
  /** The name of a key or session. */
  credential?: string
  /** People who are signed in do not share the limits of tenants. */
  isOperator?: boolean
}

/** Who has how many live subscriptions: no key, tenant or crowd of tenants takes the others' share. */
export interface SubscriptionShares {
  /** @returns to be called once, when the subscription ends; @throws OVERLOADED that names the limit */
  enter(tenantId: number, by: SubscribedBy): () => void
  readonly size: number
}

export function createSubscriptionShares(): SubscriptionShares {
  const counts = new Map<string, number>()
  const countOf = (name: string) => counts.get(name) ?? 0

  function change(names: readonly string[], by: 1 | -1): void {
    for (const name of names) {
      const count = countOf(name) + by
      if (count > 0) counts.set(name, count)
      else counts.delete(name)
    }
  }

  return {
    enter(tenantId, { credential, isOperator = false }) {
      const limits: [name: string, max: number, whose: string][] = [
        ['all', LIVE_LIMITS.subscribersMax, 'here'],
      ]
      if (!isOperator) {
        limits.push(['keys', LIVE_LIMITS.subscribersOfKeysMax, 'here'])
        limits.push([`tenant ${tenantId}`, LIVE_LIMITS.subscribersPerTenantMax, 'of this tenant'])
      }
      if (credential !== undefined)
        limits.push([
          credential,
          LIVE_LIMITS.subscribersPerCredentialMax,
          isOperator ? 'in this browser' : 'of this API key',
        ])
      const reached = limits.find(([name, max]) => countOf(name) >= max)
      if (reached)
        throw new ApiError(
          'OVERLOADED',
          `There are ${reached[1]} live subscriptions ${reached[2]} already; end one, or try again later.`,
        )
      const names = limits.map(([name]) => name)
      change(names, 1)
      return () => change(names, -1)
    },
    get size() {
      return countOf('all')
    },
  }
}
