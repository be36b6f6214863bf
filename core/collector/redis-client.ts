import { createHash } from 'node:crypto'
import { LIMITS } from '../../contract/limits.ts'
import { type RedisClient, TooLargeForRedisError } from '../../edge/admission/redis/redis.ts'
import {
  RedisBusyError,
  type RedisConnection,
  RedisError,
  type Reply,
} from '../db/redis-connection.ts'

type Command = readonly string[]

interface Waiting extends PromiseWithResolvers<Reply> {
  command: Command
}

/**
 * The edge's scripts over core's own connection to Redis. What the requests of one turn of the event loop send goes in
 * one write. What is too much for the connection fails, and is no outage of Redis: the rest still counts there.
 * @param msMax how long Redis may take
 */
export function createRedisClient(
  connection: Pick<RedisConnection, 'send'>,
  msMax: number,
): RedisClient {
  let waiting: Waiting[] = []

  function send(command: Command): Promise<Reply> {
    const request = { command, ...Promise.withResolvers<Reply>() }
    if (waiting.push(request) === 1) setImmediate(flush)
    return request.promise
  }

  function flush(): void {
    const requests = waiting
    waiting = []
    for (let i = 0; i < requests.length; i += LIMITS.redisCommandsMax)
      void write(requests.slice(i, i + LIMITS.redisCommandsMax))
  }

  /** Resolves or rejects each request; never rejects itself. */
  async function write(requests: readonly Waiting[]): Promise<void> {
    const commands = requests.map(({ command }) => command)
    try {
      const replies = await connection.send(commands, msMax)
      for (const [i, { resolve }] of requests.entries()) resolve(replies[i] as Reply)
    } catch (error) {
      const reason =
        error instanceof RedisBusyError ? new TooLargeForRedisError(error.message) : error
      for (const { reject } of requests) reject(reason)
    }
  }

  return {
    async run(script, keys, args) {
      script.sha ??= createHash('sha1').update(script.text).digest('hex')
      const rest = [String(keys.length), ...keys, ...args.map(String)]
      const reply = await send(['evalsha', script.sha, ...rest])
      // Redis was flushed or restarted, or never saw the script.
      const isUnknown = reply instanceof RedisError && reply.message.startsWith('NOSCRIPT')
      return parse(isUnknown ? await send(['eval', script.text, ...rest]) : reply)
    },
    async get(...keys) {
      return parse(await send(['mget', ...keys])) as unknown[]
    },
  }
}

/** As clients of Redis over REST do: text that is JSON is parsed. @throws RedisError */
function parse(reply: Reply): unknown {
  if (reply instanceof RedisError) throw reply
  if (Array.isArray(reply)) return reply.map(parse)
  if (!Buffer.isBuffer(reply)) return reply
  const text = reply.toString()
  if (!/^[[{\d]/.test(text)) return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
