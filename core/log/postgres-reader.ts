import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { decodeChunk } from './chunk.ts'
import {
  type LogBatch,
  LogGapError,
  type LogRecord,
  type PartitionRun,
  type ReadOptions,
} from './log.ts'
import type { Wakeup } from './postgres-wakeup.ts'

export interface ReaderDeps {
  pool: pg.Pool
  wakeup: Wakeup
  onTrouble: (error: unknown) => void
}

const POLL_MS = 1_000
const RETRY_MS_MAX = 2_000
/** In memory at once and for one reader: what is read ahead. At least one chunk is always read. */
const READ_BYTES_MAX = 8 * 1024 * 1024
const READ_CHUNKS_MAX = 1_000

/**
 * Reads whole chunks into a queue for each partition and deals batches out of the queues, fairly: a busy
 * partition fills what the others leave. Read ahead is at most one query, and only while there is a backlog.
 */
export async function* readBatches(
  deps: ReaderDeps,
  topic: string,
  { from, signal, maxRecords, minIntervalMs }: ReadOptions,
): AsyncGenerator<LogBatch> {
  const queues = new Map(
    [...from]
      .sort(([a], [b]) => a - b)
      .map(([p, next]) => [p, { next, records: [] as LogRecord[] }]),
  )
  const queued = () => [...queues.values()].reduce((sum, queue) => sum + queue.records.length, 0)
  const fill = () => fillQueues(deps, topic, queues, maxRecords, signal)
  let lastBatchAt = 0
  let ahead: Promise<void> | undefined

  while (!signal.aborted) {
    await (ahead ?? fill())
    ahead = undefined
    if (queued() === 0) {
      await deps.wakeup.wait(topic, POLL_MS, signal)
      continue
    }
    if (queued() < maxRecords) {
      const early = lastBatchAt + minIntervalMs - Date.now()
      if (early > 0) {
        await sleep(early, undefined, { signal }).catch(() => {})
        if (signal.aborted) return
        await fill()
      }
    }
    const batch = deal(queues, maxRecords)
    lastBatchAt = Date.now()
    if (batch.recordCount === maxRecords) {
      ahead = fill()
      // Its failure is met at the next turn; until then it is not unheard of.
      ahead.catch(() => {})
    }
    yield batch
  }
}

type Queues = Map<number, { next: number; records: LogRecord[] }>

/** Asks until Postgres answers; only a gap in the log ends it. */
async function fillQueues(
  deps: ReaderDeps,
  topic: string,
  queues: Queues,
  maxRecords: number,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      return await readChunks(deps.pool, topic, queues, maxRecords)
    } catch (error) {
      if (error instanceof LogGapError) throw error
      deps.onTrouble(error)
      await sleep(Math.min(RETRY_MS_MAX, 50 * 2 ** failures), undefined, { signal }).catch(() => {})
    }
  }
}

interface ChunkRow {
  partition: number
  next_offset: number
  base_offset: number | null
  record_count: number
  body: Buffer
}

/**
 * One snapshot of how far each partition goes and of the chunks from where we are. `log_partition` is asked
 * too because it tells "nothing new" from "dropped before it was read".
 */
const READ = `
SELECT w.partition, p.next_offset::float8 AS next_offset, c.base_offset::float8 AS base_offset, c.record_count, c.body
  FROM unnest($2::int[], $3::bigint[]) AS w (partition, at)
  JOIN log_partition p ON p.topic = $1 AND p.partition = w.partition
  LEFT JOIN LATERAL (
    SELECT * FROM (
      SELECT base_offset, record_count, body,
             sum(record_count) OVER before AS records_before, sum(octet_length(body)) OVER before AS bytes_before
        FROM (SELECT * FROM log_chunk l
               WHERE l.topic = $1 AND l.partition = w.partition
                 AND l.base_offset > w.at - ${LIMITS.logAppendRecordsMax} AND l.base_offset + l.record_count > w.at
               ORDER BY l.base_offset LIMIT ${READ_CHUNKS_MAX}) l
      WINDOW before AS (ORDER BY base_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) l WHERE coalesce(records_before, 0) < $4 AND coalesce(bytes_before, 0) < $5
  ) c ON p.next_offset > w.at
 WHERE p.next_offset <> w.at
 ORDER BY w.partition, c.base_offset`

async function readChunks(
  pool: pg.Pool,
  topic: string,
  queues: Queues,
  maxRecords: number,
): Promise<void> {
  const wanting = [...queues].filter(([, queue]) => queue.records.length < maxRecords)
  if (wanting.length === 0) return
  const { rows } = await pool.query<ChunkRow>({
    name: 'read-chunks',
    text: READ,
    values: [
      topic,
      wanting.map(([partition]) => partition),
      wanting.map(([, queue]) => queue.next),
      maxRecords,
      Math.ceil(READ_BYTES_MAX / wanting.length),
    ],
  })
  for (const row of rows) {
    const queue = queues.get(row.partition)
    if (!queue) continue
    const starts = row.base_offset ?? row.next_offset
    // Nothing there although the log has grown, a hole, or an end before where we are.
    if (row.base_offset === null || starts > queue.next)
      throw new LogGapError(topic, row.partition, queue.next, starts)
    const records = decodeChunk(row.body, {
      topic,
      partition: row.partition,
      baseOffset: starts,
      recordCount: row.record_count,
    })
    for (let i = queue.next - starts; i < records.length; i++)
      queue.records.push(records[i] as LogRecord)
    queue.next = starts + records.length
  }
}

/** Takes equal shares first, then what is left from whoever has it. */
function deal(queues: Queues, maxRecords: number): LogBatch {
  const filled = [...queues].filter(([, queue]) => queue.records.length > 0)
  const share = Math.max(1, Math.floor(maxRecords / filled.length))
  const takes = filled.map(([, queue]) => Math.min(share, queue.records.length))
  let room = maxRecords - takes.reduce((sum, take) => sum + take, 0)
  const partitions: PartitionRun[] = []
  filled.forEach(([partition, queue], i) => {
    const more = Math.min(Math.max(room, 0), queue.records.length - (takes[i] as number))
    room -= more
    const records = queue.records.splice(0, (takes[i] as number) + more)
    const first = records[0]?.offset ?? 0
    partitions.push({ partition, from: first, next: first + records.length, records })
  })
  return { partitions, recordCount: partitions.reduce((sum, run) => sum + run.records.length, 0) }
}
