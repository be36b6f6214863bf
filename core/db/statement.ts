import type pg from 'pg'

/**
 * Adds a parameter to the statement that is being built.
 * @param read how its value is found in the statement's input
 * @returns its number as SQL: `$7`, or `$7::int[]`
 */
export type AddParameter<Input> = (read: (input: Input) => unknown, type?: string) => string

/**
 * A statement whose parameters number themselves. The text is built once, so a named one is planned once a connection.
 * @param name of the prepared statement; undefined to have it planned at each execution
 * @returns the text and the values for an input, for `client.query`
 */
export function createStatement<Input>(
  name: string | undefined,
  build: (add: AddParameter<Input>) => string,
): (input: Input) => pg.QueryConfig {
  const reads: ((input: Input) => unknown)[] = []
  const text = build((read, type) => {
    reads.push(read)
    return type === undefined ? `$${reads.length}` : `$${reads.length}::${type}`
  })
  return (input) => ({ ...(name && { name }), text, values: reads.map((read) => read(input)) })
}

/** A column of rows that are sent as one array a column. */
export interface Column<Row> {
  name: string
  type: 'int' | 'bigint' | 'float8' | 'timestamptz' | 'uuid' | 'text' | 'bytea' | 'boolean'
  /** Times as RFC 3339. */
  value: (row: Row) => number | string | Buffer | null
}

/** `unnest($1::int[], $2::text[]) AS s (tenant_id, reason)`: rows of the input as a table `s`. */
export function unnest<Input, Row>(
  add: AddParameter<Input>,
  columns: readonly Column<Row>[],
  rows: (input: Input) => readonly Row[],
): string {
  const arrays = columns.map((column) =>
    add((input) => toArray(column, rows(input)), `${column.type}[]`),
  )
  return `unnest(${arrays.join(', ')}) AS s (${columns.map(({ name }) => name).join(', ')})`
}

/** pg quotes and escapes each element of an array; numbers, times and UUIDs need none of it. */
function toArray<Row>({ type, value }: Column<Row>, rows: readonly Row[]): unknown {
  if (type === 'text' || type === 'bytea') return rows.map(value)
  return `{${rows.map((row) => value(row) ?? 'NULL').join(',')}}`
}
