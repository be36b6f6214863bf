import { Redis, ReplyError } from 'ioredis'
import { LIMITS } from '../../contract/limits.ts'
import { backoffMs } from '../lib/backoff.ts'
import { withTimeout } from '../lib/timeout.ts'

/** A reply of Redis: bytes as they are, whole numbers, null, an error, or a list of these. */
export type Reply = Buffer | string | number | null | RedisError | readonly Reply[]

/** An error reply of Redis; the message begins with its code (ERR, NOSCRIPT, WRONGTYPE …). */
export class RedisError extends Error {
  override readonly name = 'RedisError'
}

/** Redis did not reply; the commands may or may not have been executed. */
export class RedisUnavailableError extends Error {
  override readonly name = 'RedisUnavailableError'
}

/** So much is waiting for Redis that nothing was sent. */
export class RedisBusyError extends RedisUnavailableError {}

export interface RedisConnection {
  /**
   * Sends all in one write, executed in their order; commands of other clients may come in between.
   * @returns a reply for each
   * @throws RedisUnavailable within `msMax`; RedisBusy, which is one too, when too much is waiting already
   */
  send(commands: readonly (readonly (string | Buffer)[])[], msMax?: number): Promise<Reply[]>
  /** Whether it is connected now. */
  readonly up: boolean
  /** Waits until it is connected, at most `ms`. */
  ready(ms: number): Promise<boolean>
  close(): Promise<void>
}

export interface RedisConnectionOptions {
  /** redis://user:password@host:6379/0, or rediss:// */
  url: string
  /** Called once when Redis goes away, and once when it is back. */
  onChange?: (up: boolean, error?: Error) => void
  limits?: Partial<
    Record<'redisSilenceMsMax' | 'redisInFlightCommandsMax' | 'redisInFlightBytesMax', number>
  >
}

/**
 * One connection to a real Redis that never makes a caller wait: while Redis is away every command fails
 * at once, nothing is queued and nothing sent twice, and a connection on which Redis has fallen silent is
 * closed and opened again, for ever.
 */
export function createRedisConnection({
  url,
  onChange = () => {},
  limits: overrides,
}: RedisConnectionOptions): RedisConnection {
  const limits = { ...LIMITS, ...overrides }
  const redis = new Redis(url, {
    // Numbers as strings and maps as lists: what REST clients of Redis 7 expect.
    protocol: 2,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: limits.redisSilenceMsMax,
    socketTimeout: limits.redisSilenceMsMax,
    retryStrategy: (times) => backoffMs(times, { baseMs: 50, maxMs: 1_000 }),
    connectionName: 'sluice',
    disableClientInfo: true,
  })
  let up = true
  let lastError: Error | undefined
  const change = (now: boolean) => {
    if (up === now) return
    up = now
    onChange(now, lastError)
  }
  redis.on('error', (error) => {
    lastError = error
  })
  redis.on('ready', () => change(true))
  redis.on('close', () => change(false))
  const inFlight = { commands: 0, bytes: 0 }

  return {
    async send(commands, msMax = LIMITS.redisBridgeMsMax) {
      if (redis.status !== 'ready') throw new RedisUnavailableError('Redis is not connected')
      const bytes = sizeOf(commands)
      // A Redis that hangs must not fill this process's memory until the time-out.
      if (
        inFlight.commands + commands.length > limits.redisInFlightCommandsMax ||
        inFlight.bytes + bytes > limits.redisInFlightBytesMax
      )
        throw new RedisBusyError('too much is waiting for Redis')
      inFlight.commands += commands.length
      inFlight.bytes += bytes
      const pipeline = redis.pipeline()
      for (const [name, ...args] of commands) pipeline.callBuffer(name as string, ...args)
      const replies = pipeline.exec().finally(() => {
        inFlight.commands -= commands.length
        inFlight.bytes -= bytes
      })
      const results = await withTimeout(msMax, 'Redis', replies)
        .catch((error) => orArrived(replies, error))
        .catch((error: Error) => {
          throw new RedisUnavailableError(error.message)
        })
      return (results ?? []).map(([error, reply]) => {
        if (!error) return readReply(reply)
        if (error instanceof ReplyError) return new RedisError(error.message)
        // The library's own message is about our options.
        throw new RedisUnavailableError('the connection to Redis broke')
      })
    },
    get up() {
      return redis.status === 'ready'
    },
    async ready(ms) {
      const connected = new Promise<void>((resolve) => redis.once('ready', resolve))
      if (redis.status !== 'ready') await withTimeout(ms, 'Redis', connected).catch(() => {})
      return redis.status === 'ready'
    },
    async close() {
      redis.removeAllListeners('close')
      redis.disconnect()
    },
  }
}

/** A process that was busy runs its timers before it reads what Redis sent in time, so that is read first. */
async function orArrived<T>(replies: Promise<T>, timeout: Error): Promise<T> {
  await new Promise((resolve) => setImmediate(resolve))
  return Promise.race([replies, Promise.reject(timeout)])
}

function readReply(reply: unknown): Reply {
  if (Array.isArray(reply)) return reply.map(readReply)
  if (reply instanceof Error) return new RedisError(reply.message)
  return reply as Reply
}

function sizeOf(commands: readonly (readonly (string | Buffer)[])[]): number {
  let bytes = 0
  for (const command of commands) for (const part of command) bytes += part.length
  return bytes
}
