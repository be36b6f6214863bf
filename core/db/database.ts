import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely'
import pg from 'pg'
import { parseExactly } from '../../contract/json/exact-parse.ts'
import { ApiError } from '../lib/api-error.ts'
import { cancelStatement } from './cancel-statement.ts'
import { type DatabaseRoles, roleOption } from './roles.ts'
import type { Schema } from './schema.ts'

export type Database = Kysely<Schema>

export interface DatabaseOptions {
  /** Connections at most. */
  max?: number
  /** No statement runs longer; the client waits two seconds more, for a server that has gone silent. */
  statementMs?: number
  /** How long a query may wait for a free connection. */
  connectMs?: number
  /** The role that its connections assume; that of the URL unless given. */
  role?: DatabaseRoles['read'] | DatabaseRoles['write']
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
  const {
    max = 10,
    statementMs = 10_000,
    connectMs = 5_000,
    role,
    onIdleError = () => {},
  } = options
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
    options: `-c timezone=UTC -c datestyle=ISO -c jit=off -c work_mem=32MB ${roleOption(role)} ${ALL_TENANTS}`,
    types: { getTypeParser: typeParser },
  })
  // The pool's handler covers idle clients only; one that breaks while in use emits as well (#3202).
  pool.on('error', onIdleError)
  pool.on('connect', (client) => client.on('error', () => {}))
  return databaseOn({
    pool: {
      options: pool.options,
      connect: async () => discardWhenBroken(await pool.connect()),
      end: () => pool.end(),
    },
    scopeOf: async () => 'all',
  })
}

const ALL_TENANTS = '-c sluice.tenant=all'

/** Which rows of tenants a connection may read as the role sluice_read: those of one tenant, all for the operator, or none. */
export type TenantScope = number | 'all' | 'none'

/**
 * The same connections, which read the rows of this tenant only, whatever a query says: row-level security of migration
 * 13 is the second wall behind each query's own WHERE. A connection is told its tenant when that changes, not each time.
 * Ends with the database that it came from.
 */
export function withTenant(db: Database, scopeOf: () => Promise<TenantScope>): Database {
  return databaseOn({ ...partsOf(db), scopeOf })
}

/** A connection is opened with the scope 'all'. */
async function setTenant(client: PostgresPoolClient, scope: string): Promise<void> {
  const { session } = client as ScopedClient
  if (session.tenant === scope) return
  // Before it: whatever happens, nobody takes the connection for one of another tenant.
  session.tenant = ''
  await client.query("SELECT set_config('sluice.tenant', $1, false)", [scope])
  session.tenant = scope
}

interface ScopedClient extends PostgresPoolClient {
  /** What is known about the connection itself, however often it is lent. */
  session: { tenant: string }
  /** Cancels the statement that runs on it, in Postgres. Where that does not end it, the connection is closed once released. */
  cancel(): void
}

const sessions = new WeakMap<pg.PoolClient, ScopedClient['session']>()

function sessionOf(client: pg.PoolClient): ScopedClient['session'] {
  const session = sessions.get(client) ?? { tenant: 'all' }
  sessions.set(client, session)
  return session
}

/**
 * The same connections, each taken only after `acquire` resolves; what that returns is called when the
 * connection is given back. Ends with the database that it came from.
 */
export function withConcurrencyLimit(db: Database, acquire: () => Promise<() => void>): Database {
  const { pool, scopeOf } = partsOf(db)
  const limited: PostgresPool = {
    ...pool,
    async connect() {
      const release = await acquire()
      try {
        const client = await pool.connect()
        return {
          ...client,
          release(discard) {
            client.release(discard)
            release()
          },
        }
      } catch (error) {
        release()
        throw error
      }
    },
  }
  return databaseOn({ pool: limited, scopeOf })
}

