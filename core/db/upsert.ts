import { type AddParameter, type Column, unnest } from './statement.ts'

/** What becomes of a column whose row exists already, `t` being the stored row. */
const MERGE = {
  add: (name: string) => `t.${name} + EXCLUDED.${name}`,
  least: (name: string) => `least(t.${name}, EXCLUDED.${name})`,
  greatest: (name: string) => `greatest(t.${name}, EXCLUDED.${name})`,
  replace: (name: string) => `EXCLUDED.${name}`,
  /** The stored value stays where the new one is NULL. */
  replaceUnlessNull: (name: string) => `coalesce(EXCLUDED.${name}, t.${name})`,
} as const

export type Merge = keyof typeof MERGE

/** Rows of one table that are inserted, or merged into those that are there. */
export interface Upsert<Input, Row> {
  table: string
  rows: (input: Input) => readonly Row[]
  /** The primary key; rows are written in its order, so that two writers cannot deadlock. */
  key: readonly Column<Row>[]
  columns: readonly (Column<Row> & { merge: Merge })[]
  /** Columns that Postgres computes from a new row `s`; how they merge may be an expression of the stored row `t`. */
  computed?: readonly { name: string; sql: string; merge: Merge | { sql: string } }[]
  /** Rows with the same key are added up first; every column has to be one to `add`. */
  grouped?: boolean
  /** Which stored rows are changed at all; without it every one. */
  where?: string
}

/** @returns the INSERT … ON CONFLICT of an upsert, its parameters added to the statement */
export function upsertSql<Input, Row>(
  add: AddParameter<Input>,
  { table, rows, key, columns, computed = [], grouped = false, where }: Upsert<Input, Row>,
): string {
  const keys = key.map(({ name }) => name)
  const order = keys.map((name) => `s.${name}`).join(', ')
  const merged = [...columns, ...computed]
  const selected = [
    ...keys.map((name) => `s.${name}`),
    ...columns.map(({ name }) => (grouped ? `sum(s.${name})::bigint` : `s.${name}`)),
    ...computed.map(({ sql }) => sql),
  ]
  return `
  INSERT INTO ${table} AS t (${[...keys, ...merged.map(({ name }) => name)].join(', ')})
  SELECT ${selected.join(', ')}
    FROM ${unnest(add, [...key, ...columns], rows)}
   ${grouped ? `GROUP BY ${order}` : ''} ORDER BY ${order}
  ON CONFLICT (${keys.join(', ')}) DO UPDATE SET
    ${merged.map(({ name, merge }) => `${name} = ${mergeSql(name, merge)}`).join(',\n    ')}
   ${where ? `WHERE ${where}` : ''}`
}

function mergeSql(name: string, merge: Merge | { sql: string }): string {
  return typeof merge === 'string' ? MERGE[merge](name) : merge.sql
}
