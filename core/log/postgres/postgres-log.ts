import { LIMITS } from '../../../contract/limits.ts'
import { type Log, type PartitionOffsets, UnknownTopicError } from '../log.ts'
import { createAppend } from './append.ts'
import { type Connections, createConnections } from './connections.ts'
import { readBatches } from './reader.ts'
import { createLogRetention } from './retention.ts'
import { createWakeup } from './wakeup.ts'

export interface PostgresLogDeps {
  url: string
  /** Told of every failed read and of every failed round of housekeeping; the log goes on by itself. */
  onTrouble?: (error: unknown) => void
  /** Days that are kept after they were read. */
  retentionDays?: number
  /** How long an append may take, waiting for a connection included. */
  appendMsMax?: number
}

/** How many appends may be under way; the gateway has at most two. */
const APPENDERS = 2
const READERS = 3
const READ_MS_MAX = 10_000
const HOUSEKEEPING_MS = 3_600_000

/**
 * The log for one machine, in Postgres. A run of records is one row (docs/adr/0003-log-chunks.md);
 * offsets come from a counter row a partition that stays locked until the append commits, so that
 * none becomes visible before a smaller one. Readers are woken by NOTIFY and look once a second anyway.
 * The log looks after its own days of `log_chunk`.
 */
export async function createPostgresLog(deps: PostgresLogDeps): Promise<Log> {
  const { url, onTrouble = () => {}, appendMsMax = LIMITS.logAppendMsMax } = deps
  const options = (name: string, max: number, msMax: number) => ({ url, name, max, msMax })
  const appending = createConnections(options('sluice log append', APPENDERS, appendMsMax))
  const reading = createConnections(options('sluice log read', READERS, READ_MS_MAX))
  const retention = createLogRetention({ pool: reading.pool, retentionDays: deps.retentionDays })
  const partitionCounts = await start().catch(async (error) => {
    await Promise.all([appending.close(), reading.close()])
    throw error
  })

  async function start(): Promise<Map<string, number>> {
    await retention.makeAhead()
    return countPartitions(reading)
  }
  async function keepHouse(): Promise<void> {
    try {
      await retention.makeAhead()
      await retention.drop()
    } catch (error) {
      if (!closing.signal.aborted) onTrouble(error)
    }
  }

  const closing = new AbortController()
  const wakeup = createWakeup(url, onTrouble)
  const housekeeping = setInterval(keepHouse, HOUSEKEEPING_MS)
  housekeeping.unref()
  void keepHouse()

  return {
    append: createAppend({
      connections: appending,
      partitionCounts,
      makeDays: retention.makeAhead,
    }),

    batches: (topic, { signal, ...options }) =>
      readBatches({ connections: reading, wakeup, partitionCounts, onTrouble }, topic, {
        ...options,
        signal: AbortSignal.any([signal, closing.signal]),
      }),

    async offsets(topic): Promise<PartitionOffsets[]> {
      const { rows } = await reading.use((client) =>
        client.query<PartitionOffsets>(
          `SELECT p.partition, coalesce(c.base_offset, p.next_offset)::float8 AS "logStartOffset",
                  p.next_offset::float8 AS "lastStableOffset"
             FROM log_partition p LEFT JOIN LATERAL (
               SELECT base_offset FROM log_chunk c WHERE c.topic = p.topic AND c.partition = p.partition
                ORDER BY base_offset LIMIT 1) c ON true
            WHERE p.topic = $1 ORDER BY p.partition`,
          [topic],
        ),
      )
      if (rows.length === 0) throw new UnknownTopicError(topic)
      return rows
    },

    async offsetsAt(topic, ms) {
      const { rows } = await reading.use((client) =>
        client.query<{ partition: number; at: number }>(
          `SELECT p.partition, coalesce(c.base_offset, p.next_offset)::float8 AS at
             FROM log_partition p LEFT JOIN LATERAL (
               SELECT base_offset FROM log_chunk c WHERE c.topic = p.topic AND c.partition = p.partition
                  AND c.appended_at >= to_timestamp($2 / 1000.0) AND c.appended_on >= (to_timestamp($2 / 1000.0) AT TIME ZONE 'UTC')::date
                ORDER BY base_offset LIMIT 1) c ON true
            WHERE p.topic = $1 ORDER BY p.partition`,
          [topic, ms],
        ),
      )
      if (rows.length === 0) throw new UnknownTopicError(topic)
      return new Map(rows.map((row) => [row.partition, row.at]))
    },

    async close() {
      closing.abort()
      clearInterval(housekeeping)
      await Promise.all([appending.close(), reading.close(), wakeup.close()])
    },
  }
}

async function countPartitions(connections: Connections): Promise<Map<string, number>> {
  const { rows } = await connections.use((client) =>
    client.query<{ topic: string; partitions: number }>(
      'SELECT topic, count(*)::int AS partitions FROM log_partition GROUP BY 1',
    ),
  )
  return new Map(rows.map((row) => [row.topic, row.partitions]))
}
