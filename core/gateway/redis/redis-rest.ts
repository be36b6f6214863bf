import { createHash, timingSafeEqual } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { LIMITS } from '../../../contract/limits.ts'
import { REDIS_PATHS, type RedisReply, type RedisResult } from '../../../contract/redis-rest.ts'
import {
  type RedisConnection,
  RedisError,
  RedisUnavailableError,
  type Reply,
} from '../../db/redis-connection.ts'
import { createSemaphore } from '../../lib/semaphore.ts'
import { KafkaRestError, type KafkaRestErrorSpec } from '../kafka-rest-error.ts'
import { type BodyBudget, readBody } from '../read-body.ts'
import { BadCommandError, type Command, readCommand, readCommands } from './commands.ts'
import { createScripts } from './scripts.ts'

export interface RedisRestDeps {
  redis: RedisConnection
  /** The Bearer token that grants all commands of commands.ts. */
  token: string
  /** Which scripts may run, by their SHA-1; those of contract/redis-scripts.ts unless given. */
  isAllowedScript?: ((sha1: string) => boolean) | undefined
  /** How long Redis may take, in ms. */
  msMax?: number
  onError?: (error: Error) => void
}

/**
 * Redis for clients that speak HTTP only, in the protocol of Upstash's REST API: @upstash/redis and
 * @upstash/ratelimit run on it as they are. A Redis that does not answer in time is a 503, and then
 * the commands may have been executed or not.
 */
export function createRedisRest({
  redis,
  token,
  isAllowedScript,
  msMax = LIMITS.redisBridgeMsMax,
  onError = () => {},
}: RedisRestDeps): Hono {
  const app = new Hono()
  const scripts = createScripts(isAllowedScript)
  const reading: BodyBudget = {
    semaphore: createSemaphore(LIMITS.redisBodiesBytesMax),
    waitMsMax: msMax,
  }
  const expected = digest(token)

  app.use(async (c, next) => {
    const [, sent = ''] = /^bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '') ?? []
    if (!timingSafeEqual(digest(sent), expected))
      return sendError(c, 401, 'Unauthorized', { 'WWW-Authenticate': 'Bearer realm="redis"' })
    c.header('Cache-Control', 'no-store')
    return next()
  })

  app.post(REDIS_PATHS.command, async (c) => {
    const command = readCommand(await body(c, reading))
    let [reply] = await redis.send([scripts.translate(command, false)], msMax)
    if (reply instanceof RedisError && reply.message.startsWith('NOSCRIPT')) {
      const withText = scripts.withText(command)
      if (withText) [reply] = await redis.send([withText], msMax)
    }
    if (reply instanceof RedisError) return sendError(c, 400, reply.message)
    return c.json(replyOf(scripts.nameOf(command) ?? (reply as Reply), wantsBase64(c)))
  })

  app.post(REDIS_PATHS.pipeline, async (c) => {
    const commands = readCommands(await body(c, reading))
    const replies = await redis.send(translateAll(commands), msMax)
    return c.json(
      replies.map((reply, i) =>
        replyOf(scripts.nameOf(commands[i] as Command) ?? reply, wantsBase64(c)),
      ),
    )
  })

  app.post(REDIS_PATHS.transaction, async (c) => {
    const commands = readCommands(await body(c, reading))
    const replies = await redis.send([['MULTI'], ...translateAll(commands), ['EXEC']], msMax)
    const result = replies.at(-1) as Reply
    // A command that cannot be queued aborts the transaction; its own error says why.
    if (result instanceof RedisError) {
      const first = replies.find((reply) => reply instanceof RedisError) as RedisError
      return sendError(
        c,
        400,
        first === result ? result.message : `${result.message} ${first.message}`,
      )
    }
    return c.json((result as readonly Reply[]).map((reply) => replyOf(reply, wantsBase64(c))))
  })

  for (const path of Object.values(REDIS_PATHS))
    app.all(path, (c) => sendError(c, 405, 'ERR only POST', { Allow: 'POST' }))
  app.all('*', (c) => sendError(c, 404, 'ERR commands are sent in the body, as a JSON array'))

  app.onError((error, c) => {
    if (error instanceof BadCommandError) return sendError(c, error.status, error.message)
    if (error instanceof KafkaRestError)
      return sendError(c, error.status, `ERR ${error.message}`, error.status === 429 ? SOON : {})
    onError(error)
    const reason = error instanceof RedisUnavailableError ? error.message : 'the bridge failed'
    return sendError(c, 503, `ERR ${reason}`, SOON)
  })

  /** With the scripts' texts: when one is missing, the commands after it have been executed already. */
  function translateAll(commands: readonly Command[]): Command[] {
    return commands.map((command) => scripts.translate(command, true))
  }

  return app
}

function body(c: Context, reading: BodyBudget): Promise<ArrayBuffer | Uint8Array> {
  return readBody(c.req, LIMITS.redisBodyBytesMax, reading)
}

function wantsBase64(c: Context): boolean {
  return c.req.header('upstash-encoding')?.toLowerCase() === 'base64'
}

function replyOf(reply: Reply, base64: boolean): RedisReply {
  if (reply instanceof RedisError) return { error: reply.message }
  return { result: resultOf(reply, base64) }
}

function resultOf(reply: Reply, base64: boolean): RedisResult {
  if (reply === null || typeof reply === 'number') return reply
  if (reply instanceof RedisError) return reply.message
  if (Array.isArray(reply)) return reply.map((each) => resultOf(each, base64))
  const bytes = Buffer.isBuffer(reply) ? reply : Buffer.from(reply as string)
  // Clients accept OK unencoded; it saves them the work.
  const text = base64 && !bytes.equals(OK) ? bytes.toString('base64') : bytes.toString('utf8')
  return text
}

const OK = Buffer.from('OK')
const SOON = { 'Retry-After': '1' }

type Status = KafkaRestErrorSpec['status']

function sendError(
  c: Context,
  status: Status,
  error: string,
  headers: Record<string, string> = {},
) {
  return c.json({ error }, status, headers)
}

/** Of the same length whatever was sent, so that comparing takes the same time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
