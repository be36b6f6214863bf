import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { type CorruptLogError, OffsetOutOfRangeError } from '../../log/log.ts'
import type { Ask } from './connection.ts'

/** Where reading cannot go on. */
export type Obstacle = OffsetOutOfRangeError | CorruptLogError

/** The partitions of a lane in which events are missing, or cannot be read: they wait for a person, the others go on. */
export interface Parked {
  /** From now on the partition waits. Of a gap the metrics tell, and whoever has to decide. */
  park(obstacle: Obstacle, readFrom: number): Promise<{ isNew: boolean }>
  /** Of these positions, those where reading may go on; the others are withheld. */
  open(positions: ReadonlyMap<number, number>): Map<number, number>
  /** Aborts with `signal`, and when one of those that `open` withheld is worth another look. */
  watch(signal: AbortSignal): { signal: AbortSignal; end(): void }
}

/** Whether nobody has decided yet is asked this often. */
const LOOK_MS = LIMITS.workerHeartbeatMs
/** So often the log is tried all the same: it may be whole again, and if it is not the alarm is told once more. */
const TRY_MS = 60_000

export function createParked(ask: Ask): Parked {
  const parked = new Map<number, { position: number; wanted: number; since: number }>()
  let withheld: number[] = []

  async function positionsOf(partitions: readonly number[]): Promise<Map<number, number>> {
    const { rows } = await ask(
      'SELECT partition, next_offset FROM log_position WHERE topic = $1 AND partition = ANY ($2)',
      [TOPICS.raw.name, partitions],
    )
    return new Map(rows.map((row) => [row.partition as number, Number(row.next_offset)]))
  }

  function waits(partition: number, position: number | undefined): boolean {
    const at = parked.get(partition)
    return at !== undefined && at.position === position && performance.now() - at.since < TRY_MS
  }

  return {
    async park(obstacle, readFrom) {
      const { partition } = obstacle
      const wanted = obstacle instanceof OffsetOutOfRangeError ? obstacle.expected : obstacle.offset
      const isNew = parked.get(partition)?.wanted !== wanted
      // Before anything that may fail: a gap that cannot be noted is one all the same.
      parked.set(partition, { position: readFrom, wanted, since: performance.now() })
      if (obstacle instanceof OffsetOutOfRangeError) await note(ask, obstacle, readFrom)
      const position = (await positionsOf([partition])).get(partition) ?? readFrom
      // Anywhere else somebody has put it meanwhile.
      if (position === wanted || position === readFrom)
        parked.set(partition, { position, wanted, since: performance.now() })
      else parked.delete(partition)
      return { isNew }
    },
    open(positions) {
      for (const [partition, position] of positions)
        if (parked.get(partition)?.position !== position) parked.delete(partition)
      withheld = [...parked.keys()].filter((each) => waits(each, positions.get(each)))
      return new Map([...positions].filter(([partition]) => !withheld.includes(partition)))
    },
    watch(signal) {
      const looked = withheld
      if (looked.length === 0) return { signal, end() {} }
      const look = new AbortController()
      const timer = setInterval(async () => {
        try {
          const now = await positionsOf(looked)
          if (looked.some((each) => !waits(each, now.get(each)))) look.abort()
        } catch {
          // Postgres is away; the next look tells.
        }
      }, LOOK_MS)
      return { signal: AbortSignal.any([signal, look.signal]), end: () => clearInterval(timer) }
    },
  }
}

/** Met again, it is the same gap. One that was accepted while we met it stays so: its position has moved. */
async function note(ask: Ask, gap: OffsetOutOfRangeError, readFrom: number): Promise<void> {
  const { partition, expected: wanted, available: found } = gap
  await ask(
    `INSERT INTO offset_gap (topic, partition, expected, available)
     SELECT p.topic, p.partition, $3, $4 FROM log_position p
      WHERE p.topic = $1 AND p.partition = $2 AND p.next_offset IN ($3, $5) FOR SHARE
     ON CONFLICT (topic, partition, expected) DO UPDATE SET available = EXCLUDED.available, accepted_at = NULL`,
    [TOPICS.raw.name, partition, wanted, found, readFrom],
  )
}
