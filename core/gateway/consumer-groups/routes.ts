import { type Context, Hono } from 'hono'
import type {
  ConsumedMessage,
  GroupAssignments,
  TopicPartition,
  TopicPartitionOffset,
} from '../../../contract/log/kafka-rest.ts'
import type { Database } from '../../db/database.ts'
import type { Log, LogRecord } from '../../log/log.ts'
import { type Authorize, checkGroup, checkTopics, type GatewayEnv } from '../authorize.ts'
import { parseJson } from '../produce/read-records.ts'
import { readBody } from '../read-body.ts'
import { sendErrorCode } from '../send-error.ts'
import { mayUseGroup, mayUseTopic } from '../users.ts'
import { createConsume } from './consume.ts'
import { createGroups, type GroupAssignment } from './groups.ts'
import { createLongPoll, type LongPoll, type PolledRecords } from './long-poll.ts'
import type { Member } from './membership.ts'
import {
  type Partitions,
  readConsume,
  readFetch,
  readName,
  readOffsets,
  readTimestamp,
  readTopicPartitions,
} from './read-request.ts'

export interface ConsumerRoutesDeps {
  log: Pick<Log, 'batches' | 'offsets' | 'offsetsAt'>
  db: Database
  authorize: Authorize
  partitions: Partitions
  closing: AbortSignal
  onError?: (error: unknown) => void
}

const SUCCESS = { result: 'Success', status: 200 }
/** More than all names of a request take. */
const BODY_BYTES_MAX = 256 * 1024

/** The consuming half of Upstash's REST API for Kafka, and the only door to this folder. */
export function createConsumerRoutes(deps: ConsumerRoutesDeps) {
  const { log, db, authorize, partitions, closing, onError = () => {} } = deps
  const app = new Hono<GatewayEnv>()
  const groups = createGroups(db, partitions)
  const longPoll = createLongPoll(log)
  const consume = createConsume({
    groups,
    longPoll,
    onReset: (what) => onError(new Error(`the log does not hold what comes next: ${what}`)),
  })
  /** Aborts when the gateway closes, or when the client goes away. */
  const abortSignal = (c: Context) => AbortSignal.any([closing, c.req.raw.signal])

  app.post('/fetch', authorize('consume'), async (c) => {
    const { from, waitMs } = readFetch(await bodyOf(c), partitions)
    checkTopics(c, from)
    return c.json(messagesOf(await longPoll.poll(from, waitMs, abortSignal(c))))
  })

  for (const path of ['/consume/:group/:instance', '/consume/:group/:instance/:topic'] as const)
    app.post(path, authorize('consume'), async (c) => {
      const topic = c.req.param('topic')
      const body = topic === undefined ? await bodyOf(c) : { topic, timeout: timeoutOf(c) }
      const request = readConsume(body, (name) => c.req.header(name), partitions)
      checkTopics(c, request.topics)
      return c.json(messagesOf(await consume({ ...request, ...memberOf(c) }, abortSignal(c))))
    })

  app.post('/commit/:group/:instance', authorize('consume'), async (c) => {
    const offsets = readOffsets(await bodyOf(c), partitions)
    checkTopics(c, offsets)
    await groups.commit(memberOf(c), offsets.length > 0 ? offsets : undefined)
    return c.json(SUCCESS)
  })

  app.post('/committed/:group/:instance', authorize('consume'), async (c) => {
    const of = readTopicPartitions(await bodyOf(c), partitions)
    checkTopics(c, of)
    return c.json(await groups.committed(memberOf(c).group, of))
  })

  app.post('/offsets/:timestamp', authorize('consume'), async (c) => {
    const at = readTimestamp(c.req.param('timestamp'))
    const of = readTopicPartitions(await bodyOf(c), partitions)
    checkTopics(c, of)
    return c.json(await offsetsOf(log, longPoll, of, at))
  })

  for (const path of ['/delete-consumer/:group/:instance', '/delete-consumer/:group'] as const)
    app.on(['POST', 'DELETE'], path, authorize('consume'), async (c) => {
      const group = groupOf(c)
      const instance = c.req.param('instance')
      // An instance that does not exist is no error: instances expire by themselves too.
      if (instance === undefined) await groups.removeGroup(group)
      else await groups.removeInstance({ group, instance: readName(instance, 'instance') })
      return c.json(SUCCESS)
    })

  app.get('/topics', authorize('either'), (c) =>
    c.json(
      Object.fromEntries([...partitions].filter(([name]) => mayUseTopic(c.get('user'), name))),
    ),
  )

  app.get('/consumers', authorize('consume'), async (c) => {
    const theirs = (await groups.list()).filter(({ name }) => mayUseGroup(c.get('user'), name))
    return c.json(theirs.map(groupAssignments))
  })

  refuseOtherMethods(app)

  return {
    app,
    /** After an append by this process: waiting requests read again. */
    notifyAppended: () => longPoll.highWatermarks.notify(),
  }
}

