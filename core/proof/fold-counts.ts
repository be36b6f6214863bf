import type pg from 'pg'
import { TOPICS } from '../../contract/log/topics.ts'
import type { Partitions } from '../db/partitions.ts'
import { CountedMeanwhileError } from './count-batch.ts'

/** Rows of log_count_batch that one transaction adds up. */
const BATCHES_MAX = 200
const MINUTE_MS = 60_000
const DAY_MINUTES = 1_440

interface AppliedBatch {
  batch_id: string
  partition: number
  base_offset: string
  next_offset: string
  tenants: number[]
  minutes: number[]
  lengths: number[]
  names: string[]
  is_lost: boolean
}

interface KnownDeadLetter {
  dead_letter_id: string
  tenant_id: number | null
  log_offset: number
  minute: number
}

interface MinuteCount {
  tenantId: number
  minute: number
  partition: number
  records: number
  first: number
  last: number
}

interface MovedRecord {
  deadLetterId: string
  tenantId: number
  minute: number
  statedTenant: string
  statedMinute: number
}

/**
 * Adds batches that the workers have applied to the minutes. Only now a record's minute and tenant are certain where
 * it became a dead letter: the worker may not have known the tenant, or not believed the time that the record states.
 * Such a record counts where the dead letter does, if that is its own tenant or none; of any other tenant it would be
 * unaccounted, as it should be.
 * @returns how many batches were added up
 */
