import { type NewRecord, type RecordPosition, UnknownTopicError } from '../log.ts'
import { type AppendBatch, bytesOf, createGroupByPartition } from '../partition-batches.ts'
import type { AppendNotifier } from './append-notifier.ts'
import { CHUNK_BYTES_MAX, encodeChunk } from './chunk.ts'
import type { Connections } from './connections.ts'

export interface AppendDeps {
  connections: Connections
  /** How many partitions each topic has. */
  partitionCounts: ReadonlyMap<string, number>
  notifier: Pick<AppendNotifier, 'notify'>
  /** Creates the day's table that an append did not find. */
  createDays: () => Promise<unknown>
}

export function createAppend(deps: AppendDeps) {
  const { connections, partitionCounts, notifier, createDays: makeDays } = deps
  const groupByPartition = createGroupByPartition({ bytesMax: CHUNK_BYTES_MAX, sizeOf: bytesOf })

  return async function append(
    topic: string,
    records: readonly NewRecord[],
    signal?: AbortSignal,
  ): Promise<RecordPosition[]> {
    const partitions = partitionCounts.get(topic)
    if (partitions === undefined) throw new UnknownTopicError(topic)
    if (records.length === 0) return []
    const batches = groupByPartition(topic, records, partitions)

    const timestamp = Date.now()
    const bodies = batches.map((batch) => encodeChunk(batch.records, timestamp))
    const send = () => insertChunks(connections, topic, batches, bodies, signal)
    const baseOffsets = await send().catch(async (error) => {
      if (!isMissingDay(error)) throw error
      // The machine slept past the days that were created ahead. Nothing was stored, so it may be sent again.
      await makeDays()
      return send()
    })
    notifier.notify(new Map([[topic, new Set(batches.map(({ partition }) => partition))]]))

    const positions: RecordPosition[] = new Array(records.length)
    batches.forEach(({ partition, indexes }, i) => {
      const baseOffset = baseOffsets[i] as number
      indexes.forEach((index, n) => {
        positions[index] = { partition, offset: baseOffset + n, timestamp }
      })
    })
    return positions
  }
}

/** One call, whatever the number of batches. Bodies are parameters of their own, which pg sends as they are. */
function insertChunks(
  connections: Connections,
  topic: string,
  batches: readonly AppendBatch[],
  bodies: Buffer[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const parameters = bodies.map((_, i) => `$${i + 4}`)
  return connections.use(async (client) => {
    const { rows } = await client.query<{ base: number }>({
      name: `append-${bodies.length}`,
      text: `SELECT out_base_offset::float8 AS base FROM log_append($1, $2, $3, ARRAY[${parameters.join(', ')}]::bytea[])`,
      values: [
        topic,
        batches.map((batch) => batch.partition),
        batches.map((batch) => batch.records.length),
        ...bodies,
      ],
    })
    return rows.map((row) => row.base)
  }, signal)
}

/** check_violation without a constraint's name: no partition of log_chunk takes the row. */
function isMissingDay(error: unknown): boolean {
  const { code, constraint } = error as { code?: string; constraint?: string }
  return code === '23514' && constraint === undefined
}
