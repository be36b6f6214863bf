import { createHash, randomUUID } from 'node:crypto'
import { LIMITS } from '../../contract/limits.ts'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import { CHANNELS } from '../db/channels.ts'
import type { Database } from '../db/database.ts'
import { listen } from '../db/listen.ts'
import { type RedisConnection, RedisError, type Reply } from '../db/redis-connection.ts'
import { everyKey } from './key-directory.ts'

export interface KeyPublisher {
  close(): Promise<void>
}

export interface KeyPublisherDeps {
  db: Database
  /** For a connection of its own, which hears of every change. */
  databaseUrl: string
  redis: RedisConnection
  logger: { warn(fields: object, message: string): void }
  limits?: Partial<Record<'keyPublishMs' | 'keyPublishAllMs', number>>
}

/** Keys whose writer is gone leave Redis by themselves. */
const KEEP_MS = 10 * LIMITS.keyPublishAllMs
/** Longer than anything that one round may take: two never write at once. */
const WRITER_MS = 3 * LIMITS.keyPublishMs
/** What was read from Postgres longer ago is read again instead of written. */
const READ_MS_MAX = LIMITS.keyPublishMs
const SEND_MS_MAX = 2_000
const SEND_COMMANDS_MAX = 500

/** One of several cores writes; it says so anew each round. KEYS: writer. ARGV: who, for how long. */
const BE_WRITER = `if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

/**
 * Puts what edges know of keys into Redis, close to them: at once when told of a change, every
 * LIMITS.keyPublishMs in any case, and all of them every minute, so that a flushed Redis fills up
 * again. With each round it says as of when Redis agrees with Postgres; edges believe nothing that is
 * older than LIMITS.keyCacheFreshMs and ask us instead.
 */
export function createKeyPublisher({
  db,
  databaseUrl,
  redis,
  logger,
  limits: given,
}: KeyPublisherDeps): KeyPublisher {
  const limits = { ...LIMITS, ...given }
  const me = randomUUID()
  /** What is in Redis as far as we know: a digest by the key's hash. */
  let written = new Map<string, string>()
  let allAt = Number.NEGATIVE_INFINITY
  let running: Promise<void> | undefined
  let again = false
  let closed = false
  let told = false

  async function publish(): Promise<void> {
    const began = Date.now()
    const [writer] = await send([
      ['EVAL', BE_WRITER, '1', REDIS_KEYS.apiKeysWriter, me, String(WRITER_MS)],
    ])
    if (writer !== 1) {
      // Somebody else's words stand there now.
      allAt = Number.NEGATIVE_INFINITY
      return
    }
    const all = began - allAt >= limits.keyPublishAllMs
    const found = new Map<string, string>()
    for await (const keys of everyKey(db)) {
      const commands: string[][] = []
      for (const { sha256Hex, record } of keys) {
        const json = JSON.stringify(record)
        const digest = createHash('md5').update(json).digest('base64')
        found.set(sha256Hex, digest)
        if (all || written.get(sha256Hex) !== digest)
          commands.push(['SET', REDIS_KEYS.apiKey(sha256Hex), json, 'PX', String(KEEP_MS)])
      }
      await sendAll(commands, began)
    }
    const gone = [...written.keys()].filter((sha) => !found.has(sha))
    await sendAll(
      gone.map((sha) => ['DEL', REDIS_KEYS.apiKey(sha)]),
      began,
    )
    await send([['SET', REDIS_KEYS.apiKeysAsOf, String(began), 'PX', String(KEEP_MS)]])
    written = found
    if (all) allAt = began
  }

  async function sendAll(commands: readonly string[][], began: number): Promise<void> {
    for (let from = 0; from < commands.length; from += SEND_COMMANDS_MAX) {
      if (Date.now() - began > READ_MS_MAX) throw new Error('publishing the keys took too long')
      await send(commands.slice(from, from + SEND_COMMANDS_MAX))
    }
  }

  async function send(commands: readonly string[][]): Promise<Reply[]> {
    const replies = await redis.send(commands, SEND_MS_MAX)
    const refusal = replies.find((reply) => reply instanceof RedisError)
    if (refusal) throw refusal
    return replies
  }

  /** One round after the other; what is heard of during one is looked at after it. */
  async function rounds(): Promise<void> {
    do {
      again = false
      try {
        await publish()
        told = false
      } catch (error) {
        // Nobody knows what of it was written.
        allAt = Number.NEGATIVE_INFINITY
        if (!told && !closed)
          logger.warn({ error: String(error) }, 'keys could not be published; edges ask for them')
        told = true
      }
    } while (again && !closed)
    running = undefined
  }

  function soon(): void {
    again = true
    running ??= rounds()
  }

  const listening = listen({
    url: databaseUrl,
    channel: CHANNELS.keys,
    name: 'sluice keys',
    onNotification: soon,
    onError: (error) =>
      logger.warn({ error: String(error) }, 'the keys connection broke; it is mended'),
  })
  const timer = setInterval(soon, limits.keyPublishMs)

  return {
    async close() {
      closed = true
      clearInterval(timer)
      await listening.close()
      await running
    },
  }
}
