import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDatabase, type Database } from '../db/database.ts'
import {
  findContext,
  QUERY_CASES,
  type QueryCase,
  type QueryContext,
} from './testing/every-query.ts'
import { fillManyDays } from './testing/many-days.ts'
import {
  costOf,
  noteStatements,
  type Statement,
  type StatementCost,
} from './testing/statement-cost.ts'

const DAYS = 400
/** Of one statement, beyond the days that it is about: whatever the number of days that are kept. */
const PARTITIONS_MAX = 32
/** Each partition with three indexes, and tables that have no partitions. */
const LOCKS_MAX = 4 * PARTITIONS_MAX + 40
/** Of one statement: a day has 120 events here, and the counts of each day are two rows for each of them. */
const ROWS_MAX = 2_000

let database: TestDatabase
let db: Database
let client: pg.Client
let context: QueryContext
beforeAll(async () => {
  database = await createTestDatabase()
  await fillManyDays(database.url, {
    tenants: 20,
    namesPerTenant: 5,
    days: DAYS,
    eventsPerDay: 120,
  })
  db = createDatabase(database.url, { role: 'sluice_read' })
  client = new pg.Client({
    connectionString: database.url,
    options: '-c role=sluice_read -c sluice.tenant=all -c timezone=UTC -c jit=off',
  })
  await client.connect()
  context = await findContext(db, DAYS)
})
afterAll(async () => {
  await client?.end()
  await db?.destroy()
  await database?.drop()
})

async function costsOf({ run }: QueryCase): Promise<StatementCost[]> {
  const statements: Statement[] = []
  await run(noteStatements(db, statements), context)
  const costs: StatementCost[] = []
  for (const statement of statements) costs.push(await costOf(client, statement))
  return costs
}

test.each(QUERY_CASES.map((each) => [each.title, each] as const))(
  'among many days the query reads and locks those that it asks about: %s',
  async (_, each) => {
    const costs = await costsOf(each)
    expect(costs.length).toBeGreaterThan(0)
    const partitions = costs.map(({ partitionsPlanned }) => partitionsPlanned)
    expect.soft(Math.max(...partitions)).toBeLessThanOrEqual(each.days + PARTITIONS_MAX)
    const locks = costs.map(({ locks }) => locks)
    expect.soft(Math.max(...locks)).toBeLessThanOrEqual(LOCKS_MAX)
    const rows = costs.map(({ rowsRead }) => rowsRead)
    if (!each.sumsAllDays) expect.soft(Math.max(...rows)).toBeLessThanOrEqual(ROWS_MAX)
  },
)

test('the cost of every query function is counted here', () => {
  const folders = ['', 'behaviour', 'dead-letters', 'explore', 'identity', 'metrics']
    .concat('pipeline', 'receipts', 'schemas')
    .map((name) => join(import.meta.dirname, name))
  const functions = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .flatMap((file) =>
        [
          ...readFileSync(join(folder, file), 'utf8').matchAll(/^export async function (\w+)/gm),
        ].map(([, name]) => name),
      ),
  )
  const counted = new Set(QUERY_CASES.map(({ title }) => title.split(':')[0]))
  expect(functions.length).toBeGreaterThan(15)
  expect(functions.filter((name) => !counted.has(name))).toEqual([])
})
