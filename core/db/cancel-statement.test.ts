import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../../tests/lib/database.ts'
import { findFreePort } from '../../tools/process/ports.ts'
import { cancelStatement } from './cancel-statement.ts'

test('a statement that runs is cancelled, and the connection takes the next one', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  onTestFinished(() => client.end())
  const sleeping = client.query('SELECT pg_sleep(60)')
  // A request that arrives before the statement has begun cancels nothing.
  await expect
    .poll(async () => {
      const { rows } = await database.pool.query(
        "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()",
      )
      return rows.length
    })
    .toBe(1)
  cancelStatement(client)
  await expect(sleeping).rejects.toMatchObject({ code: '57014' })
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

/** What pg keeps of a connection. */
const clientOf = (host: string, port: number, processID: number | null = 0x01020304) =>
  ({ host, port, processID, secretKey: -2 }) as unknown as pg.ClientBase

test('the request is one message of the protocol, on a Unix socket too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cancel-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const server: Server = createServer()
  server.listen(join(folder, '.s.PGSQL.5433'))
  onTestFinished(() => void server.close())
  const sent = new Promise<Buffer>((resolve) => {
    server.once('connection', (socket) => buffer(socket).then(resolve))
  })
  cancelStatement(clientOf(folder, 5433))
  expect((await sent).toString('hex')).toBe('00000010' + '04d2162e' + '01020304' + 'fffffffe')
})

test('a server that is away, and a connection that was never made, are no error', async () => {
  const port = await findFreePort()
  const errors: unknown[] = []
  const onError = (error: unknown) => errors.push(error)
  process.on('uncaughtException', onError)
  onTestFinished(() => void process.off('uncaughtException', onError))
  cancelStatement(clientOf('127.0.0.1', port))
  cancelStatement(clientOf('127.0.0.1', port, null))
  // Until it has been refused twice over.
  for (let i = 0; i < 2; i++)
    await fetch(`http://127.0.0.1:${port}`).catch(() => new Promise(setImmediate))
  expect(errors).toEqual([])
})
