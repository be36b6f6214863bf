import type pg from 'pg'
import { type Column, createStatement, unnest } from '../../../db/statement.ts'
import type { EventRow } from '../../decode/decoded.ts'

interface Duplicate {
  row: EventRow
  isConflicting: boolean
}

/**
 * Stores of each duplicate that it came, when and with what, so that its sender can find out (core/queries/receipts). A
 * batch without duplicates executes nothing.
 */
export async function insertDuplicates(
  client: pg.ClientBase,
  duplicates: readonly EventRow[],
  conflicting: readonly EventRow[],
): Promise<void> {
  if (duplicates.length + conflicting.length === 0) return
  await client.query(
    INSERT([
      ...duplicates.map((row) => ({ row, isConflicting: false })),
      ...conflicting.map((row) => ({ row, isConflicting: true })),
    ]),
  )
}

const COLUMNS: readonly Column<Duplicate>[] = [
  { name: 'tenant_id', type: 'int', value: ({ row }) => row.tenantId },
  { name: 'event_id', type: 'uuid', value: ({ row }) => row.eventId },
  { name: 'day', type: 'int', value: ({ row }) => row.receivedDay },
  { name: 'received_us', type: 'bigint', value: ({ row }) => receivedUs(row) },
  { name: 'key_id', type: 'uuid', value: ({ row }) => row.keyId },
  { name: 'request_id', type: 'text', value: ({ row }) => row.requestId },
  { name: 'log_offset', type: 'bigint', value: ({ row }) => row.record.offset },
  { name: 'log_partition', type: 'int', value: ({ row }) => row.record.partition },
  {
    name: 'conflicting',
    type: 'boolean',
    value: ({ isConflicting }) => (isConflicting ? 't' : 'f'),
  },
]

function receivedUs({ received }: EventRow): string {
  return String(BigInt(received.ms) * 1000n + BigInt(received.us))
}

const INSERT = createStatement<readonly Duplicate[]>(
  undefined,
  (add) => `
INSERT INTO event_duplicate (tenant_id, event_id, received_on, received_at, key_id, request_id, log_offset, log_partition, conflicting)
SELECT tenant_id, event_id, date '1970-01-01' + day, timestamptz 'epoch' + received_us * interval '1 microsecond', key_id, request_id,
       log_offset, log_partition, conflicting
  FROM ${unnest(add, COLUMNS, (duplicates) => duplicates)}`,
)
