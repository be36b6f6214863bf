import type { Transaction } from 'kysely'
import { LIMITS } from '../../../contract/limits.ts'
import type { TopicPartition, TopicPartitionOffset } from '../../../contract/log/kafka-rest.ts'
import type { Database } from '../../db/database.ts'
import type { Schema } from '../../db/schema.ts'
import { KafkaRestError } from '../kafka-rest-error.ts'
import { assign } from './assign.ts'
import * as rows from './group-rows.ts'
import type { Assigned, Member, Move } from './membership.ts'

export interface JoinRequest extends Member {
  topics: readonly string[]
  /** How long the instance counts as present from now on. */
  sessionMs: number
}

/**
 * Consumer groups of the REST protocol, in tables of their own (rest_group, rest_instance, rest_position): readers
 * through the gateway can neither see nor move how far the worker has come.
 *
 * Every request about a group locks the group's row, applies what is due (applyAutoCommit) and reads the instances;
 * which partitions belong to which instance follows from that. Nothing is kept in this process, so any gateway may
 * serve the next request, and a position is moved by compare-and-set only: from the offset that the reader was given.
 *
 *   consume ▶ join: where do I read on? ▶ read, without any lock ▶ hand over: am I still present, is the partition
 *   still mine, is the position still at `from`? Then it moves to `next` · else these records are not handed out
 */
export interface Groups {
  /**
   * Adds the instance to the group, or renews its session. What it was handed before with auto-commit
   * is committed now: an instance that asks for more is done with it.
   * @throws KafkaRestError TOO_MANY_GROUPS · TOO_MANY_INSTANCES when there are more of them than partitions
   */
  join(request: JoinRequest): Promise<Assigned[]>
  /** @param commitMs after which the move counts as committed by itself @returns the moves that were made */
  handOver(member: Member, moves: readonly Move[], commitMs: number | undefined): Promise<Move[]>
  /**
   * Without offsets, of everything that the instance was handed.
   * @throws KafkaRestError INSTANCE_NOT_FOUND · PARTITION_NOT_ASSIGNED
   */
  commit(member: Member, offsets: readonly TopicPartitionOffset[] | undefined): Promise<void>
  /** Those of the partitions that have a committed offset, in the order asked. */
  committed(group: string, of: readonly TopicPartition[]): Promise<TopicPartitionOffset[]>
  list(): Promise<GroupAssignment[]>
  /** Its partitions go to the others at once; what it was handed with auto-commit is committed. */
  removeInstance(member: Member): Promise<void>
  /** With its positions. @throws KafkaRestError GROUP_NOT_EMPTY */
  removeGroup(group: string): Promise<void>
}

export interface GroupAssignment {
  name: string
  /** By instance, then by topic. */
  assigned: ReadonlyMap<string, ReadonlyMap<string, number[]>>
}

type Tx = Transaction<Schema>

/** @param partitions how many each topic has */
export function createGroups(db: Database, partitions: ReadonlyMap<string, number>): Groups {
  const instancesMax = [...partitions.values()].reduce((sum, count) => sum + count, 0)

  /** Alone with the group, which is up to date; only joining creates one. */
  function withGroup<T>(group: string, work: (tx: Tx) => Promise<T>, create = false): Promise<T> {
    return db.transaction().execute(async (tx) => {
      await rows.lockGroup(tx, group, create)
      await rows.applyAutoCommit(tx, group)
      return work(tx)
    })
  }

  async function ownedBy(tx: Tx, { group, instance }: Member) {
    const owned = assign(await rows.readInstances(tx, group), partitions).get(instance)
    return (
      owned &&
      [...owned].flatMap(([topic, theirs]) => theirs.map((partition) => ({ topic, partition })))
    )
  }

  async function join(tx: Tx, { topics, sessionMs, ...member }: JoinRequest): Promise<Assigned[]> {
    await rows.upsertInstance(tx, member, topics, sessionMs)
    const instances = await rows.readInstances(tx, member.group)
    if (instances.length > instancesMax)
      throw new KafkaRestError('TOO_MANY_INSTANCES', `there are ${instancesMax} partitions to read`)
    await rows.commitAutomatic(tx, member)
    const positions = await rows.readPositions(tx, member.group)
    const owned = (await ownedBy(tx, member)) ?? []
    return owned.map((each) => ({ ...each, offset: positions.next(each, member.instance) }))
  }

  return {
    async join(request) {
      const { group } = request
      if (
        !(await rows.groupExists(db, group)) &&
        (await rows.deleteIdleGroups(db)) >= LIMITS.consumerGroupsMax
      )
        throw new KafkaRestError('TOO_MANY_GROUPS', 'delete one, or wait until one is forgotten')
      return withGroup(group, (tx) => join(tx, request), true)
    },

    handOver: (member, moves, commitMs) =>
      withGroup(member.group, async (tx) => {
        const owned = await ownedBy(tx, member)
        const positions = await rows.readPositions(tx, member.group)
        const made = moves.filter(
          (move) =>
            owned?.some((each) => isSame(each, move)) &&
            positions.next(move, member.instance) === move.from,
        )
        await rows.writePositions(tx, member, made, commitMs)
        return made
      }),

    commit: (member, offsets) =>
      withGroup(member.group, async (tx) => {
        checkOwned(await ownedBy(tx, member), offsets)
        if (offsets === undefined) await rows.commitHanded(tx, member)
        else await rows.commitOffsets(tx, member.group, offsets)
      }),

    async committed(group, of) {
      const positions = await rows.readPositions(db, group)
      return of.flatMap((each) => {
        const offset = positions.committed(each)
        return offset === undefined ? [] : [{ ...each, offset }]
      })
    },

    async list() {
      const groups = await rows.readAllInstances(db)
      return [...groups].map(([name, instances]) => ({
        name,
        assigned: assign(instances, partitions),
      }))
    },

    removeInstance: (member) => withGroup(member.group, (tx) => rows.deleteInstance(tx, member)),

    removeGroup: (group) =>
      withGroup(group, async (tx) => {
        const [first] = await rows.readInstances(tx, group)
        if (first) throw new KafkaRestError('GROUP_NOT_EMPTY', `instance ${first.name} still reads`)
        await rows.deleteGroup(tx, group)
      }),
  }
}

function checkOwned(
  owned: readonly TopicPartition[] | undefined,
  offsets: readonly TopicPartitionOffset[] = [],
): void {
  if (!owned)
    throw new KafkaRestError(
      'INSTANCE_NOT_FOUND',
      'this instance has not consumed yet, or not for longer than its session',
    )
  const foreign = offsets.find((each) => !owned.some((mine) => isSame(mine, each)))
  if (foreign)
    throw new KafkaRestError(
      'PARTITION_NOT_ASSIGNED',
      `${foreign.topic}/${foreign.partition} is not read by this instance`,
    )
}

function isSame(a: TopicPartition, b: TopicPartition): boolean {
  return a.topic === b.topic && a.partition === b.partition
}
