import { type Context, Hono } from 'hono'
import type {
  ConsumedMessage,
  GroupAssignments,
  TopicPartitionOffset,
} from '../../../contract/log/kafka-rest.ts'
import type { Log, LogRecord } from '../../log/log.ts'
import { parseJson } from '../produce/read-records.ts'
import { readBody } from '../read-body.ts'
import { type Authorize, sendError } from '../respond.ts'
import { createConsume } from './consume.ts'
import type { Groups, Member } from './groups.ts'
import { createLongPoll, type PolledRecords } from './long-poll.ts'
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
  groups: Groups
  authorize: Authorize
  partitions: Partitions
  closing: AbortSignal
  onError?: (error: unknown) => void
}

const DONE = { result: 'Success', status: 200 }
/** More than all names of a request take. */
const BODY_BYTES_MAX = 256 * 1024

/** The reading half of Upstash's REST API for Kafka: consumers, offsets and what there is. */
export function createConsumerRoutes(deps: ConsumerRoutesDeps) {
  const { log, groups, authorize: may, partitions, closing, onError: onTrouble = () => {} } = deps
  const app = new Hono()
  const reader = createLongPoll(log)
  const consume = createConsume({
    groups,
    reader,
    onReset: (what) => onTrouble(new Error(`the log does not hold what comes next: ${what}`)),
  })
  /** Until we close, or whoever asked goes away. */
  const asked = (c: Context) => AbortSignal.any([closing, c.req.raw.signal])

  app.post('/fetch', may('consume'), async (c) => {
    const { from: places, waitMs } = readFetch(await bodyOf(c), partitions)
    return c.json(messagesOf(await reader.poll(places, waitMs, asked(c))))
  })

  for (const path of ['/consume/:group/:instance', '/consume/:group/:instance/:topic'] as const)
    app.post(path, may('consume'), async (c) => {
      const topic = c.req.param('topic')
      const body = topic === undefined ? await bodyOf(c) : { topic, timeout: timeoutOf(c) }
      const request = readConsume(body, (name) => c.req.header(name), partitions)
      return c.json(messagesOf(await consume({ ...request, ...memberOf(c) }, asked(c))))
    })

  app.post('/commit/:group/:instance', may('consume'), async (c) => {
    const offsets = readOffsets(await bodyOf(c), partitions)
    await groups.commit(memberOf(c), offsets.length > 0 ? offsets : undefined)
    return c.json(DONE)
  })

  app.post('/committed/:group/:instance', may('consume'), async (c) => {
    const of = readTopicPartitions(await bodyOf(c), partitions)
    return c.json(await groups.committed(memberOf(c).group, of))
  })

  app.post('/offsets/:timestamp', may('consume'), async (c) => {
    const at = readTimestamp(c.req.param('timestamp'))
    const of = readTopicPartitions(await bodyOf(c), partitions)
    const topics = [...new Set(of.map(({ topic }) => topic))]
    const found = new Map(
      await Promise.all(topics.map(async (topic) => [topic, await offsetsAt(topic, at)] as const)),
    )
    return c.json(
      of.map((each): TopicPartitionOffset => {
        const offset = found.get(each.topic)?.get(each.partition) as number
        return { ...each, offset }
      }),
    )
  })

  for (const path of ['/delete-consumer/:group/:instance', '/delete-consumer/:group'] as const)
    app.on(['POST', 'DELETE'], path, may('consume'), async (c) => {
      const group = readName(c.req.param('group'), 'group')
      const instance = c.req.param('instance')
      // That it is not there (any more) is what was wanted: instances go by themselves too.
      if (instance === undefined) await groups.removeGroup(group)
      else await groups.removeInstance({ group, instance: readName(instance, 'instance') })
      return c.json(DONE)
    })

  app.get('/topics', may('either'), (c) => c.json(Object.fromEntries(partitions)))

  app.get('/consumers', may('consume'), async (c) => {
    const list = await groups.list()
    return c.json(
      list.map(
        ({ name, assigned }): GroupAssignments => ({
          name,
          instances: [...assigned].map(([instance, topics]) => ({
            name: instance,
            topics: [...topics].map(([topic, theirs]) => ({ topic, partitions: theirs })),
          })),
        }),
      ),
    )
  })

  for (const path of new Set(app.routes.map((route) => route.path)))
    app.all(path, (c) => {
      const takes = /^\/(topics|consumers)$/.test(path)
        ? 'GET, HEAD'
        : path.startsWith('/delete')
          ? 'POST, DELETE'
          : 'POST'
      return sendError(c, 405, `Only ${takes}`, { Allow: takes })
    })

  async function offsetsAt(topic: string, at: number | 'earliest' | 'latest') {
    if (typeof at === 'number') return log.offsetsAt(topic, at)
    const bounds = await reader.highWatermarks.read(topic)
    return new Map(
      [...bounds].map(([partition, { logStartOffset: first, lastStableOffset: next }]) => [
        partition,
        at === 'latest' ? next : first,
      ]),
    )
  }

  return {
    app,
    /** Who waits looks again. */
    appended: () => reader.highWatermarks.notify(),
  }
}

function memberOf(c: Context): Member {
  return {
    group: readName(c.req.param('group'), 'group'),
    instance: readName(c.req.param('instance'), 'instance'),
  }
}

/** undefined: there is none. */
async function bodyOf(c: Context): Promise<unknown> {
  const body = await readBody(c.req, BODY_BYTES_MAX)
  return body.byteLength === 0 ? undefined : parseJson(body)
}

function timeoutOf(c: Context): number | undefined {
  const sent = c.req.query('timeout')
  return sent === undefined ? undefined : Number(sent)
}

function messagesOf(found: readonly PolledRecords[]): ConsumedMessage[] {
  return found.flatMap(({ topic, records }) => records.map((record) => messageOf(topic, record)))
}

/** The protocol has strings only: what is no UTF-8 loses its odd bytes. */
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
