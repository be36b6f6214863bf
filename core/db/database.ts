import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely'
import pg from 'pg'
import { parseExactly } from '../../contract/json/exact-parse.ts'
import type { Schema } from './schema.ts'

export type Database = Kysely<Schema>

export interface DatabaseOptions {
  /** Connections at most. */
  max?: number
  /** No statement runs longer; the client waits two seconds more, for a server that has gone silent. */
  statementMs?: number
  /** How long a query may wait for a free connection. */
  connectMs?: number
  /** Called when a connection broke while it was idle. */
  onIdleError?: (error: Error) => void
}

/**
 * Queries through a bounded pool. `destroy()` ends it.
 *
 * Every wait has a deadline, on both sides: `statement_timeout` where the server still answers,
 * `query_timeout` where it does not. After the second one the connection is thrown away, because a
 * half-open one would hang every later query (brianc/node-postgres#3399).
 */
export function createDatabase(url: string, options: DatabaseOptions = {}): Database {
  const { max = 10, statementMs = 10_000, connectMs = 5_000, onIdleError = () => {} } = options
  const pool = new pg.Pool({
    connectionString: url,
    max,
    application_name: 'sluice api',
    connectionTimeoutMillis: connectMs,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    statement_timeout: statementMs,
    query_timeout: statementMs + 2_000,
    idle_in_transaction_session_timeout: statementMs,
    // Groups over a day of events fit into memory, instead of onto disk.
    options: '-c timezone=UTC -c datestyle=ISO -c jit=off -c work_mem=32MB',
    types: { getTypeParser: typeParser },
  })
  // The pool's handler covers idle clients only; one that breaks while in use emits as well (#3202).
  pool.on('error', onIdleError)
  pool.on('connect', (client) => client.on('error', () => {}))
  return databaseOn({
    options: pool.options,
    connect: async () => discardWhenBroken(await pool.connect()),
    end: () => pool.end(),
  })
}

/**
 * The same connections, each taken only after `acquire` resolves; what that returns is called when the
 * connection is given back. Ends with the database that it came from.
 */
export function withConcurrencyLimit(db: Database, acquire: () => Promise<() => void>): Database {
  const pool = pools.get(db)
  if (!pool) throw new Error('not created by createDatabase')
  return databaseOn({
    ...pool,
    async connect() {
      const release = await acquire()
      try {
        const client = await pool.connect()
        return {
          query: client.query,
          release() {
            client.release()
            release()
          },
        }
      } catch (error) {
        release()
        throw error
      }
    },
  })
}

const pools = new WeakMap<Database, PostgresPool>()

function databaseOn(pool: PostgresPool): Database {
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) })
  pools.set(db, pool)
  return db
}

/** A client that remembers whether it can be used for another query. */
function discardWhenBroken(client: pg.PoolClient): PostgresPoolClient {
  let broken = false
  return {
    async query(text: string, values: unknown[]) {
      try {
        return await client.query(text, values)
      } catch (error) {
        broken ||= !survives((error as { code?: unknown }).code)
        throw error
      }
    },
    release: () => client.release(broken),
    // Not the overload with a cursor: nothing here streams.
  } as unknown as PostgresPoolClient
}

/** An error of the server has an SQLSTATE, a time-out or a lost connection has none; 57P and 08 mean that it disconnects. */
function survives(code: unknown): boolean {
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^(57P|08|EPIPE)/.test(code)
}

const { builtins } = pg.types

function typeParser(oid: number, format?: 'text' | 'binary') {
  switch (oid) {
    case builtins.INT8:
      return toSafeInteger
    case builtins.TIMESTAMPTZ:
      return toRfc3339
    case builtins.DATE:
      return (text: string) => text
    case builtins.JSONB:
      return parseExactly
    default:
      return pg.types.getTypeParser(oid, format as 'text')
  }
}

/** Counts and offsets fit a double for a long time to come; should one not, an error is better than a wrong number. */
function toSafeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} does not fit a double exactly`)
  return value
}

/** `2026-11-21 09:20:15.12+00` as RFC 3339; the session's time zone is UTC. */
function toRfc3339(text: string): string {
  return `${text.slice(0, 10)}T${text.slice(11, -3)}Z`
}