function refuseOtherMethods(app: Hono<GatewayEnv>): void {
  for (const path of new Set(app.routes.map((route) => route.path)))
    app.all(path, (c) => {
      const allowed = /^\/(topics|consumers)$/.test(path)
        ? 'GET, HEAD'
        : path.startsWith('/delete')
          ? 'POST, DELETE'
          : 'POST'
      return sendErrorCode(c, 'METHOD_NOT_ALLOWED', `Only ${allowed}`, { Allow: allowed })
    })
}

async function offsetsOf(
  log: Pick<Log, 'offsetsAt'>,
  longPoll: LongPoll,
  of: readonly TopicPartition[],
  at: number | 'earliest' | 'latest',
): Promise<TopicPartitionOffset[]> {
  const readTopic = async (topic: string): Promise<ReadonlyMap<number, number>> => {
    if (typeof at === 'number') return log.offsetsAt(topic, at)
    const offsets = await longPoll.highWatermarks.read(topic)
    return new Map(
      [...offsets].map(([partition, { logStartOffset, lastStableOffset }]) => [
        partition,
        at === 'latest' ? lastStableOffset : logStartOffset,
      ]),
    )
  }
  const topics = [...new Set(of.map(({ topic }) => topic))]
  const byTopic = new Map(
    await Promise.all(topics.map(async (topic) => [topic, await readTopic(topic)] as const)),
  )
  return of.map((each) => ({
    ...each,
    offset: byTopic.get(each.topic)?.get(each.partition) as number,
  }))
}

function memberOf(c: Context<GatewayEnv>): Member {
  return { group: groupOf(c), instance: readName(c.req.param('instance'), 'instance') }
}

function groupOf(c: Context<GatewayEnv>): string {
  const group = readName(c.req.param('group'), 'group')
  checkGroup(c, group)
  return group
}

/** undefined where there is none. */
async function bodyOf(c: Context): Promise<unknown> {
  const body = await readBody(c.req, BODY_BYTES_MAX)
  return body.byteLength === 0 ? undefined : parseJson(body)
}

function timeoutOf(c: Context): number | undefined {
  const sent = c.req.query('timeout')
  return sent === undefined ? undefined : Number(sent)
}

function groupAssignments({ name, assigned }: GroupAssignment): GroupAssignments {
  return {
    name,
    instances: [...assigned].map(([instance, topics]) => ({
      name: instance,
      topics: [...topics].map(([topic, theirs]) => ({ topic, partitions: theirs })),
    })),
  }
}

function messagesOf(found: readonly PolledRecords[]): ConsumedMessage[] {
  return found.flatMap(({ topic, records }) => records.map((record) => messageOf(topic, record)))
}

/** The protocol has strings only: bytes that are not valid UTF-8 are replaced. */
function messageOf(topic: string, record: LogRecord): ConsumedMessage {
  const { partition, offset, timestamp, key, value, headers = [] } = record
  return {
    topic,
    partition,
    offset,
    timestamp,
    key: key?.toString() ?? '',
    value: value.toString(),
    headers: headers.map((each) => ({ key: each.key, value: each.value.toString() })),
  }
}
