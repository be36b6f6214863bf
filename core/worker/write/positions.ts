import type pg from 'pg'
import type { LogBatch } from '../../log/log.ts'
import type { ExecuteQuery } from '../consume/connection.ts'
import { type FinalityByTenant, readFinality, selectFinality } from './finality.ts'

/** Another writer moved the position: another worker owns these partitions now, or a commit got through unconfirmed. */
export class FencedError extends Error {
  readonly code = 'FENCED'

  constructor(topic: string) {
    super(`the position in ${topic} was moved by another worker; reading it again`)
    this.name = 'FencedError'
  }
}

/** The worker has not come this far yet: a replay goes no further than it has. */
export class NotAppliedError extends Error {
  constructor(topic: string) {
    super(
      `the workers have not applied all of these records of ${topic} yet; replay only up to their positions`,
    )
    this.name = 'NotAppliedError'
  }
}

/** A metric was activated after the transaction began, and before it had its positions: it begins again. */
export class ActivatedMeanwhileError extends Error {
  /** As a serialization failure: tried again. */
  readonly code = '40001'

  constructor() {
    super('a metric was activated while the batch waited for its position; trying again')
    this.name = 'ActivatedMeanwhileError'
  }
}

/**
 * The first offset that is not applied yet, by partition.
 * @param partitions all of the topic's without it
 */
export async function readPositions(
  execute: ExecuteQuery,
  topic: string,
  partitions?: readonly number[],
): Promise<Map<number, number>> {
  const { rows } = await execute(
    `SELECT partition, next_offset FROM log_position
      WHERE topic = $1 AND ($2::int[] IS NULL OR partition = ANY ($2))`,
    [topic, partitions],
  )
  return new Map(rows.map((row) => [row.partition as number, Number(row.next_offset)]))
}

/**
 * Begins a transaction and advances every position of the batch, or none, by compare-and-set.
 * @param logIdentity the log that the batch was read from
 * @throws FencedError, ActivatedMeanwhileError with the transaction rolled back
 */
export async function advancePositions(
  client: pg.Client,
  topic: string,
  { partitions }: LogBatch,
  tenantIds: readonly number[],
  logIdentity?: string,
): Promise<FinalityByTenant> {
  const moves = partitions.map((run) => `(${run.partition}, ${run.baseOffset}, ${run.nextOffset})`)
  // One round trip for three statements; all the values are numbers of our own. The second one gives the
  // transaction its id, so the third one sees all that finality asks for.
  const [, moved, finality] = (await client.query(`
    BEGIN ISOLATION LEVEL READ COMMITTED;
    UPDATE log_position p SET next_offset = m.next, written_at = ${WRITTEN_AT}
      FROM (VALUES ${moves.join(', ')}) AS m (partition, now, next)
     WHERE p.topic = ${client.escapeLiteral(topic)} AND p.partition = m.partition AND p.next_offset = m.now${sameLog(client, 'p.log_identity', logIdentity)};
    ${selectFinality(client.escapeLiteral(topic), tenantIds)}
  `)) as unknown as pg.QueryResult[]
  if (moved?.rowCount !== partitions.length) {
    await client.query('ROLLBACK')
    throw new FencedError(topic)
  }
  return readLater(client, finality?.rows ?? [])
}

/** Later than every `stored_at` of the partition, whatever the clock does. */
const WRITTEN_AT = "greatest(now(), p.written_at + interval '1 microsecond')"

/** @throws ActivatedMeanwhileError with the transaction rolled back */
async function readLater(
  client: pg.Client,
  rows: readonly Record<string, unknown>[],
): Promise<FinalityByTenant> {
  if (rows.some((row) => row.activated_later)) {
    await client.query('ROLLBACK')
    throw new ActivatedMeanwhileError()
  }
  return readFinality(rows)
}

/**
 * Begins a transaction and locks the positions of the batch where they are.
 * @throws NotAppliedError, ActivatedMeanwhileError with the transaction rolled back
 */
export async function holdPositions(
  client: pg.Client,
  topic: string,
  { partitions }: LogBatch,
  tenantIds: readonly number[],
  logIdentity?: string,
): Promise<FinalityByTenant> {
  const [, held, , finality] = (await client.query(`
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SELECT partition, next_offset AS next FROM log_position
     WHERE topic = ${client.escapeLiteral(topic)} AND partition IN (${partitions.map((run) => run.partition).join(', ')})${sameLog(client, 'log_identity', logIdentity)}
     ORDER BY partition FOR UPDATE;
    UPDATE log_position p SET written_at = ${WRITTEN_AT}
     WHERE topic = ${client.escapeLiteral(topic)} AND partition IN (${partitions.map((run) => run.partition).join(', ')});
    ${selectFinality(client.escapeLiteral(topic), tenantIds)}
  `)) as unknown as pg.QueryResult[]
  const applied = new Map(held?.rows.map(({ partition, next }) => [partition, Number(next)]))
  if (partitions.some((run) => (applied.get(run.partition) ?? 0) < run.nextOffset)) {
    await client.query('ROLLBACK')
    throw new NotAppliedError(topic)
  }
  return readLater(client, finality?.rows ?? [])
}

/** Positions that were bound to another log meanwhile are not those of this batch. */
function sameLog(client: pg.Client, column: string, logIdentity: string | undefined): string {
  return logIdentity === undefined ? '' : ` AND ${column} = ${client.escapeLiteral(logIdentity)}`
}
