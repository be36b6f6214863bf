import { connect, createServer, type Socket } from 'node:net'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDatabase } from './database.ts'

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
