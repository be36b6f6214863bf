import { type NewRecord, type RecordPosition, UnknownTopicError } from '../log.ts'
import { type AppendBatch, bytesOf, createGroupByPartition } from '../partition-batches.ts'
import { encodeChunk } from './chunk.ts'
import type { Connections } from './connections.ts'

/** A chunk is the least that a reader takes. One larger record still makes one chunk. */
const CHUNK_BYTES_MAX = 1024 * 1024

export interface AppendDeps {
  connections: Connections
  /** How many partitions each topic has. */
  partitionCounts: ReadonlyMap<string, number>
  /** Makes the day's table that an append did not find. */
  createDays: () => Promise<unknown>
}

export function createAppend({ connections, partitionCounts, createDays: makeDays }: AppendDeps) {
  const group = createGroupByPartition({ bytesMax: CHUNK_BYTES_MAX, sizeOf: bytesOf })

  return async function append(
    topic: string,
    records: readonly NewRecord[],
    signal?: AbortSignal,
  ): Promise<RecordPosition[]> {
    const partitions = partitionCounts.get(topic)
    if (partitions === undefined) throw new UnknownTopicError(topic)
    if (records.length === 0) return []
    const runs = group(topic, records, partitions)

    const timestamp = Date.now()
    const bodies = runs.map((run) => encodeChunk(run.records, timestamp))
    const send = () => call(connections, topic, runs, bodies, signal)
    const bases = await send().catch(async (error) => {
      if (!isMissingDay(error)) throw error
      // The machine slept past the days that were made ahead. Nothing was stored, so it may be sent again.
      await makeDays()
      return send()
    })

    const positions: RecordPosition[] = new Array(records.length)
    runs.forEach(({ partition, indexes: places }, run) => {
      const base = bases[run] as number
      places.forEach((place, i) => {
        positions[place] = { partition, offset: base + i, timestamp }
      })
    })
    return positions
  }
}

/** One call, whatever the number of runs. Bodies are parameters of their own, which pg sends as they are. */
function call(
  connections: Connections,
  topic: string,
  runs: readonly AppendBatch[],
  bodies: Buffer[],
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const places = bodies.map((_, i) => `$${i + 4}`)
  return connections.use(async (client) => {
    const { rows } = await client.query<{ base: number }>({
      name: `append-${bodies.length}`,
      text: `SELECT out_base_offset::float8 AS base FROM log_append($1, $2, $3, ARRAY[${places.join(', ')}]::bytea[])`,
      values: [
        topic,
        runs.map((run) => run.partition),
        runs.map((run) => run.records.length),
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
