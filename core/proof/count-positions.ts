import { TOPICS } from '../../contract/log/topics.ts'
import type { Log, OffsetOutOfRangeError } from '../log/log.ts'
import type { ExecuteQuery } from './execute-query.ts'

export interface CountPositions {
  /** Next offset to count, by partition. */
  from: Map<number, number>
  logIdentity: string
  /** By Postgres' clock. */
  nowMs: () => number
}

/**
 * Where counting goes on; a partition that was never counted begins with the first record that the log holds.
 * @returns undefined while no worker has read a log, or while this is another log than theirs
 */
export async function readCountPositions(
  execute: ExecuteQuery,
  log: Pick<Log, 'offsets' | 'identity'>,
): Promise<CountPositions | undefined> {
  const topic = TOPICS.raw.name
  const logIdentity = await log.identity(topic)
  const { rows: workers } = await execute(
    `SELECT partition, next_offset::float8 AS position, log_identity AS identity,
            (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms
       FROM log_position WHERE topic = $1`,
    [topic],
  )
  if (workers.some(({ identity }) => identity !== logIdentity)) return undefined
  const held = await log.offsets(topic)
  await execute(
    `INSERT INTO log_count_position (partition, next_offset, log_identity, complete_since)
     SELECT p, o, $3, CASE WHEN o > 0 THEN clock_timestamp() END FROM unnest($1::int[], $2::bigint[]) AS u (p, o)
     ON CONFLICT DO NOTHING`,
    [
      held.map(({ partition }) => partition),
      held.map(({ logStartOffset }) => logStartOffset),
      logIdentity,
    ],
  )
  // Another log was adopted by a version that knew nothing of counts: they begin again where the workers are.
  await execute(
    `UPDATE log_count_position c SET next_offset = p.next_offset, log_identity = $2, complete_since = clock_timestamp()
       FROM log_position p WHERE p.topic = $1 AND p.partition = c.partition AND c.log_identity <> $2`,
    [topic, logIdentity],
  )
  const { rows } = await execute(
    'SELECT partition, next_offset::float8 AS next FROM log_count_position',
    [],
  )
  const [readAt, databaseMs] = [performance.now(), Number(workers[0]?.ms)]
  return {
    from: new Map(rows.map(({ partition, next }) => [partition as number, next as number])),
    logIdentity,
    nowMs: () => databaseMs + performance.now() - readAt,
  }
}

/**
 * Goes on behind records that the log dropped before they were counted, as the workers did or will: minutes until now
 * may lack them. Where the log lost its end an operator decides first (`sluice offsets skip`).
 * @returns whether the position moved
 */
export async function skipToHeld(
  execute: ExecuteQuery,
  { partition, expected, available }: OffsetOutOfRangeError,
): Promise<boolean> {
  if (available <= expected) return false
  const { rows } = await execute(
    `UPDATE log_count_position SET next_offset = $3, complete_since = clock_timestamp()
      WHERE partition = $1 AND next_offset = $2 RETURNING partition`,
    [partition, expected, available],
  )
  return rows.length > 0
}
