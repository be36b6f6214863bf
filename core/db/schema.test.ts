import { readdirSync, readFileSync } from 'node:fs'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { createTestDatabase } from '../../tests/lib/database.ts'

/** What a column's TypeScript type has to mention, by Postgres type. */
const TYPES: Record<string, RegExp> = {
  integer: /number/,
  smallint: /number/,
  bigint: /number/,
  'double precision': /number/,
  boolean: /boolean/,
  text: /string|'/,
  '"char"': /string/,
  uuid: /string/,
  date: /Day|string/,
  'timestamp with time zone': /Time/,
  bytea: /Buffer/,
  jsonb: /Record<string, unknown>/,
  ARRAY: /\[\]/,
}

interface Column {
  type: string
  nullable: boolean
  /** Whether an INSERT may leave it out. */
  optional: boolean
}

test('the kysely types name every table and column of a migrated database, with nullability and defaults', async () => {
  const database = await createTestDatabase()
  const { rows } = await database.pool.query<Record<string, string>>(`
    SELECT c.table_name, c.column_name, c.data_type, c.is_nullable, c.column_default, c.is_identity
      FROM information_schema.columns c
      JOIN pg_class k ON k.relname = c.table_name AND k.relnamespace = 'public'::regnamespace
     WHERE c.table_schema = 'public' AND NOT k.relispartition`)
  await database.drop()

  const typed = readSchemaTypes()
  const found = Object.fromEntries(
    Object.entries(Object.groupBy(rows, (row) => row.table_name as string)).map(
      ([table, columns]) => [table, columns?.map((row) => row.column_name as string) ?? []],
    ),
  )
  const sorted = (tables: Record<string, string[]>) =>
    Object.fromEntries(
      Object.entries(tables)
        .map(([table, columns]) => [table, columns.sort()] as const)
        .sort(),
    )
  expect(
    sorted(Object.fromEntries([...typed].map(([table, columns]) => [table, [...columns.keys()]]))),
  ).toEqual(sorted(found))

  for (const row of rows) {
    const at = `${row.table_name}.${row.column_name}`
    const column = typed.get(row.table_name as string)?.get(row.column_name as string) as Column
    expect.soft(column.type, at).toMatch(TYPES[row.data_type as string] as RegExp)
    expect.soft(column.nullable, `${at} may be null`).toBe(row.is_nullable === 'YES')
    const hasDefault = row.column_default !== null || row.is_identity === 'YES'
    expect.soft(column.optional, `${at} has a default`).toBe(hasDefault)
  }
})

test('tables whose rows are updated all the time leave room for that on their pages, and no others do', async () => {
  const database = await createTestDatabase()
  const { rows } = await database.pool.query<{ name: string; options: string }>(`
    SELECT DISTINCT regexp_replace(relname, '_\\d.*$', '') AS name, reloptions::text AS options
      FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reloptions IS NOT NULL`)
  await database.drop()
  const fill = (percent: number) =>
    rows.filter(({ options }) => options === `{fillfactor=${percent}}`).map(({ name }) => name)
  expect([50, 70, 85].map((percent) => [percent, fill(percent).sort()])).toEqual([
    [
      50,
      [
        'balance_check',
        'dead_letter_job',
        'dead_letter_reason',
        'log_count_lease',
        'log_count_position',
        'log_lease',
        'log_partition',
        'log_position',
        'outcome_total',
        'outcome_total_by_partition',
        'rest_group',
        'rest_instance',
        'rest_position',
        'verification_state',
        'watermark',
        'worker_heartbeat',
      ],
    ],
    [
      70,
      [
        'dead_letter_group',
        'dead_letter_hour',
        'event_schema_violation',
        'event_shape',
        'event_shape_path',
        'key_sender_hour',
        'key_use_hour',
        'outcome_minute',
      ],
    ],
    [85, ['metric_rollup', 'rollup']],
  ])
  expect(rows).toHaveLength(26)
})

/** The interfaces of the tables, read as source: kysely's types are gone by the time a test runs. */
function readSchemaTypes(): Map<string, Map<string, Column>> {
  const tables = readdirSync(new URL('tables', import.meta.url)).map((file) => `tables/${file}`)
  const text = ['schema.ts', ...tables]
    .map((file) => readFileSync(new URL(file, import.meta.url), 'utf8'))
    .join('\n')
  const source = ts.createSourceFile('schema.ts', text, ts.ScriptTarget.Latest)
  const interfaces = new Map<string, ts.InterfaceDeclaration>()
  source.forEachChild((node) => {
    if (ts.isInterfaceDeclaration(node)) interfaces.set(node.name.text, node)
  })
  const members = (name: string) =>
    (interfaces.get(name)?.members ?? []).map((member) => {
      const { name, type } = member as ts.PropertySignature
      return [name?.getText(source) as string, type?.getText(source) as string] as const
    })
  return new Map(
    ['Schema', ...[...interfaces.keys()].filter((name) => name.endsWith('Tables'))]
      .flatMap(members)
      .map(([table, type]) => [
        table,
        new Map(
          members(type).map(([column, type]) => [
            column,
            {
              type,
              nullable: / \| null$/.test(type),
              optional: /^(Generated|GeneratedAlways)<|^TimeWithDefault/.test(type),
            },
          ]),
        ),
      ]),
  )
}
