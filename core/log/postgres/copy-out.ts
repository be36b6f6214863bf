import type pg from 'pg'

/** The fields of one row as Postgres sends them in its binary format; `null` is NULL. */
export type BinaryRow = (Buffer | null)[]

/**
 * `COPY … TO STDOUT (FORMAT binary)` for results with large `bytea` columns.
 *
 * pg takes every field of an ordinary result as UTF-8 text. Read that way, a bytea comes as
 * hexadecimal: twice the bytes, converted on both sides (`binary: true` would corrupt it). Reading
 * the log's chunks costs 0.5 µs a record in Node and 0.26 µs in Postgres this way, 1.9 and 2.4 µs as text.
 *
 * COPY takes no parameters: every value in `sql` must be a checked number or a quoted literal.
 */
export function copyOut(client: pg.ClientBase, sql: string): Promise<BinaryRow[]> {
  return new Promise((resolve, reject) => {
    client.query(new CopyOut(sql, (error, rows) => (error ? reject(error) : resolve(rows))))
  })
}

const SIGNATURE_BYTES = 11

/** A pg.Submittable: pg passes it the messages of the response. */
class CopyOut implements pg.Submittable {
  /** pg wraps it to clear its query_timeout, so read it at each call. */
  callback: (error: Error | undefined, rows: BinaryRow[]) => void
  readonly #sql: string
  readonly #rows: BinaryRow[] = []
  #begun = false
  #error: Error | undefined

  constructor(sql: string, callback: (error: Error | undefined, rows: BinaryRow[]) => void) {
    this.#sql = `COPY (${sql}) TO STDOUT (FORMAT binary)`
    this.callback = callback
  }

  submit(connection: pg.Connection): void {
    connection.query(this.#sql)
  }

  /** Postgres sends one row a message; the first has the header before it, the last is the end mark. */
  handleCopyData({ chunk }: { chunk: Buffer }): void {
    let at = 0
    if (!this.#begun) {
      this.#begun = true
      at = SIGNATURE_BYTES + 4
      at += 4 + chunk.readInt32BE(at)
    }
    if (at >= chunk.length) return
    const count = chunk.readInt16BE(at)
    if (count === -1) return
    at += 2
    // pg reads the next message into the same memory, so copy.
    const bytes = Buffer.from(chunk.subarray(at))
    at = 0
    const row: BinaryRow = new Array(count)
    for (let i = 0; i < count; i++) {
      const length = bytes.readInt32BE(at)
      at += 4
      row[i] = length === -1 ? null : bytes.subarray(at, at + length)
      at += Math.max(length, 0)
    }
    this.#rows.push(row)
  }

  handleReadyForQuery(): void {
    this.callback(this.#error, this.#rows)
  }

  /** The server's error (it will be ready for the next query), the connection's, or pg's time-out. */
  handleError(error: Error): void {
    this.#error = error
    this.callback(error, [])
  }

  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
  handleRowDescription(): void {}
  handlePortalSuspended(): void {}
}
