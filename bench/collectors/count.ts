import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { TOPICS } from '../../contract/log/topics.ts'
import type { Log, PartitionOffsets } from '../../core/log/log.ts'
import type { EventSeries } from './event.ts'

const READ_MS_MAX = 60_000
const STORE_MS_MAX = 120_000
const TOPIC = TOPICS.raw.name

/** Reads what was appended since `before`. @returns how often each number below `end` was found */
export async function countInLog(
  log: Log,
  before: readonly PartitionOffsets[],
  events: EventSeries,
  end: number,
): Promise<Uint8Array> {
  const found = new Uint8Array(end)
  const after = await log.offsets(TOPIC)
  const start = new Map(before.map((each) => [each.partition, each.lastStableOffset]))
  const appended = after.filter(
    (each) => each.lastStableOffset > (start.get(each.partition) as number),
  )
  let left = appended.reduce(
    (sum, each) => sum + each.lastStableOffset - (start.get(each.partition) as number),
    0,
  )
  if (left === 0) return found
  const options = {
    from: new Map(appended.map(({ partition }) => [partition, start.get(partition) as number])),
    signal: AbortSignal.timeout(READ_MS_MAX),
    maxRecords: 10_000,
    minIntervalMs: 0,
  }
  for await (const { partitions, recordCount } of log.batches(TOPIC, options)) {
    for (const { value } of partitions.flatMap(({ records }) => records)) {
      const number = events.numberOf(value.toString('latin1'))
      if (number !== undefined && number < end) found[number] = (found[number] ?? 0) + 1
    }
    left -= recordCount
    if (left <= 0) return found
  }
  throw new Error(`${left} records of the log could not be read within ${READ_MS_MAX} ms`)
}

/** Waits until the worker has read the whole log. @returns how often each number below `end` is stored */
export async function countInEvents(
  databaseUrl: string,
  events: EventSeries,
  end: number,
): Promise<Uint8Array> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  try {
    const deadline = Date.now() + STORE_MS_MAX
    for (let left = 1; left > 0 && Date.now() < deadline; await sleep(20)) {
      const { rows } = await client.query(
        `SELECT (sum(l.next_offset) - sum(p.next_offset))::float8 AS left
           FROM log_partition l JOIN log_position p USING (topic, partition)`,
      )
      left = rows[0].left
    }
    const found = new Uint8Array(end)
    const { rows } = await client.query<{ id: string }>('SELECT event_id AS id FROM event')
    for (const { id } of rows) {
      const number = events.numberOf(id)
      if (number !== undefined && number < end) found[number] = (found[number] ?? 0) + 1
    }
    return found
  } finally {
    await client.end()
  }
}
