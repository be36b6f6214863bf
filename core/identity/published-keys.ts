import { randomUUID } from 'node:crypto'
import * as z from 'zod/mini'
import { LIMITS } from '../../contract/limits.ts'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import { type RedisConnection, RedisError, type Reply } from '../db/redis-connection.ts'

/** Stored in Redis with the keys themselves, so that what brings the keys back to a former state does the same to it. */
const stateSchema = z.object({
  /** As of which KeyPosition the keys in Redis are complete, or at least not older where one is missing. */
  source: z.string(),
  snapshot: z.string(),
  /** Milliseconds since the epoch: when all keys were written last. Null: they have yet to be, so none may be trusted. */
  allAt: z.nullable(z.number()),
  /** The process and the round that wrote it. */
  writtenBy: z.string(),
})
export type PublishedState = z.infer<typeof stateSchema>

/** A key and its value; null deletes it. */
export type Write = readonly [key: string, value: string | null]

export interface PublishedKeys {
  /**
   * Takes or renews the writer's lease.
   * @returns undefined when another core holds it; `state` is undefined when Redis has none, and `isOurs` tells
   * whether this process left it, with everything that it had written
   */
  begin(): Promise<{ state: PublishedState | undefined; isOurs: boolean } | undefined>
  /** @throws unless each write since `begin` was made by this process, and is in this Redis */
  write(writes: readonly Write[]): Promise<void>
  /** @param asOf milliseconds since the epoch, for edges; undefined while they must not trust the keys */
  end(state: Omit<PublishedState, 'writtenBy'>, asOf: number | undefined): Promise<void>
}

/** Keys expire in Redis when no core writes them any more: well after all of them are written again. */
export const KEY_EXPIRY_MS = 3 * LIMITS.keyPublishAllMs
/** Renewed with each write. */
const WRITER_MS = 3 * LIMITS.keyPublishMs
const SEND_MS_MAX = 2_000
const WRITES_PER_COMMAND = 500

/** Of several cores one writes. KEYS: writer, state. ARGV: process, number of the write, lease in ms. */
const BEGIN = `local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'PX', ARGV[3])
return redis.call('GET', KEYS[2])`

/**
 * Each write names the one before it. So a write that arrives late, from a process that lost its lease or over a
 * connection that was given up, changes nothing; and a replica that took over without the last writes refuses the next.
 * KEYS: writer, keys. ARGV: former write, this write, lease in ms, expiry in ms, values.
 */
const WRITE = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
for i = 2, #KEYS do
  if ARGV[i + 3] == '' then redis.call('DEL', KEYS[i])
  else redis.call('SET', KEYS[i], ARGV[i + 3], 'PX', ARGV[4]) end
end
return 1`

/** The Redis that edges read API keys from, for the one core that writes them. */
export function createPublishedKeys(redis: RedisConnection): PublishedKeys {
  const self = `${randomUUID()}:`
  let writes = 0
  let leftBehind: string | undefined

  async function write(batch: readonly Write[]): Promise<void> {
    const former = self + writes++
    const keys = [REDIS_KEYS.apiKeysWriter, ...batch.map(([key]) => key)]
    const values = batch.map(([, value]) => value ?? '')
    const args = [former, self + writes, String(WRITER_MS), String(KEY_EXPIRY_MS), ...values]
    const reply = await send(redis, ['EVAL', WRITE, String(keys.length), ...keys, ...args])
    if (reply !== 1) throw new Error('another core publishes API keys, or Redis lost writes')
  }

  return {
    async begin() {
      const { apiKeysWriter, apiKeysState } = REDIS_KEYS
      const args = [self, String(++writes), String(WRITER_MS)]
      const reply = await send(redis, ['EVAL', BEGIN, '2', apiKeysWriter, apiKeysState, ...args])
      if (reply === 0) return undefined
      const text = reply === null ? undefined : String(reply)
      const isOurs = text !== undefined && text === leftBehind
      // Until `end`: a round that fails has written nobody knows what.
      leftBehind = undefined
      return { state: text === undefined ? undefined : readState(text), isOurs }
    },
    async write(all) {
      for (let from = 0; from < all.length; from += WRITES_PER_COMMAND)
        await write(all.slice(from, from + WRITES_PER_COMMAND))
    },
    async end(state, asOf) {
      const text = JSON.stringify({ ...state, writtenBy: self + writes } satisfies PublishedState)
      const asOfWrites: Write[] = asOf === undefined ? [] : [[REDIS_KEYS.apiKeysAsOf, String(asOf)]]
      await write([[REDIS_KEYS.apiKeysState, text], ...asOfWrites])
      leftBehind = text
    },
  }
}

async function send(redis: RedisConnection, command: readonly string[]): Promise<Reply> {
  const [reply] = await redis.send([command], SEND_MS_MAX)
  if (reply instanceof RedisError) throw reply
  return reply ?? null
}

/** One that cannot be read, of another version, counts as none. */
function readState(text: string): PublishedState | undefined {
  try {
    return stateSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
