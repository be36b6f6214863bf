import { LIMITS } from '../../contract/limits.ts'
import { encodeChunk } from './chunk.ts'
import { type NewRecord, type Position, UnknownTopicError } from './log.ts'
import { partitionFor } from './partitioner.ts'
import type { Connections } from './postgres-connections.ts'

/** Of keys and values together; it has to fit one message to Postgres, and our memory twice. */
export const APPEND_BYTES_MAX = 32 * 1024 * 1024
/** A chunk is the least that a reader takes. One larger record still makes one chunk. */
const CHUNK_BYTES_MAX = 1024 * 1024

/** A run of records of one partition; `places` says where they stood in the append. */
interface Run {
  partition: number
  records: NewRecord[]
  places: number[]
  bytes: number
}

export interface AppendDeps {
  connections: Connections
  /** How many partitions each topic has. */
  partitionCounts: ReadonlyMap<string, number>
  /** Makes the day's table that an append did not find. */
  makeDays: () => Promise<unknown>
}

export function createAppend({ connections, partitionCounts, makeDays }: AppendDeps) {
  const deal = createDealer()

  return async function append(
    topic: string,
    records: readonly NewRecord[],
    signal?: AbortSignal,
  ): Promise<Position[]> {
    const partitions = partitionCounts.get(topic)
    if (partitions === undefined) throw new UnknownTopicError(topic)
    if (records.length === 0) return []
    if (records.length > LIMITS.logAppendRecordsMax)
      throw new RangeError(`an append takes at most ${LIMITS.logAppendRecordsMax} records`)
    const runs = groupIntoRuns(records, (record) => {
      const { partition = record.key ? partitionFor(record.key, partitions) : deal(partitions) } =
        record
      if (!(Number.isInteger(partition) && partition >= 0 && partition < partitions))
        throw new UnknownTopicError(topic, partition)
      return partition
    })

    const timestamp = Date.now()
    const bodies = runs.map((run) => encodeChunk(run.records, timestamp))
    const send = () => call(connections, topic, runs, bodies, signal)
    const bases = await send().catch(async (error) => {
      if (!isMissingDay(error)) throw error
      // The machine slept past the days that were made ahead. Nothing was stored, so it may be sent again.
      await makeDays()
      return send()
    })

    const positions: Position[] = new Array(records.length)
    runs.forEach(({ partition, places }, run) => {
      const base = bases[run] as number
      places.forEach((place, i) => {
        positions[place] = { partition, offset: base + i, timestamp }
      })
    })
    return positions
  }
}

/** Runs in ascending order of partition, so that two appends never wait for each other in a ring. */
function groupIntoRuns(
  records: readonly NewRecord[],
  partitionOf: (record: NewRecord) => number,
): Run[] {
  const runs: Run[] = []
  const open = new Map<number, Run>()
  let total = 0
  records.forEach((record, place) => {
    const partition = partitionOf(record)
    const bytes = record.value.length + (record.key?.length ?? 0)
    total += bytes
    if (total > APPEND_BYTES_MAX)
      throw new RangeError(`an append takes at most ${APPEND_BYTES_MAX} bytes`)
    let run = open.get(partition)
    if (!run || run.bytes + bytes > CHUNK_BYTES_MAX) {
      run = { partition, records: [], places: [], bytes: 0 }
      open.set(partition, run)
      runs.push(run)
    }
    run.records.push(record)
    run.places.push(place)
    run.bytes += bytes
  })
  // Stable: the runs of one partition stay in their order.
  return runs.sort((a, b) => a.partition - b.partition)
}

/** One call, whatever the number of runs. Bodies are parameters of their own, which pg sends as they are. */
function call(
  connections: Connections,
  topic: string,
  runs: readonly Run[],
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

/** Records without a key go round. */
function createDealer(): (partitions: number) => number {
  let dealt = 0
  return (partitions) => dealt++ % partitions
}
