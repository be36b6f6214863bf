import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { badInput } from '../lib/api-error.ts'
import type { QueryResult } from './query-result.ts'
import { inOneSnapshot, inSnapshot } from './sql/days-received.ts'
import {
  type EventSelectionInput,
  parseEventSelection,
  whereSelected,
} from './sql/event-selection.ts'

/** How many events all pages of `eventsPage` with the same arguments list. @throws BAD_USER_INPUT without a range or an Idempotency-Key */
export async function countEvents(
  db: Database,
  viewer: TenantViewer,
  input: EventSelectionInput,
): Promise<QueryResult<number>> {
  const selection = parseEventSelection(input)
  const { range } = selection
  if (range === undefined && selection.idempotencyKey === undefined)
    throw badInput('startTime', 'is missing; only a range can be counted')
  const read = <T>(work: (db: Database) => Promise<T>) =>
    range === undefined ? inSnapshot(db, work) : inOneSnapshot(db, range, work)
  const count = await read(async (db) => {
    const { where } = await whereSelected(db, viewer, selection)
    const { rows } = await sql<{ count: number }>`
      SELECT count(*) AS count FROM event e WHERE ${where}`.execute(db)
    return rows[0]?.count ?? 0
  })
  return { rows: [count], source: 'raw', dependencies: null }
}
