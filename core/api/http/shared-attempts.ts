import { Ratelimit } from '@upstash/ratelimit'
import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import { type RedisConnection, RedisError } from '../../db/redis-connection.ts'

/** Counts attempts of a client by all cores of one Redis together. */
export interface SharedAttempts {
  /** @returns whether the client may go on; true while Redis does not count: each process counts for itself besides */
  take(clientId: string): Promise<boolean>
}

/** @upstash/ratelimit's sliding window of one minute. */
export function createSharedAttempts(
  redis: RedisConnection,
  perMinute: number,
  onError: (error: unknown) => void = () => {},
): SharedAttempts {
  const ratelimit = new Ratelimit({
    redis: scriptsOn(redis),
    limiter: Ratelimit.slidingWindow(perMinute, '60 s'),
    prefix: REDIS_KEYS.signIns,
    ephemeralCache: false,
    // The connection has a deadline of its own, and a slow Redis must not count as a yes of Redis.
    timeout: 0,
    enableTelemetry: false,
  })
  return {
    async take(clientId) {
      try {
        // Braces: both windows of a client are on one node of a cluster.
        return (await ratelimit.limit(`{${clientId}}`)).success
      } catch (error) {
        // Full, read-only, without the right: nobody signs in to repair it if this refused them.
        onError(error)
        return true
      }
    },
  }
}

/** The part of @upstash/redis that the library calls. Attempts are rare, so each sends the script's text. */
function scriptsOn(redis: RedisConnection): ConstructorParameters<typeof Ratelimit>[0]['redis'] {
  const client = {
    async evalsha() {
      throw new Error('NOSCRIPT')
    },
    async eval(text: string, keys: string[], args: unknown[]) {
      // The first line of the library's scripts is for Upstash's own server.
      const script = text.replace(/^#!lua[^\n]*\n/, '')
      const command = ['EVAL', script, String(keys.length), ...keys, ...args.map(String)]
      const [reply] = await redis.send([command])
      if (reply instanceof RedisError) throw reply
      return reply
    },
  }
  return client as unknown as ConstructorParameters<typeof Ratelimit>[0]['redis']
}
