import { Redis } from '@upstash/redis'
import { LIMITS } from '../../../contract/limits.ts'
import type { TimeoutStrategy } from '../../lib/timeout.ts'

export interface RedisSettings {
  /** Of the REST bridge, without a slash at its end: Upstash's, or core's own at /redis. */
  url: string
  token: string
  /** How long a question may take, in ms; LIMITS.redisMsMax without it. */
  msMax?: number
}

/** A Lua script; its name in Redis is the SHA-1 of its text. */
export interface Script {
  text: string
  sha?: string
}

/** Redis over REST, each question answered or given up in its time. */
export interface RedisClient {
  /** One request, two when Redis does not know the script yet. */
  run(script: Script, keys: string[], args: (string | number)[]): Promise<unknown>
  /** What is there, parsed where it is JSON; null when nothing is. One for each key. */
  get(...keys: string[]): Promise<unknown[]>
}

/** Nothing of what was asked or answered stands in it. */
export class RedisError extends Error {
  constructor(what: string) {
    super(what)
    this.name = 'RedisError'
  }
}

/** Nothing is wrong with Redis, only with the size of what it was to keep. */
export class TooLargeForRedis extends RedisError {}

/**
 * Over @upstash/redis, but for how it speaks HTTP: that waits for as long as it takes, tries a refused
 * connection five times over, and follows a redirection with the token in its hands.
 */
export function createRedis(settings: RedisSettings, exchange: TimeoutStrategy): RedisClient {
  const { url, token, msMax = LIMITS.redisMsMax } = settings
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const texts = new Map<string, string>()

  async function post(command: readonly unknown[], signal?: AbortSignal): Promise<Answer> {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body: JSON.stringify(command),
      redirect: 'manual',
      signal,
    })
    if (response.ok || response.status === 400) return (await response.json()) as Answer
    await response.body?.cancel()
    if (response.status === 413) throw new TooLargeForRedis('Redis over REST answered 413')
    throw new RedisError(`Redis over REST answered ${response.status}`)
  }

  const redis = new Redis({
    request: <T>({ body }: { body?: unknown }) =>
      exchange(msMax, async (signal) => {
        const command = body as string[]
        const answer = await post(command, signal)
        const text = texts.get(command[1] as string)
        // Flushed, restarted, or never seen before: within the same deadline it gets the text.
        if (text !== undefined && answer.error?.startsWith('NOSCRIPT'))
          return (await post(['eval', text, ...command.slice(2)], signal)) as Answer<T>
        return answer as Answer<T>
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

interface Answer<T = unknown> {
  result?: T
  error?: string
}

async function sha1Hex(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
