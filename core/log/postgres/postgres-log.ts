import { LIMITS } from '../../../contract/limits.ts'
import { type Log, type PartitionOffsets, UnknownTopicError } from '../log.ts'
import { createAppend } from './append.ts'
import { createAppendNotifier } from './append-notifier.ts'
import { type Connections, createConnections } from './connections.ts'
import { readBatches } from './reader.ts'
import { createLogRetention } from './retention.ts'
import { createWakeup } from './wakeup.ts'

export interface PostgresLogDeps {
  url: string
  /** Called for every failed read and every failed round of maintenance; the log recovers by itself. */
  onError?: (error: unknown) => void
  /** Days that records are kept, once they were read. */
  retentionDays?: number
  /** How long an append may take, waiting for a connection included. */
  appendMsMax?: number
}

/** As many appends may be under way; the gateway has at most two. */
const APPEND_CONNECTIONS = 2
const READ_CONNECTIONS = 3
/** Opened with the first append; a process that only reads has none. */
const NOTIFY_CONNECTIONS = 1
const NOTIFY_MS_MAX = 2_000
const READ_MS_MAX = 10_000
const MAINTENANCE_MS = 3_600_000

/**
 * The log for one machine, in Postgres. Consecutive records of a partition are one row, a chunk
 * (docs/adr/0003-log-chunks.md); offsets come from a counter row a partition that stays locked until the append
 * commits, so that none becomes visible before a smaller one. Readers are woken by NOTIFY, after the commit, and read
 * once a second anyway. The log maintains its own days of `log_chunk`.
 */
export async function createPostgresLog(deps: PostgresLogDeps): Promise<Log> {
  const { url, onError = () => {}, appendMsMax = LIMITS.logAppendMsMax } = deps
  const options = (name: string, max: number, msMax: number) => ({ url, name, max, msMax })
  const appending = createConnections(options('sluice log append', APPEND_CONNECTIONS, appendMsMax))
  const reading = createConnections(options('sluice log read', READ_CONNECTIONS, READ_MS_MAX))
  const notifying = createConnections(
    options('sluice log notify', NOTIFY_CONNECTIONS, NOTIFY_MS_MAX),
  )
  const retention = createLogRetention({ pool: reading.pool, retentionDays: deps.retentionDays })
  const partitionCounts = await start().catch(async (error) => {
    await Promise.all([appending.close(), reading.close()])
    throw error
  })

  async function start(): Promise<Map<string, number>> {
    const counts = await countPartitions(reading)
    // Another process may hold the lock of the days. Maintenance tries again, and an append creates the day it misses.
    await retention.createAhead().catch(onError)
    return counts
  }
  async function maintain(): Promise<void> {
    try {
      await retention.createAhead()
      await retention.drop()
    } catch (error) {
      if (!closing.signal.aborted) onError(error)
    }
  }

  const closing = new AbortController()
  const wakeup = createWakeup(url, onError)
  const notifier = createAppendNotifier(notifying, onError)
  const maintenance = setInterval(maintain, MAINTENANCE_MS)
  maintenance.unref()
  void maintain()

  return {
    append: createAppend({
      connections: appending,
      partitionCounts,
      notifier,
      createDays: retention.createAhead,
    }),

    batches: (topic, { signal, ...options }) =>
      readBatches({ connections: reading, wakeup, partitionCounts, onError }, topic, {
        ...options,
        signal: AbortSignal.any([signal, closing.signal]),
      }),

    async identity(topic) {
      if (!partitionCounts.has(topic)) throw new UnknownTopicError(topic)
      const { rows } = await reading.use((client) =>
        client.query<{ identity: string }>('SELECT identity FROM postgres_log'),
      )
      return `postgres ${rows[0]?.identity}`
    },

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
        client.query<{ partition: number; offset: number }>(
          `SELECT p.partition, coalesce(c.base_offset, p.next_offset)::float8 AS offset
             FROM log_partition p LEFT JOIN LATERAL (
               SELECT base_offset FROM log_chunk c WHERE c.topic = p.topic AND c.partition = p.partition
                  AND c.appended_at >= to_timestamp($2 / 1000.0) AND c.appended_on >= (to_timestamp($2 / 1000.0) AT TIME ZONE 'UTC')::date
                ORDER BY base_offset LIMIT 1) c ON true
            WHERE p.topic = $1 ORDER BY p.partition`,
          [topic, ms],
        ),
      )
      if (rows.length === 0) throw new UnknownTopicError(topic)
      return new Map(rows.map((row) => [row.partition, row.offset]))
    },

    async close() {
      closing.abort()
      clearInterval(maintenance)
      await Promise.all([appending.close(), reading.close(), wakeup.close(), notifier.stop()])
      await notifying.close()
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
