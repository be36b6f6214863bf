import { ApiError } from '../../lib/api-error.ts'
import { LIVE_LIMITS } from '../../queries/limits.ts'

/** Whose limits a subscription counts against. */
export interface SubscribedBy {
  /** The name of a key or session. */
  credential?: string
  /** Whose sessions share no limit with others. */
  isOperator?: boolean
  /** Of a session of somebody else, which counts by the person as well as the tenant. */
  personId?: number | undefined
  /** Of the connection that the subscription runs on, which was counted already. */
  held?: HeldShare | undefined
}

/** The share of a connection, which its first subscription uses. */
export interface HeldShare {
  /** The tenant that it counts against. */
  readonly tenantId: number
  /** @returns gives it back to the connection; undefined while another subscription uses it */
  lend(): (() => void) | undefined
  /** To be called once, when the connection closes. */
  leave(): void
}

/** Who has how many live subscriptions: no key, tenant or crowd of tenants takes the others' share. */
export interface SubscriptionShares {
  /** @returns to be called once, when the subscription ends; @throws OVERLOADED that names the limit */
  enter(tenantId: number, by: SubscribedBy): () => void
  /** The same for a connection; @throws OVERLOADED that names the limit */
  hold(tenantId: number, by: SubscribedBy): HeldShare
  readonly size: number
}

type Limit = [name: string, max: number, whose: string]

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

  function count(limits: readonly Limit[]): () => void {
    const reached = limits.find(([name, max]) => countOf(name) >= max)
    if (reached)
      throw new ApiError(
        'OVERLOADED',
        `There are ${reached[1]} live subscriptions ${reached[2]} already; end one, or try again later.`,
      )
    const names = limits.map(([name]) => name)
    change(names, 1)
    return () => change(names, -1)
  }

  const shares: SubscriptionShares = {
    enter(tenantId, { credential, isOperator = false, personId, held }) {
      const ofTenant: Limit = [
        `tenant ${tenantId}`,
        LIVE_LIMITS.subscribersPerTenantMax,
        'of this tenant',
      ]
      const giveBack = held?.lend()
      if (giveBack) {
        if (isOperator || held?.tenantId === tenantId) return giveBack
        try {
          const leave = count([ofTenant])
          return () => {
            leave()
            giveBack()
          }
        } catch (error) {
          giveBack()
          throw error
        }
      }
      const limits: Limit[] = [['all', LIVE_LIMITS.subscribersMax, 'here']]
      if (!isOperator) {
        limits.push(['others', LIVE_LIMITS.subscribersOfOthersMax, 'here'])
        if (personId !== undefined)
          limits.push([`person ${personId}`, LIVE_LIMITS.subscribersPerPersonMax, 'of yours'])
        limits.push(ofTenant)
      }
      if (credential !== undefined)
        limits.push([
          credential,
          LIVE_LIMITS.subscribersPerCredentialMax,
          isOperator || personId !== undefined ? 'in this browser' : 'of this API key',
        ])
      return count(limits)
    },
    hold(tenantId, by) {
      const leave = shares.enter(tenantId, by)
      let isLent = false
      return {
        tenantId,
        lend() {
          if (isLent) return undefined
          isLent = true
          return () => {
            isLent = false
          }
        },
        leave,
      }
    },
    get size() {
      return countOf('all')
    },
  }
  return shares
}
