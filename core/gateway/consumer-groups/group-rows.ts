import { type Kysely, sql } from 'kysely'
import { LIMITS } from '../../../contract/limits.ts'
import type { TopicPartition, TopicPartitionOffset } from '../../../contract/log/kafka-rest.ts'
import type { Schema } from '../../db/schema.ts'
import type { Instance } from './assign.ts'
import type { Member, Move } from './membership.ts'

/** The statements of rest_group, rest_instance and rest_position. */
type Tx = Kysely<Schema>

/** Requests about the same group wait here. Times are the clock's: a transaction may have waited long. */
export async function lockGroup(tx: Tx, group: string, create: boolean): Promise<void> {
  if (create)
    await sql`
      INSERT INTO rest_group (group_id) VALUES (${group})
      ON CONFLICT (group_id) DO UPDATE SET touched_at = clock_timestamp()`.execute(tx)
  else
    await sql`
      UPDATE rest_group SET touched_at = clock_timestamp() WHERE group_id = ${group}`.execute(tx)
}

export async function groupExists(db: Tx, group: string): Promise<boolean> {
  const { rows } = await sql`SELECT FROM rest_group WHERE group_id = ${group}`.execute(db)
  return rows.length > 0
}

export async function deleteGroup(tx: Tx, group: string): Promise<void> {
  await sql`DELETE FROM rest_group WHERE group_id = ${group}`.execute(tx)
}

/** What time has done: auto-commits that are due, and instances whose session has expired. */
export async function applyAutoCommit(tx: Tx, group: string): Promise<void> {
  await sql`
    UPDATE rest_position SET committed_offset = handed_offset, commits_at = NULL
     WHERE group_id = ${group} AND commits_at <= clock_timestamp()`.execute(tx)
  await sql`
    WITH gone AS (
      DELETE FROM rest_instance WHERE group_id = ${group} AND expires_at <= clock_timestamp() RETURNING instance_id)
    UPDATE rest_position p SET instance_id = NULL, handed_offset = NULL, commits_at = NULL
      FROM gone WHERE p.group_id = ${group} AND p.instance_id = gone.instance_id`.execute(tx)
}

export async function readInstances(tx: Tx, group: string): Promise<Instance[]> {
  const { rows } = await sql<Instance>`
    SELECT instance_id AS name, topics FROM rest_instance WHERE group_id = ${group}`.execute(tx)
  return rows
}

/** Of all groups, by group. */
export async function readAllInstances(db: Tx): Promise<Map<string, Instance[]>> {
  const { rows } = await sql<Instance & { group_id: string }>`
    SELECT group_id, instance_id AS name, topics FROM rest_instance
     WHERE expires_at > clock_timestamp() ORDER BY group_id`.execute(db)
  return Map.groupBy(rows, (row) => row.group_id)
}

/** @param sessionMs how long the instance counts as present from now on */
export async function upsertInstance(
  tx: Tx,
  { group, instance }: Member,
  topics: readonly string[],
  sessionMs: number,
): Promise<void> {
  await sql`
    INSERT INTO rest_instance (group_id, instance_id, topics, expires_at)
    VALUES (${group}, ${instance}, ${[...topics]}, clock_timestamp() + ${sessionMs} * interval '1 ms')
    ON CONFLICT (group_id, instance_id) DO UPDATE
    SET topics = EXCLUDED.topics, expires_at = EXCLUDED.expires_at`.execute(tx)
}

export async function deleteInstance(tx: Tx, { group, instance }: Member): Promise<void> {
  await sql`DELETE FROM rest_instance WHERE group_id = ${group} AND instance_id = ${instance}`.execute(
    tx,
  )
  await sql`
    UPDATE rest_position
       SET committed_offset = CASE WHEN commits_at IS NULL THEN committed_offset ELSE handed_offset END,
           instance_id = NULL, handed_offset = NULL, commits_at = NULL
     WHERE group_id = ${group} AND instance_id = ${instance}`.execute(tx)
}