/** Lends one connection to code that knows pg alone; `own` uses the same one, so that both share a transaction. */
export async function withConnection<T>(
  db: Database,
  work: (client: pg.ClientBase, own: Database) => Promise<T>,
): Promise<T> {
  const { pool, scopeOf } = partsOf(db)
  const client = await pool.connect()
  const lent: PostgresPool = { ...pool, connect: async () => ({ ...client, release() {} }) }
  try {
    return await work(client as unknown as pg.ClientBase, databaseOn({ pool: lent, scopeOf }))
  } finally {
    client.release()
  }
}

/**
 * A statement runs for so long before it is cancelled: a short one ends by itself for less. Then again and again until
 * it has ended: a request that overtakes its statement has no effect.
 */
const CANCEL_AFTER_MS = 250

/**
 * The same connections, for a client that may leave: when the signal aborts, statements that run are cancelled in
 * Postgres, and no other one is started. Both reject with QUERY_CANCELLED. Ends with the database that it came from.
 */
export function withSignal(db: Database, signal: AbortSignal): Database {
  const { pool, scopeOf } = partsOf(db)
  const running = new Set<() => void>()
  // One listener, whatever the number of statements: Node warns of more than ten.
  const cancelAll = () => {
    for (const cancel of running) cancel()
  }
  signal.addEventListener('abort', cancelAll, { once: true })

  function cancellable(client: ScopedClient): ScopedClient {
    async function query(text: string, values: unknown[]) {
      // Kysely's last statement in a transaction that failed.
      if (signal.aborted && text !== 'rollback') throw new ApiError('QUERY_CANCELLED')
      const beganAt = performance.now()
      let timer: NodeJS.Timeout | undefined
      const cancelIn = (ms: number) => {
        timer = setTimeout(() => {
          client.cancel()
          cancelIn(CANCEL_AFTER_MS)
        }, ms)
      }
      const cancel = () => cancelIn(beganAt + CANCEL_AFTER_MS - performance.now())
      running.add(cancel)
      try {
        return await client.query(text, values)
      } catch (error) {
        throw signal.aborted ? new ApiError('QUERY_CANCELLED') : error
      } finally {
        running.delete(cancel)
        clearTimeout(timer)
      }
    }
    return { ...client, query } as ScopedClient
  }

  const cancelled: PostgresPool = {
    ...pool,
    async connect() {
      if (signal.aborted) throw new ApiError('QUERY_CANCELLED')
      return cancellable((await pool.connect()) as ScopedClient)
    },
  }
  return databaseOn({ pool: cancelled, scopeOf })
}

interface DatabaseParts {
  /** Its connections may be of any tenant. */
  pool: PostgresPool
  scopeOf: () => Promise<TenantScope>
}

const parts = new WeakMap<Database, DatabaseParts>()

function partsOf(db: Database): DatabaseParts {
  const found = parts.get(db)
  if (!found) throw new Error('not created by createDatabase')
  return found
}

function databaseOn({ pool, scopeOf }: DatabaseParts): Database {
  const scoped: PostgresPool = {
    ...pool,
    async connect() {
      const scope = String(await scopeOf())
      const client = await pool.connect()
      try {
        await setTenant(client, scope)
        return client
      } catch (error) {
        client.release()
        throw error
      }
    },
  }
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: scoped }) })
  parts.set(db, { pool, scopeOf })
  return db
}

/** A client that remembers whether it can be used for another query. */
function discardWhenBroken(client: pg.PoolClient): PostgresPoolClient {
  let broken = false
  /** Cancel requests that ended no statement so far: one may arrive late, and must not meet another statement. */
  let cancels = 0
  return {
    session: sessionOf(client),
    async query(text: string, values: unknown[]) {
      try {
        return await client.query(text, values)
      } catch (error) {
        const { code, message } = error as { code?: unknown; message?: unknown }
        broken ||= !survives(code)
        if (cancels > 0 && code === '57014' && /user request/.test(String(message))) cancels--
        throw error
      }
    },
    cancel() {
      cancels++
      cancelStatement(client)
    },
    release: (discard = false) => client.release(discard || broken || cancels > 0),
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
