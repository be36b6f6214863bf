import { WINDOW_MS } from '../../edge/admission/allowance.ts'
import { type AdmitReply, parseAdmitReply } from '../../edge/admission/redis/admit-reply.ts'
import type { RedisClient } from '../../edge/admission/redis/redis.ts'
import { ADMIT } from '../../edge/admission/redis/scripts.ts'

/** One request's call of ADMIT, without a lock. */
interface Asked extends PromiseWithResolvers<unknown> {
  keys: string[]
  args: (string | number)[]
  /** In events. */
  cost: number
}

/**
 * Asks Redis once for the requests of one key that wait at the same time, with the sum of their events: for 64 senders
 * with one event each that is a tenth of the calls. All are admitted as if they had come when the first did. Where
 * the sum is refused nothing was taken, and each is asked for by itself, in their order.
 *
 * While Redis has not replied for a key, its next requests wait, and go together. When it fails, they fail with it, so
 * nobody waits longer for a Redis that hangs. Requests with an Idempotency-Key have a lock of their own, and go alone.
 */
export function admitTogether(redis: RedisClient): RedisClient {
  /** By key and limits; a key is in it only while Redis is asked for it. */
  const waiting = new Map<string, Asked[]>()

  async function askAll(group: string): Promise<void> {
    for (;;) {
      const asked = waiting.get(group) ?? []
      if (asked.length === 0) {
        waiting.delete(group)
        return
      }
      waiting.set(group, [])
      try {
        await ask(asked)
      } catch (error) {
        for (const { reject } of [...asked, ...(waiting.get(group) ?? [])]) reject(error)
        waiting.delete(group)
        return
      }
    }
  }

  async function ask(asked: readonly Asked[]): Promise<void> {
    const [first] = asked as readonly [Asked, ...Asked[]]
    let later = asked.reduce((sum, { cost }) => sum + cost, 0)
    const { keys, args } = first
    const sent = await redis.run(ADMIT, keys, [args[0] as number, later, ...args.slice(2)])
    if (asked.length === 1) return first.resolve(sent)
    const reply = parseAdmitReply(sent)
    for (const { keys, args, cost, resolve, reject } of asked) {
      later -= cost
      if (reply.allowed) resolve(replyWithout(later, reply))
      else redis.run(ADMIT, keys, args).then(resolve, reject)
    }
  }

  return {
    get: redis.get,
    run(script, keys, args) {
      const [, cost, bucketMax, windowMax, fingerprint] = args
      if (script !== ADMIT || fingerprint !== '') return redis.run(script, keys, args)
      const asked: Asked = { keys, args, cost: cost as number, ...Promise.withResolvers<unknown>() }
      const group = `${keys[0]} ${bucketMax} ${windowMax}`
      const others = waiting.get(group)
      if (others) others.push(asked)
      else {
        waiting.set(group, [asked])
        // What the same turn of the event loop asks goes with the first.
        setImmediate(askAll, group)
      }
      return asked.promise
    },
  }
}

/** As ADMIT would have replied before the events of the later ones were taken. */
function replyWithout(later: number, { bucket, window }: AdmitReply): unknown {
  const { start, previous, current } = window
  const fill = bucket.fill + later * WINDOW_MS
  return [1, fill, bucket.at, start, previous, current - later, '', '', 0, 0]
}
