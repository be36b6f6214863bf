import { connect, createServer, type Socket } from 'node:net'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDatabase, type Database, withConcurrencyLimit, withSignal } from './database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

test('times keep their microseconds, counts are numbers, and a count beyond a double is an error', async () => {
  const db = createDatabase(database.url)
  const { rows } = await sql`
    SELECT '2026-11-21 09:20:15.123456+02'::timestamptz AS micro, '0800-01-01 00:00:00+00'::timestamptz AS early,
           '2026-11-21'::date AS day, 9007199254740991::bigint AS big`.execute(db)
  expect(rows).toEqual([
    {
      micro: '2026-11-21T07:20:15.123456Z',
      early: '0800-01-01T00:00:00Z',
      day: '2026-11-21',
      big: Number.MAX_SAFE_INTEGER,
    },
  ])
  await expect(sql`SELECT 9007199254740993::bigint AS big`.execute(db)).rejects.toThrow(
    'does not fit',
  )
  await db.destroy()
})

test('a statement that takes too long is cancelled, and its connection still serves', async () => {
  const db = createDatabase(database.url, { max: 1, statementMs: 200 })
  await expect(sql`SELECT pg_sleep(5)`.execute(db)).rejects.toMatchObject({ code: '57014' })
  expect((await sql<{ n: number }>`SELECT 1 AS n`.execute(db)).rows).toEqual([{ n: 1 }])
  await db.destroy()
})

test('a connection that breaks in use or idle does not end the process, and the next query succeeds', async () => {
  const db = createDatabase(database.url, { max: 1 })
  const cut = () =>
    database.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'sluice api' AND datname = current_database()`,
    )
  const asked = expect(sql`SELECT pg_sleep(20)`.execute(db)).rejects.toThrow()
  await expect
    .poll(async () => {
      const { rowCount } = await database.pool.query(
        `SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND datname = current_database()`,
      )
      return rowCount
    })
    .toBe(1)
  await cut()
  await asked
  expect((await sql<{ n: number }>`SELECT 1 AS n`.execute(db)).rows).toEqual([{ n: 1 }])
  await cut()
  const ask = async () => (await sql<{ n: number }>`SELECT 2 AS n`.execute(db)).rows[0]?.n
  await expect.poll(() => ask().catch(() => 'not yet')).toBe(2)
  await db.destroy()
})

test('a server that goes silent costs one query its deadline, and no later one', async () => {
  const { hostname, port } = new URL(database.url)
  let silent = false
  const sockets = new Set<Socket>()
  const proxy = createServer((from) => {
    const to = connect(Number(port), hostname)
    sockets.add(from).add(to)
    for (const socket of [from, to]) socket.on('error', () => {})
    const deaf = silent
    from.on('data', (chunk) => to.write(chunk))
    to.on('data', (chunk) => {
      if (!silent || deaf) from.write(chunk)
    })
  })
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done))
  const url = new URL(database.url)
  url.port = String((proxy.address() as { port: number }).port)
  const db = createDatabase(url.href, { max: 1, statementMs: 100 })
  await sql`SELECT 1`.execute(db)
  silent = true
  await expect(sql`SELECT 1`.execute(db)).rejects.toThrow('Query read timeout')
  // Only connections opened from now on get replies: the old one must not come back from the pool.
  expect((await sql<{ n: number }>`SELECT 3 AS n`.execute(db)).rows).toEqual([{ n: 3 }])
  for (const socket of sockets) socket.destroy()
  await new Promise((done) => proxy.close(done))
  await db.destroy()
})

const sessionId = async (db: Database) =>
  (await sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`.execute(db)).rows[0]?.pid

/**
 * The client of a statement leaves while it runs.
 * @param ends whether the statement ends by itself then
 */
async function leaveDuringStatement(db: Database, ends: boolean): Promise<void> {
  const holder = await database.pool.connect()
  await holder.query('SELECT pg_advisory_lock(1)')
  const release = () => holder.query('SELECT pg_advisory_unlock(1)')
  const client = new AbortController()
  const waited = sql`SELECT pg_advisory_xact_lock(1)`
    .execute(withSignal(db, client.signal))
    .catch(() => {})
  const waiting = async () => {
    const { rowCount } = await database.pool.query(
      `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    )
    return rowCount
  }
  await expect.poll(waiting, { interval: 5 }).toBe(1)
  client.abort()
  if (ends) await release()
  await waited
  if (!ends) await release()
  holder.release()
}

test('a client that leaves costs no connection, whether its statement is short or cancelled', async () => {
  const db = createDatabase(database.url, { max: 1 })
  for (const ends of [true, false]) {
    const sessions = new Set([await sessionId(db)])
    // On a busy machine a cancel request may be sent late, or twice; then nobody uses the connection any more.
    for (let i = 0; i < 5; i++) {
      await leaveDuringStatement(db, ends)
      sessions.add(await sessionId(db))
    }
    expect(sessions.size).toBeLessThan(6)
  }
  await db.destroy()
})

test('a client that leaves between two statements of a transaction leaves no transaction open', async () => {
  const limited = createDatabase(database.url, { max: 1 })
  const db = withConcurrencyLimit(limited, async () => () => {})
  const before = await sessionId(db)
  const client = new AbortController()
  const left = withSignal(db, client.signal)
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (tx) => {
      await sql`SELECT 1`.execute(tx)
      client.abort()
      await sql`SELECT 2`.execute(tx)
    })
  await expect(left).rejects.toMatchObject({ code: 'QUERY_CANCELLED' })
  const isolation = await sql`SHOW transaction_isolation`.execute(db)
  expect(isolation.rows).toEqual([{ transaction_isolation: 'read committed' }])
  expect(await sessionId(db)).toBe(before)
  await limited.destroy()
})
