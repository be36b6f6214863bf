import { addressGroup } from '../../contract/address-group.ts'

/**
 * A rate limit for each client by itself, in memory: token buckets that refill all the time. A client is an IPv4 address
 * or a /64 of IPv6.
 */
export interface TokenBuckets {
  /** Takes one token. @returns false when there is none */
  take(address: string): boolean
  /** Whether a token could be taken. */
  has(address: string): boolean
}

export interface TokenBucketsOptions {
  perMinute: number
  /** Clients that are remembered; the one seen least recently is forgotten first. */
  clientsMax?: number
  now?: () => number
}

/** A client may use a minute's tokens at once. */
export function createTokenBuckets({
  perMinute,
  clientsMax = 10_000,
  now = () => performance.now(),
}: TokenBucketsOptions): TokenBuckets {
  const buckets = new Map<string, { tokens: number; at: number }>()

  function tokensOf(clientId: string): number {
    const bucket = buckets.get(clientId)
    if (!bucket) return perMinute
    const refilled = ((now() - bucket.at) / 60_000) * perMinute
    return Math.min(perMinute, bucket.tokens + Math.max(0, refilled))
  }

  return {
    take(address) {
      const clientId = addressGroup(address)
      const tokens = tokensOf(clientId)
      buckets.delete(clientId)
      if (buckets.size >= clientsMax) buckets.delete(buckets.keys().next().value as string)
      buckets.set(clientId, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now() })
      return tokens >= 1
    },
    has: (address) => tokensOf(addressGroup(address)) >= 1,
  }
}
