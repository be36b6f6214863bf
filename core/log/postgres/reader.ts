import pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { backoffMs } from '../../lib/backoff.ts'
import { pause } from '../../lib/pause.ts'
import {
  CorruptLogError,
  type LogBatch,
  type LogRecord,
  OffsetOutOfRangeError,
  type PartitionBatch,
  type ReadOptions,
  UnknownTopicError,
} from '../log.ts'
import { createReadPace } from '../read-pace.ts'
import { chunkBytesSql, decodeChunk } from './chunk.ts'
import type { Connections } from './connections.ts'
import { type BinaryRow, copyOut } from './copy-out.ts'
import type { Wakeup } from './wakeup.ts'

export interface ReaderDeps {
  connections: Connections
  wakeup: Wakeup
  partitionCounts: ReadonlyMap<string, number>
  /** Called for every failed read; it is retried. */
  onError: (error: unknown) => void
}

const POLL_MS = 1_000
const RETRY = { baseMs: 50, maxMs: 2_000 }
/** Of one batch; at least one chunk is always read. A reader holds two batches at most. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024

/** A batch and whether the log already holds more. */
interface Read {
  batch: LogBatch
  more: boolean
}

/**
 *   read ▶ nothing: wait for a notification, a second at most ▶ read …
 *        ▶ a batch: hand it over ▶ the log holds more: read at once, while the caller works
 *                                ▶ it does not: read when the interval is over
 *
 * A batch is whole chunks, so nothing is left over between reads and memory is two batches.
 */
export async function* readBatches(
  deps: ReaderDeps,
  topic: string,
  options: ReadOptions,
): AsyncGenerator<LogBatch> {
  const { from, maxRecords, minIntervalMs, maxIntervalMs, readAhead = true } = options
  checkFrom(deps, topic, from)
  if (from.size === 0) return
  // When the caller stops iterating, reading ahead stops too.
  const stopped = new AbortController()
  const signal = AbortSignal.any([options.signal, stopped.signal])
  const watch = deps.wakeup.watch(topic, from.keys())
  const read = createRead(deps, topic, from, maxRecords)
  const pace = createReadPace(minIntervalMs, maxIntervalMs)
  let ahead: Promise<Read | undefined> | undefined
  try {
    while (!signal.aborted) {
      watch.reset()
      const found = await (ahead ?? readWithRetry(deps, read, signal))
      ahead = undefined
      if (!found || signal.aborted) return
      if (found.batch.recordCount === 0) {
        await watch.wait(POLL_MS, signal)
        continue
      }
      const handedOverAt = performance.now()
      pace.onBatch(found.batch.recordCount)
      if (found.more && readAhead) {
        ahead = readWithRetry(deps, read, signal)
        // Its failure is thrown at the next turn; until then it is not an unhandled rejection.
        ahead.catch(() => {})
      }
      yield found.batch
      const early = handedOverAt + pace.intervalMs() - performance.now()
      if (!found.more && early > 0) await pause(early, signal)
    }
  } finally {
    stopped.abort()
    watch.end()
  }
}

function checkFrom(deps: ReaderDeps, topic: string, from: ReadonlyMap<number, number>): void {
  const partitions = deps.partitionCounts.get(topic)
  if (partitions === undefined) throw new UnknownTopicError(topic)
  for (const [partition, offset] of from) {
    if (!(Number.isInteger(partition) && partition >= 0 && partition < partitions))
      throw new UnknownTopicError(topic, partition)
    if (!(Number.isSafeInteger(offset) && offset >= 0))
      throw new RangeError(`${topic}/${partition}: ${offset} is not a valid offset`)
  }
}

/** Retries until Postgres answers or the signal aborts. Errors about the log itself are not retried. */
async function readWithRetry(
  deps: ReaderDeps,
  read: (signal: AbortSignal) => Promise<Read>,
  signal: AbortSignal,
): Promise<Read | undefined> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      return await read(signal)
    } catch (error) {
      if (error instanceof OffsetOutOfRangeError || error instanceof CorruptLogError) throw error
      if (signal.aborted) break
      deps.onError(error)
      await pause(backoffMs(failures, RETRY), signal)
    }
  }
}

