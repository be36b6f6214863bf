import { sql, type Transaction } from 'kysely'
import { LIMITS } from '../../../contract/limits.ts'
import type { TopicPartition, TopicPartitionOffset } from '../../../contract/log/kafka-rest.ts'
import type { Database } from '../../db/database.ts'
import type { Schema } from '../../db/schema.ts'
import { KafkaRestError } from '../kafka-rest-error.ts'
import { assign } from './assign.ts'
import {
  applyAutoCommit,
  deleteIdleGroups,
  endInstance,
  lockGroup,
  readInstances,
  readPositions,
  writePositions,
} from './group-rows.ts'

export interface Member {
  group: string
  instance: string
}

export interface Joining extends Member {
  topics: readonly string[]
  /** How long it counts as there from now on. */
  aliveMs: number
}

/** Where an instance reads on; undefined where nobody has been before. */
export interface Assigned extends TopicPartition {
  offset: number | undefined
}

/** What an instance takes with it: the records from `from`, as it was assigned, to before `next`. */
export interface Move extends TopicPartition {
  from: number | undefined
  next: number
}

/**
 * Consumer groups of the REST protocol, in tables of their own (rest_group, rest_instance, rest_position): whoever
 * reads through the gateway can neither see nor move how far the worker has come.
 *
 * Every request about a group locks the group's row, brings the group up to date (settle) and looks who is there;
 * which partitions are whose follows from that. Nothing is kept in this process, so that any gateway may answer the
 * next request, and a position is moved by compare-and-set only: from where the reader was told to begin.
 *
 *   consume ▶ join: where do I read on? ▶ read, without any lock ▶ hand over: am I still there, is it still mine, is
 *   it still at `from`? Then it is at `next` · else these records are not handed out
 */
export interface Groups {
  /**
   * Makes the instance one of the group, or says that it is still there. What it was handed before with auto-commit
   * is committed now: who comes for more is done with it.
   * @throws RefusedError 429 when there are too many groups, 409 when the group has more instances than partitions
   */
  join(joining: Joining): Promise<Assigned[]>
  /** @param commitMs after which the move counts as committed by itself @returns which of the moves have been made */
  handOver(member: Member, moves: readonly Move[], commitMs: number | undefined): Promise<Move[]>
  /**
   * Without offsets, of everything that the instance was handed.
   * @throws RefusedError 404 when the instance is not there (any more), 409 when a partition is somebody else's
   */
  commit(member: Member, offsets: readonly TopicPartitionOffset[] | undefined): Promise<void>
  /** Those of the partitions that have a committed offset, in the order asked. */
  committed(group: string, of: readonly TopicPartition[]): Promise<TopicPartitionOffset[]>
  list(): Promise<GroupOf[]>
  /** Its partitions are the others' at once; what it was handed with auto-commit is committed. */
  removeInstance(member: Member): Promise<void>
  /** With its positions. @throws RefusedError 409 while an instance is there */
  removeGroup(group: string): Promise<void>
}

export interface GroupOf {
  name: string
  /** By instance, then by topic. */
  assigned: ReadonlyMap<string, ReadonlyMap<string, number[]>>
}

