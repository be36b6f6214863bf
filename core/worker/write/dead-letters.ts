import { createHash } from 'node:crypto'
import type pg from 'pg'
import { type Column, createStatement, unnest } from '../../db/statement.ts'
import type { DeadLetter, EventRow } from '../decode/decoded.ts'

/** What was sent, byte for byte, with the reason and the offset of its record. */
export async function insertDeadLetters(
  client: pg.ClientBase,
  topic: string,
  deadLetters: readonly DeadLetter[],
): Promise<void> {
  await client.query(INSERT_DEAD_LETTERS({ topic, deadLetters }))
}

const COLUMNS: readonly Column<DeadLetter>[] = [
  { name: 'tenant_id', type: 'int', value: ({ tenantId }) => tenantId },
  { name: 'reason', type: 'text', value: ({ reason }) => reason },
  { name: 'detail', type: 'text', value: ({ detail }) => detail },
  { name: 'fingerprint', type: 'text', value: fingerprint },
  { name: 'original', type: 'bytea', value: ({ original }) => original },
  { name: 'partition', type: 'int', value: ({ record }) => record.partition },
  { name: 'log_offset', type: 'bigint', value: ({ record }) => record.offset },
  { name: 'request_id', type: 'text', value: ({ requestId }) => requestId },
  {
    name: 'received_at',
    type: 'timestamptz',
    value: ({ receivedMs }) => new Date(receivedMs).toISOString(),
  },
  { name: 'route', type: 'text', value: ({ route }) => route },
  { name: 'client', type: 'text', value: ({ client }) => client },
  { name: 'event_id', type: 'uuid', value: ({ eventId }) => eventId },
  { name: 'key_id', type: 'uuid', value: ({ keyId }) => keyId },
  { name: 'pointer', type: 'text', value: ({ pointer }) => pointer },
  { name: 'event_name', type: 'text', value: ({ name }) => name },
  { name: 'stamp', type: 'text', value: ({ stamp }) => stamp },
]

const INSERT_DEAD_LETTERS = createStatement<{ topic: string; deadLetters: readonly DeadLetter[] }>(
  undefined,
  (add) => `
INSERT INTO dead_letter (topic, ${COLUMNS.map(({ name }) => name).join(', ')})
SELECT ${add(({ topic }) => topic, 'text')}, s.* FROM ${unnest(add, COLUMNS, ({ deadLetters }) => deadLetters)}`,
)

/** Dead letters of one cause share it: the reason, the member that is wrong, the key and the client. */
function fingerprint({ reason, pointer, keyId, client }: DeadLetter): string {
  const shape = JSON.stringify([reason, pointer, keyId, client])
  return createHash('sha256').update(shape).digest('hex').slice(0, 16)
}

const RECORD: readonly Column<EventRow>[] = [
  { name: 'partition', type: 'int', value: ({ record }) => record.partition },
  { name: 'log_offset', type: 'bigint', value: ({ record }) => record.offset },
]

/**
 * Marks the dead letters of records that are stored as events now.
 * @returns where they were counted as dead: tenant and time received; those without a tenant nowhere
 */
export async function markRecovered(
  client: pg.ClientBase,
  topic: string,
  rows: readonly EventRow[],
): Promise<{ tenantId: number; receivedMs: number }[]> {
  if (rows.length === 0) return []
  const { rows: recovered } = await client.query<{ tenant: number | null; ms: number }>(
    MARK_RECOVERED({ topic, rows }),
  )
  return recovered.flatMap(({ tenant, ms }) =>
    tenant === null ? [] : [{ tenantId: tenant, receivedMs: ms }],
  )
}

const MARK_RECOVERED = createStatement<{ topic: string; rows: readonly EventRow[] }>(
  undefined,
  (add) => `
UPDATE dead_letter d SET state = 'replayed' FROM ${unnest(add, RECORD, ({ rows }) => rows)}
 WHERE d.topic = ${add(({ topic }) => topic)} AND d.partition = s.partition AND d.log_offset = s.log_offset
RETURNING d.tenant_id AS tenant, (extract(epoch FROM d.received_at) * 1000)::float8 AS ms`,
)