/** Each call reads on from where the last one ended. */
function createRead(
  deps: ReaderDeps,
  topic: string,
  from: ReadonlyMap<number, number>,
  maxRecords: number,
): (signal: AbortSignal) => Promise<Read> {
  const next = new Map([...from].sort(([a], [b]) => a - b))
  /** Only the first read may have to begin inside a chunk, somewhere before the offset. */
  let lookBehind: number = LIMITS.logAppendRecordsMax - 1

  return async (signal) => {
    const sql = readSql(topic, next, lookBehind, maxRecords)
    const chunks = await deps.connections.use(async (client) => {
      const found = (await copyOut(client, sql)).map(toChunk)
      for (const chunk of found) await findChunkBeyond(client, topic, next, chunk)
      return found
    }, signal)
    const partitions: PartitionBatch[] = []
    for (const [partition, offset] of next) {
      const own = chunks.filter((chunk) => chunk.partition === partition)
      const joined = joinChunks(topic, offset, own)
      if (joined) partitions.push(joined)
    }
    // Only now: a failure above leaves the offsets where they were.
    for (const { partition, nextOffset } of partitions) next.set(partition, nextOffset)
    lookBehind = 0
    const recordCount = partitions.reduce((sum, { records }) => sum + records.length, 0)
    return { batch: { partitions, recordCount }, more: (chunks[0]?.available ?? 0) > recordCount }
  }

  function joinChunks(topic: string, from: number, chunks: Chunk[]): PartitionBatch | undefined {
    let expected = from
    const records: LogRecord[] = []
    for (const { partition, nextOffset, baseOffset, recordCount, body } of chunks) {
      // No chunk although the log has grown or shrunk, or an offset gap. Records before it are handed over first.
      if (baseOffset === null || baseOffset > expected) {
        if (records.length > 0) break
        throw new OffsetOutOfRangeError(topic, partition, expected, baseOffset ?? nextOffset)
      }
      const decoded = decodeChunk(body, { topic, partition, baseOffset, recordCount })
      for (let i = expected - baseOffset; i < decoded.length; i++)
        records.push(decoded[i] as LogRecord)
      expected = baseOffset + recordCount
    }
    const partition = chunks[0]?.partition
    return partition === undefined
      ? undefined
      : { partition, baseOffset: from, nextOffset: expected, records }
  }
}

/**
 * One snapshot of the chunks from the wanted offsets on and of how far each partition goes; the latter tells "nothing
 * new" from "dropped before it was read". The partitions take turns by the records they have given already, so that
 * none starves; a chunk that would exceed the limits ends the batch for all, so no partition has a gap.
 */
function readSql(
  topic: string,
  next: ReadonlyMap<number, number>,
  lookBehind: number,
  maxRecords: number,
): string {
  return `
SELECT partition, next_offset, available, base_offset, record_count, body
  FROM (
    SELECT w.partition, w.next_offset, w.available, c.base_offset, c.record_count, c.body,
           row_number() OVER turns AS turn,
           sum(coalesce(c.record_count, 0)) OVER turns AS records,
           sum(coalesce(${chunkBytesSql('c.body')}, 0)) OVER turns AS bytes
      FROM (SELECT w.partition, w.at, p.next_offset, sum(p.next_offset - w.at) OVER ()::bigint AS available
              FROM unnest('{${[...next.keys()]}}'::int[], '{${[...next.values()]}}'::bigint[]) AS w (partition, at)
              JOIN log_partition p ON p.topic = ${pg.escapeLiteral(topic)} AND p.partition = w.partition
             WHERE p.next_offset <> w.at) w
      LEFT JOIN LATERAL (
        SELECT base_offset, record_count, body,
               sum(record_count) OVER (ORDER BY base_offset) - record_count AS records_before
          FROM log_chunk
         WHERE topic = ${pg.escapeLiteral(topic)} AND partition = w.partition
           AND base_offset > w.at - 1 - ${lookBehind} AND base_offset < w.at + ${maxRecords}
           AND base_offset + record_count > w.at
      ) c ON true
    WINDOW turns AS (ORDER BY coalesce(c.records_before, 0), w.partition ROWS UNBOUNDED PRECEDING)
  ) c
 WHERE turn = 1 OR (records <= ${maxRecords} AND bytes <= ${BATCH_BYTES_MAX})
 ORDER BY partition, base_offset`
}

/**
 * Where records were dropped, the log may go on beyond the reach of one read: then that is where the gap ends, and not
 * the end of the log.
 */
async function findChunkBeyond(
  client: pg.PoolClient,
  topic: string,
  next: ReadonlyMap<number, number>,
  chunk: Chunk,
): Promise<void> {
  const from = next.get(chunk.partition) as number
  if (chunk.baseOffset !== null || chunk.nextOffset <= from) return
  const { rows } = await client.query<{ beyond: number }>(
    `SELECT base_offset::float8 AS beyond FROM log_chunk
      WHERE topic = $1 AND partition = $2 AND base_offset >= $3 ORDER BY base_offset LIMIT 1`,
    [topic, chunk.partition, from],
  )
  chunk.baseOffset = rows[0]?.beyond ?? null
}

interface Chunk {
  partition: number
  nextOffset: number
  /** Records that the log holds for this reader, over all its partitions. */
  available: number
  baseOffset: number | null
  recordCount: number
  body: Buffer
}

const EMPTY = Buffer.alloc(0)

function toChunk([partition, nextOffset, available, baseOffset, count, body]: BinaryRow): Chunk {
  return {
    partition: (partition as Buffer).readInt32BE(),
    nextOffset: Number((nextOffset as Buffer).readBigInt64BE()),
    available: Number((available as Buffer).readBigInt64BE()),
    baseOffset: baseOffset ? Number(baseOffset.readBigInt64BE()) : null,
    recordCount: count?.readInt32BE() ?? 0,
    body: body ?? EMPTY,
  }
}