export interface Positions {
  /** Where the instance reads on. */
  next(of: TopicPartition, instance: string): number | undefined
  committed(of: TopicPartition): number | undefined
}

export async function readPositions(tx: Tx, group: string): Promise<Positions> {
  const { rows } = await sql<{
    topic: string
    partition: number
    committed: number | null
    handed: number | null
    instance: string | null
  }>`
    SELECT topic, partition, handed_offset AS handed, instance_id AS instance,
           CASE WHEN commits_at <= clock_timestamp() THEN handed_offset ELSE committed_offset END AS committed
      FROM rest_position WHERE group_id = ${group}`.execute(tx)
  const byPartition = new Map(rows.map((row) => [`${row.topic}/${row.partition}`, row]))
  const rowOf = ({ topic, partition }: TopicPartition) => byPartition.get(`${topic}/${partition}`)
  return {
    committed: (of) => rowOf(of)?.committed ?? undefined,
    next(of, instance) {
      const row = rowOf(of)
      return (
        (row?.instance === instance ? (row.handed ?? row.committed) : row?.committed) ?? undefined
      )
    },
  }
}

/** What the last owner of a partition was handed and did not commit is handed out again: to this instance, now. */
export async function writePositions(
  tx: Tx,
  { group, instance }: Member,
  moves: readonly Move[],
  commitMs: number | undefined,
): Promise<void> {
  if (moves.length === 0) return
  await sql`
    INSERT INTO rest_position AS p (group_id, topic, partition, handed_offset, instance_id, commits_at)
    SELECT ${group}, topic, partition, next, ${instance},
           clock_timestamp() + ${commitMs ?? null}::float8 * interval '1 ms'
      FROM unnest(${moves.map(({ topic }) => topic)}::text[], ${moves.map(({ partition }) => partition)}::int[],
                  ${moves.map(({ next }) => next)}::bigint[]) AS moved (topic, partition, next)
    ON CONFLICT (group_id, topic, partition) DO UPDATE
    SET handed_offset = EXCLUDED.handed_offset, instance_id = EXCLUDED.instance_id, commits_at = EXCLUDED.commits_at`.execute(
    tx,
  )
}

/** All that the instance was handed with auto-commit. */
export async function commitAutomatic(tx: Tx, { group, instance }: Member): Promise<void> {
  await sql`
    UPDATE rest_position SET committed_offset = handed_offset, commits_at = NULL
     WHERE group_id = ${group} AND instance_id = ${instance} AND commits_at IS NOT NULL`.execute(tx)
}

/** All that the instance was handed. */
export async function commitHanded(tx: Tx, { group, instance }: Member): Promise<void> {
  await sql`
    UPDATE rest_position SET committed_offset = handed_offset, commits_at = NULL
     WHERE group_id = ${group} AND instance_id = ${instance} AND handed_offset IS NOT NULL`.execute(
    tx,
  )
}

export async function commitOffsets(
  tx: Tx,
  group: string,
  offsets: readonly TopicPartitionOffset[],
): Promise<void> {
  await sql`
    INSERT INTO rest_position (group_id, topic, partition, committed_offset)
    SELECT ${group}, * FROM unnest(${offsets.map(({ topic }) => topic)}::text[],
      ${offsets.map(({ partition }) => partition)}::int[], ${offsets.map(({ offset }) => offset)}::bigint[])
    ON CONFLICT (group_id, topic, partition) DO UPDATE
    SET committed_offset = EXCLUDED.committed_offset, commits_at = NULL`.execute(tx)
}

/** @returns how many groups are left */
export async function deleteIdleGroups(db: Tx): Promise<number> {
  await sql`
    DELETE FROM rest_group g WHERE touched_at < now() - ${LIMITS.consumerGroupDays} * interval '1 day'
       AND NOT EXISTS (SELECT FROM rest_instance i WHERE i.group_id = g.group_id AND expires_at > now())`.execute(
    db,
  )
  const { rows } = await sql<{ count: number }>`SELECT count(*) FROM rest_group`.execute(db)
  return rows[0]?.count ?? 0
}