/** @param partitions how many each topic has */
export function createGroups(db: Database, partitions: ReadonlyMap<string, number>): Groups {
  const instancesMax = [...partitions.values()].reduce((sum, count) => sum + count, 0)

  /** Alone with the group, which is up to date; only joining makes one. */
  function within<T>(
    group: string,
    work: (tx: Transaction<Schema>) => Promise<T>,
    make = false,
  ): Promise<T> {
    return db.transaction().execute(async (tx) => {
      await lockGroup(tx, group, make)
      await applyAutoCommit(tx, group)
      return work(tx)
    })
  }

  async function ownedBy(tx: Transaction<Schema>, { group, instance }: Member) {
    const owned = assign(await readInstances(tx, group), partitions).get(instance)
    return (
      owned &&
      [...owned].flatMap(([topic, theirs]) => theirs.map((partition) => ({ topic, partition })))
    )
  }

  return {
    async join({ group, instance, topics, aliveMs }) {
      const { rows: known } = await sql`SELECT FROM rest_group WHERE group_id = ${group}`.execute(
        db,
      )
      if (known.length === 0 && (await deleteIdleGroups(db)) >= LIMITS.consumerGroupsMax)
        throw new KafkaRestError(429, 'TOO_MANY_GROUPS: delete one, or wait until one is forgotten')
      const work = async (tx: Transaction<Schema>) => {
        await sql`
          INSERT INTO rest_instance (group_id, instance_id, topics, expires_at)
          VALUES (${group}, ${instance}, ${[...topics]}, clock_timestamp() + ${aliveMs} * interval '1 ms')
          ON CONFLICT (group_id, instance_id) DO UPDATE
          SET topics = EXCLUDED.topics, expires_at = EXCLUDED.expires_at`.execute(tx)
        const instances = await readInstances(tx, group)
        if (instances.length > instancesMax)
          throw new KafkaRestError(
            409,
            `TOO_MANY_INSTANCES: there are ${instancesMax} partitions to read`,
          )
        await sql`
          UPDATE rest_position SET committed_offset = handed_offset, commits_at = NULL
           WHERE group_id = ${group} AND instance_id = ${instance} AND commits_at IS NOT NULL`.execute(
          tx,
        )
        const positions = await readPositions(tx, group)
        const owned = (await ownedBy(tx, { group, instance })) ?? []
        return owned.map((each) => ({ ...each, offset: positions.next(each, instance) }))
      }
      return within(group, work, true)
    },

    handOver(member, moves, commitMs) {
      return within(member.group, async (tx) => {
        const owned = await ownedBy(tx, member)
        const positions = await readPositions(tx, member.group)
        const made = moves.filter(
          (move) =>
            owned?.some((each) => isSame(each, move)) &&
            positions.next(move, member.instance) === move.from,
        )
        await writePositions(tx, member, made, commitMs)
        return made
      })
    },

    commit(member, offsets) {
      const { group, instance } = member
      return within(group, async (tx) => {
        const owned = await ownedBy(tx, member)
        if (!owned)
          throw new KafkaRestError(
            404,
            'INSTANCE_NOT_FOUND: this instance has not consumed yet, or not for longer than its session',
          )
        const foreign = offsets?.find((each) => !owned.some((mine) => isSame(mine, each)))
        if (foreign)
          throw new KafkaRestError(
            409,
            `PARTITION_NOT_ASSIGNED: ${foreign.topic}/${foreign.partition} is not read by this instance`,
          )
        if (offsets === undefined)
          await sql`
            UPDATE rest_position SET committed_offset = handed_offset, commits_at = NULL
             WHERE group_id = ${group} AND instance_id = ${instance} AND handed_offset IS NOT NULL`.execute(
            tx,
          )
        else
          await sql`
            INSERT INTO rest_position (group_id, topic, partition, committed_offset)
            SELECT ${group}, * FROM unnest(${offsets.map(({ topic }) => topic)}::text[],
              ${offsets.map(({ partition }) => partition)}::int[], ${offsets.map(({ offset }) => offset)}::bigint[])
            ON CONFLICT (group_id, topic, partition) DO UPDATE
            SET committed_offset = EXCLUDED.committed_offset, commits_at = NULL`.execute(tx)
      })
    },

    async committed(group, of) {
      const positions = await readPositions(db, group)
      return of.flatMap((each) => {
        const offset = positions.committed(each)
        return offset === undefined ? [] : [{ ...each, offset }]
      })
    },

    async list() {
      const { rows } = await sql<{ group_id: string; name: string; topics: string[] }>`
        SELECT group_id, instance_id AS name, topics FROM rest_instance
         WHERE expires_at > clock_timestamp() ORDER BY group_id`.execute(db)
      return [...Map.groupBy(rows, (row) => row.group_id)].map(([name, instances]) => ({
        name,
        assigned: assign(instances, partitions),
      }))
    },

    removeInstance: ({ group, instance }) =>
      within(group, (tx) => endInstance(tx, { group, instance })),

    removeGroup: (group) =>
      within(group, async (tx) => {
        const [first] = await readInstances(tx, group)
        if (first)
          throw new KafkaRestError(409, `GROUP_NOT_EMPTY: instance ${first.name} still reads`)
        await sql`DELETE FROM rest_group WHERE group_id = ${group}`.execute(tx)
      }),
  }
}

function isSame(a: TopicPartition, b: TopicPartition): boolean {
  return a.topic === b.topic && a.partition === b.partition
}
