import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createQueryFixture, type QueryFixture } from '../../graphql/testing/fixture.ts'
import { createCoreApp } from '../../http/app.ts'
import { createMetrics } from '../../http/metrics.ts'
import { type Served, serveApp } from '../../http/serve.ts'

/** A core with Postgres and clients of the official SDK. */
export interface McpFixture {
  fixture: QueryFixture
  core: Served
  key: Record<string, string>
  /** What core logged. */
  logged: object[]
  /** A client that speaks this revision. */
  connect(revision?: string): Promise<Client>
  /** The text of a result, and whether it is an error. */
  call(tool: string, args?: object): Promise<{ text: string; isError: boolean }>
  post(message: unknown, headers?: Record<string, string>): Promise<Response>
  close(): Promise<void>
}

export const REVISION = '2026-07-28'

export async function createMcpFixture(): Promise<McpFixture> {
  const fixture = await createQueryFixture()
  const { db, log, graphql } = fixture
  const logged: object[] = []
  const app = createCoreApp({
    db,
    log,
    logger: { error: (fields: object) => logged.push(fields) },
    metrics: createMetrics({ db, log }),
    api: { graphql, dashboardFolder: '/nowhere' },
  })
  const core = await serveApp(app, { port: 0 })
  const key = await fixture.keyOf('default')
  const clients: Client[] = []

  async function connect(revision = REVISION): Promise<Client> {
    const client = new Client(
      { name: 'test', version: '1' },
      { versionNegotiation: { mode: revision === REVISION ? { pin: revision } : 'legacy' } },
    )
    const transport = new StreamableHTTPClientTransport(new URL(`${core.url}/mcp`), {
      requestInit: { headers: key },
    })
    await client.connect(transport)
    clients.push(client)
    return client
  }
  let shared: Promise<Client> | undefined

  return {
    fixture,
    core,
    key,
    logged,
    connect,
    async call(name, args = {}) {
      shared ??= connect()
      const result = await (await shared).callTool({ name, arguments: { ...args } })
      const [first] = result.content as { text: string }[]
      return { text: first?.text ?? '', isError: result.isError === true }
    },
    post: (message, headers = {}) =>
      fetch(`${core.url}/mcp`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...key,
          ...headers,
        },
        body: typeof message === 'string' ? message : JSON.stringify(message),
      }),
    async close() {
      for (const client of clients) await client.close()
      await core.close(0)
      await fixture.close()
    },
  }
}

/** The facts above the data, and the lines of the data. */
export function readText(text: string): {
  facts: Record<string, string>
  notes: string[]
  // biome-ignore lint/suspicious/noExplicitAny: rows have the shape of their tool
  data: any[]
} {
  const open = text.indexOf('<untrusted-data-')
  const lines = text.slice(0, open).trimEnd().split('\n')
  const entries = lines.map((line) => line.split(/: (.*)/s) as [string, string])
  const data = text.slice(open).split('\n').slice(2, -1)
  return {
    facts: Object.fromEntries(entries.filter(([name]) => name !== 'note')),
    notes: entries.filter(([name]) => name === 'note').map(([, note]) => note),
    data: data.map((line) => JSON.parse(line)),
  }
}
