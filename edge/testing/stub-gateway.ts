import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type KeyKind, type KeyRecord, mintApiKey } from '../../contract/api-key.ts'
import type { ProduceRecord } from '../../contract/log/kafka-rest.ts'

/** How /produce or /keys answers the next requests; one is used up by each, then all is well again. */
export type Mood =
  | 'hang'
  | 'hang-in-body'
  | 'reset'
  | 'break-off'
  | 'not-json'
  | 'too-few'
  | { status: number }

export interface StubGateway {
  url: string
  username: string
  password: string
  /** Every record taken, in order. */
  taken: ProduceRecord[]
  /** How often each was asked, whatever it answered. */
  asked: { produce: number; keys: number }
  produceMoods: Mood[]
  keyMoods: Mood[]
  /** Makes a key and lets the directory know it. */
  addKey(record?: Partial<KeyRecord>): { key: string; record: KeyRecord }
  close(): Promise<void>
}

/** A real HTTP server that speaks the gateway's two routes and can be told to misbehave. */
export async function startStubGateway(): Promise<StubGateway> {
  const keys = new Map<string, KeyRecord>()
  const taken: ProduceRecord[] = []
  const asked = { produce: 0, keys: 0 }
  const produceMoods: Mood[] = []
  const keyMoods: Mood[] = []
  const password = 'a-secret-of-the-test'
  const authorization = `Basic ${btoa(`sluice:${password}`)}`
  const offsets = new Map<number, number>()

  const server = createServer(async (request, response) => {
    const say = (status: number, body: unknown) => {
      response.writeHead(status, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    if (request.headers.authorization !== authorization)
      return say(401, { error: 'no', status: 401 })
    const path = request.url ?? ''
    if (path.startsWith('/gateway/keys/')) {
      asked.keys++
      if (misbehave(keyMoods.shift(), response, say)) return
      const record = keys.get(path.slice('/gateway/keys/'.length))
      return record ? say(200, record) : say(404, { error: 'unknown', status: 404 })
    }
    if (path !== '/gateway/produce') return say(404, { error: 'no such path', status: 404 })
    asked.produce++
    const records = [JSON.parse(await textOf(request))].flat() as ProduceRecord[]
    const mood = produceMoods.shift()
    if (mood === 'too-few') return say(200, [])
    if (misbehave(mood, response, say)) return
    taken.push(...records)
    say(200, records.map(place))
  })

  function place(record: ProduceRecord) {
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
    taken,
    asked,
    produceMoods,
    keyMoods,
    addKey(given = {}) {
      const kind: KeyKind = given.kind ?? 'sec'
      const key = mintApiKey(kind)
      const record: KeyRecord = {
        key_id: `key-${keys.size + 1}`,
        // Every key its own tenant, so that no test uses up another's allowance.
        tenant: `tenant-${keys.size + 1}`,
        kind,
        scopes: ['ingest'],
        origins: [],
        key_events_per_minute: 1_000_000,
        tenant_events_per_minute: 1_000_000,
        may_import_history: false,
        event_age_max_s: 30 * 24 * 3600,
        schema_versions: null,
        expires_at: null,
        revoked_at: null,
        ...given,
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

export function misbehave(
  mood: Mood | undefined,
  response: ServerResponse,
  say: (status: number, body: unknown) => void,
): boolean {
  if (mood === undefined || mood === 'too-few') return false
  if (mood === 'reset') response.destroy()
  else if (mood === 'break-off') {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '100' })
    response.write('[', () => response.destroy())
  } else if (mood === 'not-json') response.end('<html>no</html>')
  else if (mood === 'hang-in-body') {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.write('[')
  } else if (mood !== 'hang') say(mood.status, { error: 'told to', status: mood.status })
  return true
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
