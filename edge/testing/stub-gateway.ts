import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type KeyKind, type KeyRecord, mintApiKey } from '../../contract/api-key.ts'
import type { ProduceRecord } from '../../contract/log/kafka-rest.ts'

/** A fault for the next request to /produce or /keys; each request consumes one, then responses are normal again. */
export type StubFault =
  | 'hang'
  | 'hang-in-body'
  | 'reset'
  | 'break-off'
  | 'not-json'
  | 'too-few'
  | { status: number }

/** The next request to /produce gets its response only then. */
export interface StubWait {
  until: Promise<unknown>
}

export interface StubGateway {
  url: string
  username: string
  password: string
  /** Every record accepted, in order. */
  records: ProduceRecord[]
  /** Requests to each route, whatever the response. */
  requestCounts: { produce: number; keys: number }
  produceFaults: (StubFault | StubWait)[]
  keyFaults: StubFault[]
  /** Creates a key and adds it to the directory. */
  addKey(record?: Partial<KeyRecord>): { key: string; record: KeyRecord }
  close(): Promise<void>
}

/** A real HTTP server with the gateway's two routes, which can be made to fail. */
export async function startStubGateway(): Promise<StubGateway> {
  const keys = new Map<string, KeyRecord>()
  const taken: ProduceRecord[] = []
  const requestCounts = { produce: 0, keys: 0 }
  const produceFaults: (StubFault | StubWait)[] = []
  const keyFaults: StubFault[] = []
  const password = 'a-secret-of-the-test'
  const authorization = `Basic ${btoa(`sluice:${password}`)}`
  const offsets = new Map<number, number>()

  const server = createServer(async (request, response) => {
    const respond = (status: number, body: unknown) => {
      response.writeHead(status, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    if (request.headers.authorization !== authorization)
      return respond(401, { error: 'unauthorized', status: 401 })
    const path = request.url ?? ''
    if (path.startsWith('/gateway/keys/')) {
      requestCounts.keys++
      if (applyFault(keyFaults.shift(), response, respond)) return
      const record = keys.get(path.slice('/gateway/keys/'.length))
      return record ? respond(200, record) : respond(404, { error: 'unknown', status: 404 })
    }
    if (path !== '/gateway/produce') return respond(404, { error: 'no such path', status: 404 })
    requestCounts.produce++
    const records = [JSON.parse(await textOf(request))].flat() as ProduceRecord[]
    const next = produceFaults.shift()
    if (typeof next === 'object' && 'until' in next) await next.until
    const fault = typeof next === 'object' && 'until' in next ? undefined : next
    if (fault === 'too-few') return respond(200, [])
    if (applyFault(fault, response, respond)) return
    taken.push(...records)
    respond(200, records.map(produceResult))
  })

  function produceResult(record: ProduceRecord) {
    const partition = (record.key ?? '').length % 6
    const offset = offsets.get(partition) ?? 0
    offsets.set(partition, offset + 1)
    return { topic: record.topic, partition, offset, timestamp: Date.now() }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/gateway`,
    username: 'sluice',
    password,
    records: taken,
    requestCounts: requestCounts,
    produceFaults: produceFaults,
    keyFaults: keyFaults,
    addKey(changes = {}) {
      const kind: KeyKind = changes.kind ?? 'sec'
      const key = mintApiKey(kind)
      const record: KeyRecord = {
        key_id: `key-${keys.size + 1}`,
        // Each key has its own tenant, so that tests do not share rate limits.
        tenant: `tenant-${keys.size + 1}`,
        kind,
        scopes: ['ingest'],
        origins: [],
        key_events_per_minute: 1_000_000,
        tenant_events_per_minute: 1_000_000,
        may_import_history: false,
        event_age_max_s: 30 * 24 * 3600,
        schema_versions: null,
        allowed_events: null,
        allowed_properties: null,
        expires_at: null,
        revoked_at: null,
        ...changes,
      }
      keys.set(createHash('sha256').update(key).digest('hex'), record)
      return { key, record }
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

export function applyFault(
  fault: StubFault | undefined,
  response: ServerResponse,
  respond: (status: number, body: unknown) => void,
): boolean {
  if (fault === undefined || fault === 'too-few') return false
  if (fault === 'reset') response.destroy()
  else if (fault === 'break-off') {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '100' })
    response.write('[', () => response.destroy())
  } else if (fault === 'not-json') response.end('<html>error</html>')
  else if (fault === 'hang-in-body') {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.write('[')
  } else if (fault !== 'hang') {
    // To the same URL, so that a client that follows it succeeds.
    if (fault.status >= 300 && fault.status < 400)
      response.setHeader('Location', response.req.url ?? '')
    respond(fault.status, { error: 'requested by the test', status: fault.status })
  }
  return true
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
