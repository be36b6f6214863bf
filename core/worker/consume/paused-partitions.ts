import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { type CorruptLogError, OffsetOutOfRangeError } from '../../log/log.ts'
import { readPositions } from '../write/positions.ts'
import type { ExecuteQuery } from './connection.ts'

/** Why a partition cannot be read on. */
export type PauseReason = OffsetOutOfRangeError | CorruptLogError

/**
 * The partitions of a consumer in which events are missing, or cannot be read: they wait for a person, the others
 * go on.
 */
export interface PausedPartitions {
  /**
   * From now on the partition waits. An offset gap is recorded, for the metrics and for the person who decides.
   * @returns whether it was not paused for this reason before
   */
  pause(reason: PauseReason, readFrom: number): Promise<{ isNew: boolean }>
  /** Those of these positions at which reading may go on; the other partitions stay paused. */
  resumable(positions: ReadonlyMap<number, number>): Map<number, number>
  /** Aborts with `signal`, and when a partition that `resumable` left out may have become resumable. */
  watch(signal: AbortSignal): { signal: AbortSignal; end(): void }
}

/** How often a paused partition's position is read, to see whether somebody has moved it. */
const POLL_MS = LIMITS.workerHeartbeatMs
/** So often the log is tried all the same: it may be whole again, and if it is not the alarm is logged once more. */
const TRY_MS = 60_000

interface Pause {
  /** Of the partition, when it was paused. */
  position: number
  /** The first offset that could not be read. */
  expected: number
  sinceMs: number
}

export function createPausedPartitions(execute: ExecuteQuery): PausedPartitions {
  const pauses = new Map<number, Pause>()
  /** Those that `resumable` left out. */
  let paused: number[] = []

  function isPaused(partition: number, position: number | undefined): boolean {
    const pause = pauses.get(partition)
    return (
      pause !== undefined &&
      pause.position === position &&
      performance.now() - pause.sinceMs < TRY_MS
    )
  }

  return {
    async pause(reason, readFrom) {
      const { partition } = reason
      const expected = reason instanceof OffsetOutOfRangeError ? reason.expected : reason.offset
      const isNew = pauses.get(partition)?.expected !== expected
      // Before anything that may fail: a gap that cannot be recorded is one all the same.
      pauses.set(partition, { position: readFrom, expected, sinceMs: performance.now() })
      if (reason instanceof OffsetOutOfRangeError) await recordGap(execute, reason, readFrom)
      const position =
        (await readPositions(execute, TOPICS.raw.name, [partition])).get(partition) ?? readFrom
      // At any other position somebody has moved it meanwhile.
      if (position === expected || position === readFrom)
        pauses.set(partition, { position, expected, sinceMs: performance.now() })
      else pauses.delete(partition)
      return { isNew }
    },
    resumable(positions) {
      for (const [partition, position] of positions)
        if (pauses.get(partition)?.position !== position) pauses.delete(partition)
      paused = [...pauses.keys()].filter((partition) =>
        isPaused(partition, positions.get(partition)),
      )
      return new Map([...positions].filter(([partition]) => !paused.includes(partition)))
    },
    watch(signal) {
      const watched = paused
      if (watched.length === 0) return { signal, end() {} }
      const resumed = new AbortController()
      const timer = setInterval(async () => {
        try {
          const positions = await readPositions(execute, TOPICS.raw.name, watched)
          if (watched.some((partition) => !isPaused(partition, positions.get(partition))))
            resumed.abort()
        } catch {
          // Postgres is away; the next poll tries again.
        }
      }, POLL_MS)
      return { signal: AbortSignal.any([signal, resumed.signal]), end: () => clearInterval(timer) }
    },
  }
}

/** Met again, it is the same gap. One that was accepted while we met it stays so: its position has moved. */
async function recordGap(
  execute: ExecuteQuery,
  { partition, expected, available }: OffsetOutOfRangeError,
  readFrom: number,
): Promise<void> {
  await execute(
    `INSERT INTO offset_gap (topic, partition, expected, available)
     SELECT p.topic, p.partition, $3, $4 FROM log_position p
      WHERE p.topic = $1 AND p.partition = $2 AND p.next_offset IN ($3, $5) FOR SHARE
     ON CONFLICT (topic, partition, expected) DO UPDATE SET available = EXCLUDED.available, skipped_at = NULL`,
    [TOPICS.raw.name, partition, expected, available, readFrom],
  )
}
