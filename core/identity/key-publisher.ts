import { LIMITS } from '../../contract/limits.ts'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import { CHANNELS } from '../db/channels.ts'
import type { Database } from '../db/database.ts'
import { listen } from '../db/listen.ts'
import type { RedisConnection } from '../db/redis-connection.ts'
import type { Logger } from '../lib/logger.ts'
import { changedKeyIds, deletedKeys, forgetDeletedKeys, readKeyPosition } from './key-changes.ts'
import { type HashedKey, KEYS_PER_PAGE, keyRecordPage, keyRecordsOf } from './key-directory.ts'
import { createPublishedKeys, type PublishedState, type Write } from './published-keys.ts'

export interface KeyPublisher {
  close(): Promise<void>
}

export interface KeyPublisherDeps {
  db: Database
  /** For a connection of its own that listens for every change. */
  databaseUrl: string
  redis: RedisConnection
  logger: Pick<Logger, 'warn'>
  limits?: Partial<Record<'keyPublishMs' | 'keyPublishAllMs' | 'keyChangesMax', number>>
}

/**
 * Publishes the records of API keys to Redis, close to the edges: those that changed at once and every
 * LIMITS.keyPublishMs, and all of them every LIMITS.keyPublishAllMs, when Redis does not hold what this process left
 * there, and when another core wrote in between. Each round stores the time as of which Redis agrees with Postgres;
 * edges trust nothing older than LIMITS.keyCacheFreshMs and query core instead. They query core for a missing key too,
 * so that time moves on while all keys are written again, unless those in Redis may be outdated.
 */
export function createKeyPublisher({
  db,
  databaseUrl,
  redis,
  logger,
  limits: given,
}: KeyPublisherDeps): KeyPublisher {
  const limits = { ...LIMITS, ...given }
  const publishRound = createRounds(db, redis, limits)
  let running: Promise<void> | undefined
  let isRequested = false
  let closed = false
  let hasWarned = false

  /** One round after the other; a change during a round starts another one after it. */
  async function runRounds(): Promise<void> {
    do {
      isRequested = false
      try {
        if (await publishRound()) isRequested = true
        hasWarned = false
      } catch (error) {
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

/** All keys are on their way to Redis, in the order of their ids, over as many rounds as it takes. */
interface Pass {
  began: number
  /** The last key that was written. */
  after: string | undefined
}

/** @returns a function for one round; it returns whether the next one should follow at once */
function createRounds(
  db: Database,
  redis: RedisConnection,
  limits: Record<'keyPublishMs' | 'keyPublishAllMs' | 'keyChangesMax', number>,
): () => Promise<boolean> {
  const published = createPublishedKeys(redis)
  let pass: Pass | undefined

  return async () => {
    const began = Date.now()
    const lease = await published.begin()
    if (!lease) return false
    const { source, snapshot } = await readKeyPosition(db)
    const former = lease.state?.source === source ? lease.state : undefined
    const areCurrent = await publishChanges(former)
    let allAt = areCurrent ? (former?.allAt ?? null) : null
    if (!areCurrent || !lease.isOurs) pass = { began, after: undefined }
    else if (allAt === null || began - allAt >= limits.keyPublishAllMs)
      pass ??= { began, after: undefined }
    if (pass && (await publishMore(pass, began))) {
      allAt = pass.began
      pass = undefined
      await forgetDeletedKeys(db)
    }
    await published.end({ source, snapshot, allAt }, allAt === null ? undefined : began)
    return allAt === null
  }

  /** @returns false when it is not known what changed, or when that is too much: then all keys have to be written */
  async function publishChanges(former: PublishedState | undefined): Promise<boolean> {
    for (let after = ''; ; ) {
      const gone = await deletedKeys(db, former?.snapshot, after, KEYS_PER_PAGE)
      await published.write(gone.map((sha256Hex) => [REDIS_KEYS.apiKey(sha256Hex), null]))
      if (gone.length < KEYS_PER_PAGE) break
      after = gone.at(-1) as string
    }
    if (!former) return false
    const changed = await changedKeyIds(db, former.snapshot, limits.keyChangesMax + 1)
    if (changed.length > limits.keyChangesMax) return false
    for (let from = 0; from < changed.length; from += KEYS_PER_PAGE)
      await published.write(
        (await keyRecordsOf(db, changed.slice(from, from + KEYS_PER_PAGE))).map(writeOf),
      )
    return true
  }

  /** For half of a round's time, so that changes never wait for long. @returns whether it was the rest */
  async function publishMore(of: Pass, began: number): Promise<boolean> {
    do {
      const { keys, last } = await keyRecordPage(db, of.after)
      await published.write(keys.map(writeOf))
      if (last === undefined) return true
      of.after = last
    } while (Date.now() - began < limits.keyPublishMs / 2)
    return false
  }
}

function writeOf({ sha256Hex, record }: HashedKey): Write {
  return [REDIS_KEYS.apiKey(sha256Hex), JSON.stringify(record)]
}