export async function foldCounts(client: pg.ClientBase, days: Partitions): Promise<number> {
  const { rows: batches } = await client.query<AppliedBatch>(
    `SELECT b.* FROM log_count_batch b LEFT JOIN log_position p ON p.topic = $1 AND p.partition = b.partition
      WHERE b.is_lost OR b.next_offset <= p.next_offset ORDER BY b.batch_id LIMIT $2`,
    [TOPICS.raw.name, BATCHES_MAX],
  )
  if (batches.length === 0) return 0
  const [dead, tenants] = [
    await readDeadLetters(client, batches),
    await findTenants(client, batches),
  ]
  const { counts, moved } = addUp(batches, dead, tenants)
  await days.ensure(new Set(counts.map(({ minute }) => Math.floor(minute / DAY_MINUTES))))
  await client.query('BEGIN')
  try {
    const { rowCount } = await client.query(
      'DELETE FROM log_count_batch WHERE batch_id = ANY ($1::bigint[])',
      [batches.map(({ batch_id }) => batch_id)],
    )
    if (rowCount !== batches.length) throw new CountedMeanwhileError()
    await upsertCounts(client, counts)
    if (moved.length > 0) await insertMoved(client, moved)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
  return batches.length
}

/** Of the records of each batch, by its id, in the order of the log. */
async function readDeadLetters(
  client: pg.ClientBase,
  batches: readonly AppliedBatch[],
): Promise<ReadonlyMap<string, KnownDeadLetter[]>> {
  const applied = batches.filter(({ is_lost }) => !is_lost)
  const { rows } = await client.query<KnownDeadLetter & { batch_id: string }>(
    `SELECT b.batch_id, d.dead_letter_id, d.tenant_id, d.log_offset::float8 AS log_offset,
            floor(extract(epoch FROM d.received_at) / 60)::int AS minute
       FROM unnest($2::bigint[], $3::int[], $4::bigint[], $5::bigint[]) AS b (batch_id, partition, base, next)
      CROSS JOIN LATERAL (SELECT * FROM dead_letter d
        WHERE d.topic = $1 AND d.partition = b.partition AND d.log_offset >= b.base AND d.log_offset < b.next) d
      ORDER BY b.batch_id, d.log_offset`,
    [
      TOPICS.raw.name,
      applied.map(({ batch_id }) => batch_id),
      applied.map(({ partition }) => partition),
      applied.map(({ base_offset }) => base_offset),
      applied.map(({ next_offset }) => next_offset),
    ],
  )
  const found = new Map<string, KnownDeadLetter[]>()
  for (const { batch_id, ...row } of rows) getOrAdd(found, batch_id).push(row)
  return found
}

/** Names of the tenants of these batches, and ids of those that were unknown when they were read. */
async function findTenants(client: pg.ClientBase, batches: readonly AppliedBatch[]) {
  const names = new Set(batches.flatMap((batch) => batch.names))
  const ids = new Set(batches.flatMap((batch) => batch.tenants.filter((id) => id > 0)))
  const { rows } = await client.query<{ tenant_id: number; slug: string }>(
    'SELECT tenant_id, slug FROM tenant WHERE slug = ANY ($1) OR tenant_id = ANY ($2)',
    [[...names], [...ids]],
  )
  return {
    idOf: new Map(rows.map(({ slug, tenant_id }) => [slug, tenant_id])),
    nameOf: new Map(rows.map(({ slug, tenant_id }) => [tenant_id, slug])),
  }
}

function addUp(
  batches: readonly AppliedBatch[],
  dead: ReadonlyMap<string, KnownDeadLetter[]>,
  { idOf, nameOf }: Awaited<ReturnType<typeof findTenants>>,
) {
  const counts = new Map<string, MinuteCount>()
  const moved: MovedRecord[] = []
  for (const batch of batches) {
    const { partition } = batch
    const known = dead.get(batch.batch_id) ?? []
    let first = Number(batch.base_offset)
    let next = 0
    for (const [i, length] of batch.lengths.entries()) {
      const stated = batch.tenants[i] as number
      const name = stated < 0 ? (batch.names[-stated - 1] as string) : (nameOf.get(stated) ?? '')
      const tenantId = stated < 0 ? (idOf.get(name) ?? 0) : stated
      const minute = batch.minutes[i] as number
      const last = first + length - 1
      let elsewhere = 0
      for (; (known[next]?.log_offset ?? Number.POSITIVE_INFINITY) <= last; next++) {
        const deadLetter = known[next] as KnownDeadLetter
        const counted = { tenantId: deadLetter.tenant_id ?? 0, minute: deadLetter.minute }
        const isOwn = counted.tenantId === tenantId || counted.tenantId === 0
        const isAsStated = counted.tenantId === tenantId && counted.minute === minute
        if (!isOwn || (isAsStated && tenantId !== 0)) continue
        elsewhere++
        const at = deadLetter.log_offset
        addCount(counts, { ...counted, partition, records: 1, first: at, last: at })
        moved.push({
          ...{ deadLetterId: deadLetter.dead_letter_id, ...counted },
          ...{ statedTenant: name, statedMinute: minute },
        })
      }
      const records = length - elsewhere
      if (records > 0) addCount(counts, { tenantId, minute, partition, records, first, last })
      first += length
    }
  }
  return { counts: [...counts.values()], moved }
}

function addCount(counts: Map<string, MinuteCount>, count: MinuteCount): void {
  const key = `${count.tenantId} ${count.minute} ${count.partition}`
  const known = counts.get(key)
  if (!known) {
    counts.set(key, count)
    return
  }
  known.records += count.records
  known.first = Math.min(known.first, count.first)
  known.last = Math.max(known.last, count.last)
}

function getOrAdd<Key, Value>(map: Map<Key, Value[]>, key: Key): Value[] {
  let values = map.get(key)
  if (!values) {
    values = []
    map.set(key, values)
  }
  return values
}

const time = (minute: number) => new Date(minute * MINUTE_MS).toISOString()

async function upsertCounts(client: pg.ClientBase, counts: readonly MinuteCount[]): Promise<void> {
  await client.query(
    `INSERT INTO log_count_minute AS c (tenant_id, minute, partition, records, first_offset, last_offset)
     SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[]) AS s (t, m, p, r, f, l)
      ORDER BY t, m, p
     ON CONFLICT (tenant_id, minute, partition) DO UPDATE SET
       records = c.records + EXCLUDED.records,
       first_offset = least(c.first_offset, EXCLUDED.first_offset),
       last_offset = greatest(c.last_offset, EXCLUDED.last_offset)`,
    [
      `{${counts.map(({ tenantId }) => tenantId)}}`,
      `{${counts.map(({ minute }) => time(minute))}}`,
      `{${counts.map(({ partition }) => partition)}}`,
      `{${counts.map(({ records }) => records)}}`,
      `{${counts.map(({ first }) => first)}}`,
      `{${counts.map(({ last }) => last)}}`,
    ],
  )
}

async function insertMoved(client: pg.ClientBase, moved: readonly MovedRecord[]): Promise<void> {
  await client.query(
    `INSERT INTO log_count_moved (dead_letter_id, tenant_id, minute, stated_tenant, stated_minute)
     SELECT * FROM unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::text[], $5::timestamptz[])
     ON CONFLICT DO NOTHING`,
    [
      moved.map(({ deadLetterId }) => deadLetterId),
      moved.map(({ tenantId }) => tenantId),
      moved.map(({ minute }) => time(minute)),
      moved.map(({ statedTenant }) => statedTenant),
      moved.map(({ statedMinute }) => time(statedMinute)),
    ],
  )
}
