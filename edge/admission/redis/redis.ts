import { Redis } from '@upstash/redis'
import { LIMITS } from '../../../contract/limits.ts'
import type { TimeoutStrategy } from '../../lib/timeout.ts'

export interface RedisSettings {
  /** Of Redis over REST, without a slash at its end: Upstash's, or core's own at /redis. */
  url: string
  token: string
  /** How long a request may take, in ms; LIMITS.redisMsMax without it. */
  msMax?: number
}

/** A Lua script; its name in Redis is the SHA-1 of its text. */
export interface Script {
  text: string
  sha?: string
}

/** Redis over REST; every request ends within its timeout. */
export interface RedisClient {
  /** One request, two when Redis does not know the script yet. */
  run(script: Script, keys: string[], args: (string | number)[]): Promise<unknown>
  /** The values, parsed where they are JSON; null where there is none. One for each key. */
  get(...keys: string[]): Promise<unknown[]>
}

/** Holds nothing of the request or the response. */
export class RedisError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'RedisError'
  }
}

/** Redis works; the value is too large for it. */
export class TooLargeForRedisError extends RedisError {}

/**
 * Over @upstash/redis, with our own HTTP: the package's has no timeout, tries a refused connection five
 * times, and follows a redirect with the token.
 */
export function createRedis(settings: RedisSettings, withinTimeout: TimeoutStrategy): RedisClient {
  const { url, token, msMax = LIMITS.redisMsMax } = settings
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const texts = new Map<string, string>()

  async function post(command: readonly unknown[], signal?: AbortSignal): Promise<Reply> {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: JSON.stringify(command),
      redirect: 'manual',
      signal,
    })
    if (response.ok || response.status === 400) return (await response.json()) as Reply
    await response.body?.cancel()
    if (response.status === 413) throw new TooLargeForRedisError('Redis over REST answered 413')
    throw new RedisError(`Redis over REST answered ${response.status}`)
  }

  const redis = new Redis({
    request: <T>({ body }: { body?: unknown }) =>
      withinTimeout(msMax, async (signal) => {
        const command = body as string[]
        const reply = await post(command, signal)
        const text = texts.get(command[1] as string)
        // Redis was flushed or restarted, or never saw the script: it gets the text within the same timeout.
        if (text !== undefined && reply.error?.startsWith('NOSCRIPT'))
          return (await post(['eval', text, ...command.slice(2)], signal)) as Reply<T>
        return reply as Reply<T>
      }),
  })

  return {
    async run(script, keys, args) {
      script.sha ??= await sha1Hex(script.text)
      texts.set(script.sha, script.text)
      return redis.evalsha(script.sha, keys, args)
    },
    get: (...keys) => redis.mget(...keys),
  }
}

interface Reply<T = unknown> {
  result?: T
  error?: string
}

async function sha1Hex(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
