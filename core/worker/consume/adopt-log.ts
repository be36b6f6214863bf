import { sql } from 'kysely'
import { TOPICS } from '../../../contract/log/topics.ts'
import type { Database } from '../../db/database.ts'
import { type AuditActor, recordAudit, SYSTEM } from '../../identity/audit/audit-log.ts'
import type { Log } from '../../log/log.ts'
import { keepDays } from './keep-days.ts'
import { renameDeadLetterTopic } from './skip-offsets.ts'

/**
 * Where reading goes on in a log that the positions do not belong to yet: at its first record, after its last one, or
 * at the offsets that are stored (it is the same log under another identity).
 */
export type AdoptAt = 'start' | 'end' | 'current'

export interface AdoptedPartition {
  partition: number
  /** Of the former log. */
  former: number
  position: number
}

/**
 * Binds the positions of events.raw to this log. From its first record on, events of days that are kept no longer are
 * refused: they may have been counted out of the former log. A worker that still reads the former log is fenced.
 */
export async function adoptLog(
  db: Database,
  log: Pick<Log, 'offsets' | 'identity'>,
  at: AdoptAt,
  by: AuditActor = SYSTEM,
): Promise<AdoptedPartition[]> {
  const topic = TOPICS.raw.name
  const identity = await log.identity(topic)
  const held = new Map((await log.offsets(topic)).map((row) => [row.partition, row]))
  return db.transaction().execute(async (tx) => {
    await keepDays(tx)
    const positions = await tx
      .selectFrom('log_position')
      .select(['partition', 'next_offset', 'reread_until'])
      .where('topic', '=', topic)
      .orderBy('partition')
      .forUpdate()
      .execute()
    const adopted: AdoptedPartition[] = []
    for (const { partition, next_offset: former, reread_until } of positions) {
      const { logStartOffset = 0, lastStableOffset = 0 } = held.get(partition) ?? {}
      const position = { start: logStartOffset, end: lastStableOffset, current: former }[at]
      await tx
        .updateTable('log_position')
        .set({
          next_offset: position,
          log_identity: identity,
          written_at: sql<string>`greatest(now(), written_at + interval '1 microsecond')`,
          reread_until: at === 'current' ? reread_until : at === 'start' ? lastStableOffset : null,
        })
        .where('topic', '=', topic)
        .where('partition', '=', partition)
        .execute()
      // All offsets are those of the former log, whatever they are in this one.
      if (at !== 'current') await renameDeadLetterTopic(tx, partition, 0)
      adopted.push({ partition, former, position })
    }
    if (at !== 'current')
      await tx
        .updateTable('offset_gap')
        .set({ skipped_at: sql<string>`now()` })
        .where('topic', '=', topic)
        .where('skipped_at', 'is', null)
        .execute()
    await recordAudit(tx, by, {
      tenantId: 0,
      action: 'offsets.adopted',
      object: `log ${topic}`,
      after: { identity, at, partitions: adopted },
    })
    return adopted
  })
}
