import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { createDatabase } from '../core/db/database.ts'
import { createKey } from '../core/identity/api-keys.ts'
import { type CoreProcess, startCore } from './lib/core-process.ts'
import { createTestDatabase, type TestDatabase } from './lib/database.ts'

let database: TestDatabase
let core: CoreProcess
let authorization: string
beforeAll(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  const db = createDatabase(database.url, { max: 1 })
  const { key } = await createKey(db, { tenant: 'default', name: 'reader', scopes: ['read'] })
  authorization = `Bearer ${key}`
  await db.destroy()
  core = await startCore({ roles: ['api'], databaseUrl: database.url })
})
afterAll(async () => {
  await core?.stop()
  await database.drop()
})

test('core as a process serves agents, and ends with a WebSocket open', async () => {
  const agent = new Client({ name: 'test', version: '1' })
  const requestInit = { headers: { authorization } }
  await agent.connect(
    new StreamableHTTPClientTransport(new URL(`${core.url}/mcp`), { requestInit }),
  )
  expect((await agent.listTools()).tools).toHaveLength(8)
  const { content } = await agent.callTool({ name: 'pipeline_status', arguments: {} })
  expect(JSON.stringify(content)).toContain('dead_letters_24h: 0')
  await agent.close()

  let closed: (code: number) => void = () => {}
  const code = new Promise<number>((resolve) => {
    closed = resolve
  })
  const live = createClient({
    url: `${core.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    retryAttempts: 0,
    on: { closed: (event) => closed((event as { code: number }).code) },
  })
  const updates = live.iterate<{ live: { at: string } }>({ query: 'subscription { live { at } }' })
  expect((await updates.next()).value?.data?.live.at).toMatch(/Z$/)
  await core.stop()
  expect(await code).toBe(1001)
})
