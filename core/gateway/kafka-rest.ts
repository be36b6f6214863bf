import { type Context, Hono } from 'hono'
import type { ProduceResult } from '../../contract/log/kafka-rest.ts'
import { PARTITIONS } from '../../contract/log/topics.ts'
import type { Database } from '../db/database.ts'
import type { Log, RecordPosition } from '../log/log.ts'
import { type AuthorizeDeps, checkTopics, createAuthorize, type GatewayEnv } from './authorize.ts'
import { createConsumerRoutes } from './consumer-groups/routes.ts'
import { KafkaRestError } from './kafka-rest-error.ts'
import { type Batcher, type BatcherDeps, createBatcher } from './produce/batcher.ts'
import { ProduceTimeoutError } from './produce/produce-timeout-error.ts'
import { type ProduceRequest, readRecords } from './produce/read-records.ts'
import { readBody } from './read-body.ts'
import { sendError, sendErrorCode } from './send-error.ts'

export interface KafkaRest {
  /** Upstash's REST API for Kafka: all that @upstash/kafka calls, and POST /produce/{topic} besides. */
  app: Hono
  /** Refuses new records, ends the waiting reads, and resolves when all records on their way were confirmed or refused. */
  close(): Promise<void>
}

export interface KafkaRestDeps extends BatcherDeps, AuthorizeDeps {
  log: Pick<Log, 'append' | 'batches' | 'offsets' | 'offsetsAt'>
  /** For consumer groups. */
  db: Database
}

/**
 * Appends to the log and reads from it for clients that speak HTTP only. Producing responds 200 when the log has the
 * records and never before; 503 with Retry-After when the log did not confirm in time: then it may have them or not.
 *
 * Requests that change something are POST (or DELETE). Upstash takes much of it as GET too; we do not, because any
 * web page can make a browser send a GET, credentials included.
 */
export function createKafkaRest({ db, ...deps }: KafkaRestDeps): KafkaRest {
  const app = new Hono<GatewayEnv>()
  const closing = new AbortController()
  const authorize = createAuthorize(deps)
  const consumers = createConsumerRoutes({
    ...deps,
    db,
    authorize,
    partitions: PARTITIONS,
    closing: closing.signal,
  })
  const batcher = createBatcher({
    ...deps,
    onAppend(append) {
      consumers.notifyAppended()
      deps.onAppend?.(append)
    },
  })

  for (const path of ['/produce', '/produce/:topic'] as const) {
    app.post(path, authorize('produce'), async (c) => {
      const request = readRecords(await readBody(c.req), PARTITIONS, c.req.param('topic'))
      checkTopics(c, request.topics)
      return c.json(await produce(batcher, request))
    })
    app.all(path, (c) => sendErrorCode(c, 'METHOD_NOT_ALLOWED', 'Only POST', { Allow: 'POST' }))
  }
  app.route('/', consumers.app)
  // The key directory, served next to this app, checks the credentials itself.
  app.use('/keys/*', authorize.limit('produce'))
  app.onError((error, c) => handleError(error, c, deps.onError))

  return {
    app: new Hono().route('/', app),
    close() {
      closing.abort()
      return batcher.close()
    },
  }
}

/** One append for each topic; nearly always there is one. */
async function produce(
  batcher: Batcher,
  { records, topics }: ProduceRequest,
): Promise<ProduceResult[]> {
  const positions: RecordPosition[] = new Array(records.length)
  const appendTopic = async (topic: string) => {
    const indexes = [...topics.keys()].filter((i) => topics[i] === topic)
    const found = await batcher.add(
      topic,
      indexes.map((i) => records[i] as (typeof records)[number]),
    )
    indexes.forEach((index, i) => {
      positions[index] = found[i] as RecordPosition
    })
  }
  await Promise.all([...new Set(topics)].map(appendTopic))
  return topics.map((topic, i) => {
    const { partition, offset, timestamp } = positions[i] as RecordPosition
    return { topic, partition, offset, timestamp }
  })
}

function handleError(error: Error, c: Context, onError?: (error: unknown) => void): Response {
  if (error instanceof KafkaRestError) return sendError(c, error)
  const isTimeout = error instanceof ProduceTimeoutError
  if (!isTimeout) onError?.(error)
  return sendErrorCode(c, 'LOG_UNAVAILABLE', isTimeout ? error.message : 'the gateway failed')
}
