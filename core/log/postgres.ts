import pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { encodeChunk } from './chunk.ts'
import type { Log, NewRecord, PartitionBounds, Position } from './log.ts'
import { partitionFor } from './partitioner.ts'
import { readBatches } from './postgres-reader.ts'
import { createWakeup } from './postgres-wakeup.ts'
import { createLogRetention } from './retention.ts'

/**
 * The log for one machine, in Postgres. A run of records is one row (docs/decisions/0003-log-chunks.md);
 * offsets come from a counter row a partition that stays locked until the append commits, so that
 * none becomes visible before a smaller one. Readers are woken by NOTIFY and look once a second anyway.
 */
export interface PostgresLogDeps {
  url: string
  /** Told of every failed read and of every failed round of housekeeping; the log goes on by itself. */
  onTrouble?: (error: unknown) => void
  /** Days that are kept after they were read. */
  retentionDays?: number
}

/** How many appends may be under way; the gateway has at most two. */
const APPENDERS = 2
const READERS = 3
const READ_MS_MAX = 10_000
const HOUSEKEEPING_MS = 3_600_000

export async function createPostgresLog(deps: PostgresLogDeps): Promise<Log> {
  const { url, onTrouble = () => {} } = deps
  const appending = poolFor(url, 'sluice log append', APPENDERS, LIMITS.logAppendMsMax)
  const reading = poolFor(url, 'sluice log read', READERS, READ_MS_MAX)
  const wakeup = createWakeup(url, onTrouble)
  // The log looks after its own days: an append must never find its day missing.
  const retention = createLogRetention({ pool: reading, retentionDays: deps.retentionDays })
  await retention.keep()
  const housekeeping = setInterval(() => retention.keep().catch(onTrouble), HOUSEKEEPING_MS)
  housekeeping.unref()
  const partitionCounts = await countPartitions(reading)
  let dealt = 0

  return {
    async append(topic, records, signal) {
      if (records.length === 0) return []
      if (records.length > LIMITS.logAppendRecordsMax)
        throw new RangeError(`an append takes at most ${LIMITS.logAppendRecordsMax} records`)
      const partitions = partitionCounts.get(topic)
      if (partitions === undefined) throw new UnknownTopicError(topic)
      const runs = new Map<number, { records: NewRecord[]; places: number[] }>()
      records.forEach((record, i) => {
        const partition =
          record.partition ??
          (record.key ? partitionFor(record.key, partitions) : dealt++ % partitions)
        const run = runs.get(partition) ?? { records: [], places: [] }
        run.records.push(record)
        run.places.push(i)
        runs.set(partition, run)
      })
      const timestamp = Date.now()
      const order = [...runs.keys()].sort((a, b) => a - b)
      const bodies = order.map((partition) =>
        encodeChunk(runs.get(partition)?.records ?? [], timestamp),
      )
      signal?.throwIfAborted()
      const bases = await appendRuns(
        appending,
        topic,
        order,
        order.map((p) => runs.get(p)?.records.length ?? 0),
        bodies,
      )

      const positions: Position[] = new Array(records.length)
      for (const [partition, base] of bases)
        runs.get(partition)?.places.forEach((place, i) => {
          positions[place] = { partition, offset: base + i, timestamp }
        })
      return positions
    },

    batches: (topic, options) => readBatches({ pool: reading, wakeup, onTrouble }, topic, options),

    async bounds(topic): Promise<PartitionBounds[]> {
      const { rows } = await reading.query(
        `SELECT p.partition, p.next_offset::float8 AS next, coalesce(c.base_offset, p.next_offset)::float8 AS first
           FROM log_partition p LEFT JOIN LATERAL (
             SELECT base_offset FROM log_chunk c WHERE c.topic = p.topic AND c.partition = p.partition
              ORDER BY base_offset LIMIT 1) c ON true
          WHERE p.topic = $1 ORDER BY p.partition`,
        [topic],
      )
      if (rows.length === 0) throw new UnknownTopicError(topic)
      return rows
    },

    async close() {
      clearInterval(housekeeping)
      await Promise.all([appending.end(), reading.end(), wakeup.close()])
    },
  }
}

export class UnknownTopicError extends Error {
  constructor(topic: string) {
    super(`there is no topic or partition of the name ${topic}`)
    this.name = 'UnknownTopicError'
  }
}

/** One call, whatever the number of partitions; bodies go as parameters of their own, which pg sends as they are. */
async function appendRuns(
  pool: pg.Pool,
  topic: string,
  partitions: number[],
  counts: number[],
  bodies: Buffer[],
): Promise<[partition: number, base: number][]> {
  const places = bodies.map((_, i) => `$${i + 4}::bytea`)
  const client = await pool.connect()
  let failed: Error | undefined
  try {
    const { rows } = await client.query({
      name: `append-${bodies.length}`,
      text: `SELECT out_partition, out_base_offset::float8 AS base FROM log_append($1, $2, $3, ARRAY[${places.join(', ')}])`,
      values: [topic, partitions, counts, ...bodies],
    })
    return rows.map((row) => [row.out_partition, row.base])
  } catch (error) {
    failed = error as Error
    if ((error as { code?: string }).code === 'SL001') throw new UnknownTopicError(topic)
    throw error
  } finally {
    // After a time-out the server may still be busy with it: such a client must not serve anyone again.
    client.release(failed)
  }
}

async function countPartitions(pool: pg.Pool): Promise<Map<string, number>> {
  const { rows } = await pool.query(
    'SELECT topic, count(*)::int AS partitions FROM log_partition GROUP BY 1',
  )
  return new Map(rows.map((row) => [row.topic, row.partitions]))
}

function poolFor(url: string, name: string, max: number, msMax: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: name,
    max,
    connectionTimeoutMillis: msMax,
    statement_timeout: msMax,
    query_timeout: msMax,
    keepAlive: true,
    idleTimeoutMillis: 60_000,
  })
  pool.on('error', () => {})
  // A checked-out client whose connection breaks would otherwise end the process.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
