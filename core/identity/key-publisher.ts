import { createHash, randomUUID } from 'node:crypto'
import { LIMITS } from '../../contract/limits.ts'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import { CHANNELS } from '../db/channels.ts'
import type { Database } from '../db/database.ts'
import { listen } from '../db/listen.ts'
import { type RedisConnection, RedisError, type Reply } from '../db/redis-connection.ts'
import type { Logger } from '../lib/logger.ts'
import { keyRecordPages } from './key-directory.ts'

export interface KeyPublisher {
  close(): Promise<void>
}

export interface KeyPublisherDeps {
  db: Database
  /** For a connection of its own that listens for every change. */
  databaseUrl: string
  redis: RedisConnection
  logger: Pick<Logger, 'warn'>
  limits?: Partial<Record<'keyPublishMs' | 'keyPublishAllMs', number>>
}

/** Keys expire in Redis when no core writes them any more. */
const EXPIRY_MS = 10 * LIMITS.keyPublishAllMs
/** Longer than a round can take: two cores never write concurrently. */
const WRITER_MS = 3 * LIMITS.keyPublishMs
/** Records read from Postgres longer ago are read again instead of written. */
const READ_MS_MAX = LIMITS.keyPublishMs
const SEND_MS_MAX = 2_000
const SEND_COMMANDS_MAX = 500

/** Of several cores one writes; it renews its lease each round. KEYS: writer. ARGV: core, ms. */
const TAKE_WRITER_LEASE = `if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

/**
 * Publishes the records of API keys to Redis, close to the edges: at once after a change, every
 * LIMITS.keyPublishMs in any case, and all of them every LIMITS.keyPublishAllMs, so that a flushed Redis fills up
 * again. Each round stores the time as of which Redis agrees with Postgres; edges trust nothing older than
 * LIMITS.keyCacheFreshMs and query core instead.
 */
export function createKeyPublisher({
  db,
  databaseUrl,
  redis,
  logger,
  limits: given,
}: KeyPublisherDeps): KeyPublisher {
  const limits = { ...LIMITS, ...given }
  const self = randomUUID()
  /** What this core wrote to Redis: a digest by the key's hash. */
  let written = new Map<string, string>()
  let allWrittenAt = Number.NEGATIVE_INFINITY
  let running: Promise<void> | undefined
  let isRequested = false
  let closed = false
  let hasWarned = false

  async function publish(): Promise<void> {
    const began = Date.now()
    const [writer] = await send([
      ['EVAL', TAKE_WRITER_LEASE, '1', REDIS_KEYS.apiKeysWriter, self, String(WRITER_MS)],
    ])
    if (writer !== 1) {
      // Another core writes now, so everything has to be written again later.
      allWrittenAt = Number.NEGATIVE_INFINITY
      return
    }
    const all = began - allWrittenAt >= limits.keyPublishAllMs
    const found = new Map<string, string>()
    for await (const keys of keyRecordPages(db)) {
      const commands: string[][] = []
      for (const { sha256Hex, record } of keys) {
        const json = JSON.stringify(record)
        const digest = createHash('md5').update(json).digest('base64')
        found.set(sha256Hex, digest)
        if (all || written.get(sha256Hex) !== digest)
          commands.push(['SET', REDIS_KEYS.apiKey(sha256Hex), json, 'PX', String(EXPIRY_MS)])
      }
      await sendAll(commands, began)
    }
    const gone = [...written.keys()].filter((sha256Hex) => !found.has(sha256Hex))
    await sendAll(
      gone.map((sha256Hex) => ['DEL', REDIS_KEYS.apiKey(sha256Hex)]),
      began,
    )
    await send([['SET', REDIS_KEYS.apiKeysAsOf, String(began), 'PX', String(EXPIRY_MS)]])
    written = found
    if (all) allWrittenAt = began
  }

  async function sendAll(commands: readonly string[][], began: number): Promise<void> {
    for (let from = 0; from < commands.length; from += SEND_COMMANDS_MAX) {
      if (Date.now() - began > READ_MS_MAX) throw new Error('publishing API keys took too long')
      await send(commands.slice(from, from + SEND_COMMANDS_MAX))
    }
  }

  async function send(commands: readonly string[][]): Promise<Reply[]> {
    const replies = await redis.send(commands, SEND_MS_MAX)
    const refusal = replies.find((reply) => reply instanceof RedisError)
    if (refusal) throw refusal
    return replies
  }

  /** One round after the other; a change during a round starts another one after it. */
  async function runRounds(): Promise<void> {
    do {
      isRequested = false
      try {
        await publish()
        hasWarned = false
      } catch (error) {
        // It is not known what was written, so everything is written again.
        allWrittenAt = Number.NEGATIVE_INFINITY
        if (!hasWarned && !closed)
          logger.warn(
            { error: String(error) },
            'publishing API keys to Redis failed, retrying; edges query core meanwhile',
          )
        hasWarned = true
      }
    } while (isRequested && !closed)
    running = undefined
  }

  function requestRound(): void {
    isRequested = true
    running ??= runRounds()
  }

  const listening = listen({
    url: databaseUrl,
    channel: CHANNELS.keys,
    name: 'sluice keys',
    onNotification: requestRound,
    onError: (error) =>
      logger.warn({ error: String(error) }, 'LISTEN connection for API keys lost, reconnecting'),
  })
  const timer = setInterval(requestRound, limits.keyPublishMs)

  return {
    async close() {
      closed = true
      clearInterval(timer)
      await listening.close()
      await running
    },
  }
}
