import { createHash, timingSafeEqual } from 'node:crypto'
import { type Context, Hono } from 'hono'
import type { KafkaRestError, ProduceResult } from '../../contract/kafka-rest.ts'
import { LIMITS } from '../../contract/limits.ts'
import { TOPICS } from '../../contract/topics.ts'
import { readBasic } from '../keys/credentials.ts'
import type { Position } from '../log/log.ts'
import { type BatcherDeps, createBatcher, NotConfirmedError } from './batcher.ts'
import { readBody } from './read-body.ts'
import { BadProduceError, type ProduceRequest, readRecords } from './read-records.ts'

export interface KafkaRest {
  /** `POST /produce` in the protocol of Upstash's REST API for Kafka. */
  app: Hono
  /** Refuses new records and resolves when those on their way were confirmed or refused. */
  close(): Promise<void>
}

export interface KafkaRestDeps extends BatcherDeps {
  username: string
  password: string
}

/**
 * Puts records into the log for whoever speaks HTTP only. It answers 200 when the log has them and never before;
 * 503 with Retry-After when the log did not confirm in time: then it may have them or not.
 */
export function createKafkaRest({ username, password, ...deps }: KafkaRestDeps): KafkaRest {
  const app = new Hono()
  const batcher = createBatcher(deps)
  const expected = digest(`${username}:${password}`)
  const partitions = new Map<string, number>(
    Object.values(TOPICS).map((topic) => [topic.name, topic.partitions]),
  )

  app.post('/produce', async (c) => {
    const basic = readBasic(c.req.header('authorization') ?? null)
    if (!basic || !timingSafeEqual(digest(`${basic.user}:${basic.password}`), expected))
      return say(c, 401, 'Unauthorized', { 'WWW-Authenticate': 'Basic realm="gateway"' })
    const request = readRecords(await readBody(c.req), partitions)
    const positions = await produce(request)
    return c.json(
      request.topics.map((topic, i): ProduceResult => {
        const { partition, offset, timestamp } = positions[i] as Position
        return { topic, partition, offset, timestamp }
      }),
    )
  })
  app.all('/produce', (c) => say(c, 405, 'Only POST', { Allow: 'POST' }))

  app.onError((error, c) => {
    if (error instanceof BadProduceError) return say(c, error.status, error.message)
    if (!(error instanceof NotConfirmedError)) deps.onTrouble?.(error)
    return say(c, 503, error instanceof NotConfirmedError ? error.message : 'the gateway failed', {
      'Retry-After': String(LIMITS.retryAfterSecondsWithoutLog),
    })
  })

  /** One append for each topic; nearly always there is one. */
  async function produce({ records, topics }: ProduceRequest): Promise<Position[]> {
    const different = [...new Set(topics)]
    if (different.length === 1) return batcher.add(different[0] as string, records)
    const positions: Position[] = new Array(records.length)
    await Promise.all(
      different.map(async (topic) => {
        const places = [...topics.keys()].filter((i) => topics[i] === topic)
        const found = await batcher.add(
          topic,
          places.map((i) => records[i] as (typeof records)[number]),
        )
        places.forEach((place, i) => {
          positions[place] = found[i] as Position
        })
      }),
    )
    return positions
  }

  return { app, close: () => batcher.close() }
}

type Status = 400 | 401 | 404 | 405 | 408 | 413 | 503

function say(c: Context, status: Status, error: string, headers: Record<string, string> = {}) {
  return c.json({ error, status } satisfies KafkaRestError, status, headers)
}

/** Of one length whatever was sent, so that comparing takes the same time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
