import { Hono } from 'hono'
import { LIMITS } from '../../contract/limits.ts'
import type { ProduceResult } from '../../contract/log/kafka-rest.ts'
import { PARTITIONS } from '../../contract/log/topics.ts'
import type { Log, RecordPosition } from '../log/log.ts'
import type { Groups } from './consumer-groups/groups.ts'
import { createConsumerRoutes } from './consumer-groups/routes.ts'
import { KafkaRestError } from './kafka-rest-error.ts'
import { type BatcherDeps, createBatcher, ProduceTimeoutError } from './produce/batcher.ts'
import { type ProduceRequest, readRecords } from './produce/read-records.ts'
import { readBody } from './read-body.ts'
import { createAuthorize, sendError } from './respond.ts'
import type { GatewayUser } from './users.ts'

export interface KafkaRest {
  /** Upstash's REST API for Kafka: what @upstash/kafka says, and POST /produce/{topic} besides. */
  app: Hono
  /** Refuses new records and resolves when those on their way were confirmed or refused; who waits for some is told that there are none. */
  close(): Promise<void>
}

export interface KafkaRestDeps extends BatcherDeps {
  log: Pick<Log, 'append' | 'batches' | 'offsets' | 'offsetsAt'>
  groups: Groups
  users: readonly GatewayUser[]
}

/**
 * Puts records into the log for whoever speaks HTTP only, and reads them. Producing answers 200 when the log has them
 * and never before; 503 with Retry-After when the log did not confirm in time: then it may have them or not.
 *
 * What changes something is a POST (or DELETE). Upstash takes much of it as GET too; we do not, because a page of
 * anybody's can make a browser send a GET, credentials included.
 */
export function createKafkaRest({ users, groups, ...deps }: KafkaRestDeps): KafkaRest {
  const app = new Hono()
  const closing = new AbortController()
  const may = createAuthorize(users)
  const reading = createConsumerRoutes({
    ...deps,
    groups,
    authorize: may,
    partitions: PARTITIONS,
    closing: closing.signal,
  })
  const batcher = createBatcher({
    ...deps,
    onAppend(append) {
      reading.appended()
      deps.onAppend?.(append)
    },
  })

  for (const path of ['/produce', '/produce/:topic'] as const) {
    app.post(path, may('produce'), async (c) => {
      const request = readRecords(await readBody(c.req), PARTITIONS, c.req.param('topic'))
      const positions = await produce(request)
      return c.json(
        request.topics.map((topic, i): ProduceResult => {
          const { partition, offset, timestamp } = positions[i] as RecordPosition
          return { topic, partition, offset, timestamp }
        }),
      )
    })
    app.all(path, (c) => sendError(c, 405, 'Only POST', { Allow: 'POST' }))
  }
  app.route('/', reading.app)

  app.onError((error, c) => {
    if (error instanceof KafkaRestError)
      return sendError(
        c,
        error.status,
        error.message,
        error.status === 429 ? { 'Retry-After': '1' } : {},
      )
    if (!(error instanceof ProduceTimeoutError)) deps.onError?.(error)
    return sendError(
      c,
      503,
      error instanceof ProduceTimeoutError ? error.message : 'the gateway failed',
      {
        'Retry-After': String(LIMITS.retryAfterSecondsWithoutLog),
      },
    )
  })

  /** One append for each topic; nearly always there is one. */
  async function produce({ records, topics }: ProduceRequest): Promise<RecordPosition[]> {
    const different = [...new Set(topics)]
    if (different.length === 1) return batcher.add(different[0] as string, records)
    const positions: RecordPosition[] = new Array(records.length)
    await Promise.all(
      different.map(async (topic) => {
        const places = [...topics.keys()].filter((i) => topics[i] === topic)
        const found = await batcher.add(
          topic,
          places.map((i) => records[i] as (typeof records)[number]),
        )
        places.forEach((place, i) => {
          positions[place] = found[i] as RecordPosition
        })
      }),
    )
    return positions
  }

  return {
    app,
    close() {
      closing.abort()
      return batcher.close()
    },
  }
}
